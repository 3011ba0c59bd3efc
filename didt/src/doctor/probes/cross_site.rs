//! May another site's page use the visitor's cookie?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::seen::Seen;
use crate::doctor::wire::Request;

pub(super) const UNSAFE_METHOD: Probe = Probe {
    name: "cross-site-post",
    severity: Severity::Serious,
    claim: "the cookie does not authenticate a POST that another site caused",
    why: "Any page on the web can make a visitor's browser send it. SameSite=Lax helps against \
          other sites, but not against other hosts of the same site, or in older browsers.",
    mend: &[
        at(
            "nginx",
            "`proxy_set_header X-Original-Method $request_method;` in the check's \
                     location: otherwise it is asked with GET, which looks harmless",
        ),
        at(
            "Traefik, Caddy",
            "list the gateway's address in `trusted_proxies`, \
                              so that its X-Forwarded-Method is believed",
        ),
        at("HAProxy", "let the script send the original method"),
        everywhere(
            "pass Origin and Sec-Fetch-Site to the check unchanged (Envoy: \
                    `allowed_headers`)",
        ),
    ],
    run: |examination| {
        Box::pin(async {
            let session = examination.session().await?;
            let mut wrong = Vec::new();
            for method in ["POST", "PUT", "DELETE"] {
                for (what, request) in foreign(&examination.signed(method, session)) {
                    wrong.extend(
                        examination.must_refuse(&format!("{method} {what}"), &request).await?,
                    );
                }
            }
            Ok(Found::unless(wrong, "POST, PUT and DELETE from another site are refused"))
        })
    },
};

pub(super) const WEBSOCKET: Probe = Probe {
    name: "websocket-origin",
    severity: Severity::Serious,
    claim: "a page of another site cannot open a WebSocket with the cookie",
    why: "A WebSocket begins with a GET to which no CORS rule applies: without a check \
          of its Origin, any page can open one as the visitor and read the messages.",
    mend: &[
        at(
            "nginx",
            "`proxy_set_header X-Original-Upgrade $http_upgrade;` in the check's location, \
                     which nginx asks without the client's Upgrade",
        ),
        everywhere(
            "pass Upgrade, Origin and Sec-Fetch-Site to the check, or remove \
                    Upgrade if no WebSocket is served",
        ),
    ],
    run: |examination| Box::pin(websocket(examination)),
};

async fn websocket(examination: &Examination) -> Outcome {
    let session = examination.session().await?;
    let handshake = examination
        .signed("GET", session)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let (mut wrong, mut plain) = (Vec::new(), false);
    for (what, request) in foreign(&handshake) {
        match examination.ask(&request).await? {
            // Without Upgrade it is a GET, as any link makes one.
            Reply::Upstream(answer)
                if Seen::read(&answer).is_some_and(|seen| seen.all("upgrade").is_empty()) =>
            {
                plain = true;
            }
            Reply::Upstream(_) | Reply::Given(_) => {
                wrong.push(format!("a WebSocket {what} reaches the upstream"));
            }
            Reply::Refused(_) | Reply::Closed => {}
        }
    }
    let passed =
        if plain { "no WebSocket gets through here at all" } else { "foreign ones are refused" };
    Ok(Found::unless(wrong, passed))
}

/// `request`, as pages of other sites make browsers send it.
fn foreign(request: &Request) -> [(&'static str, Request); 3] {
    let from = |origin: &str| request.clone().header("Origin", origin);
    let elsewhere = "https://didt-doctor.invalid";
    [
        ("with Sec-Fetch-Site: cross-site", from(elsewhere).header("Sec-Fetch-Site", "cross-site")),
        ("with another Origin", from(elsewhere)),
        ("with Origin: null", from("null")),
    ]
}
