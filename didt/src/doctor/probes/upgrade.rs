//! May a client speak another protocol with the upstream?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::seen::Seen;
use crate::doctor::wire::Request;

pub(super) const PROBE: Probe = Probe {
    name: "other-upgrade",
    severity: Severity::Critical,
    claim: "no upgrade reaches the upstream, except to a WebSocket",
    why: "An upstream that takes `Upgrade: h2c` switches to HTTP/2, and the gateway \
          becomes a tunnel: in it, the client sends unchecked requests with its own identity headers.",
    mend: &[
        at(
            "nginx",
            "`map $http_upgrade $didt_upgrade { default \"\"; ~*^websocket$ websocket; }`, and \
                     $didt_upgrade in place of $http_upgrade",
        ),
        at("Caddy", "`request_header -Upgrade` where Upgrade is not `websocket`"),
        at(
            "HAProxy",
            "`http-request del-header Upgrade if !{ req.fhdr(Upgrade) -m str -i websocket }`",
        ),
        at("Envoy", "`upgrade_configs` with only `upgrade_type: websocket`"),
        everywhere(
            "pass Upgrade and HTTP2-Settings to the check: `didt serve` refuses all but \
                    WebSockets",
        ),
    ],
    run: |examination| Box::pin(run(examination)),
};

const PROTOCOLS: [&str; 4] = ["h2c", "H2C", "websocket, h2c", "HTTP/2.0"];

async fn run(examination: &Examination) -> Outcome {
    let mut plain = Vec::new();
    if let Ok(public) = examination.public() {
        plain.push(Request::get(public));
    }
    match examination.session().await {
        Ok(session) => plain.push(examination.signed("GET", session)),
        Err(Inconclusive::Skipped(_)) if !plain.is_empty() => {}
        Err(stop) => return Err(stop),
    }
    let mut wrong = Vec::new();
    for (plain, protocol) in plain.iter().flat_map(|plain| PROTOCOLS.map(|word| (plain, word))) {
        for connection in ["Upgrade", "Upgrade, HTTP2-Settings"] {
            let request = plain
                .clone()
                .header("Connection", connection)
                .header("Upgrade", protocol)
                .header("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA");
            let Reply::Upstream(answer) = examination.ask(&request).await? else { continue };
            let seen = Seen::read(&answer);
            let seen = seen.ok_or_else(|| Inconclusive::unknown("an answer was garbled"))?;
            let upgrades = seen.all("upgrade");
            if upgrades.iter().any(|value| !["", "websocket"].contains(value)) {
                wrong.push(format!("Upgrade: {protocol} reaches the upstream"));
            }
        }
    }
    wrong.dedup();
    Ok(Found::unless(wrong, "none does"))
}
