//! Is a person who opens a page sent to sign in, nobody else, and nobody to a foreign site?

use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::wire::{Answer, Request, Url};

pub(super) const PROBE: Probe = Probe {
    name: "sign-in-page",
    severity: Severity::Serious,
    claim: "people are redirected to sign in and to their page again, programs get a 401, and a \
            foreign return address leads nowhere",
    why: "A redirected fetch or WebSocket fails with an error that nobody understands. A sign-in \
          page that redirects to any address lends this site's name to phishing. A stored page \
          or redirect keeps people out who have signed in since.",
    mend: &[
        at(
            "nginx",
            "`auth_request_set $didt_sign_in $upstream_http_location;` and \
             `error_page 401 = @didt_sign_in;`, as in the sample",
        ),
        at("Envoy", "`location` among `allowed_client_headers`"),
        at("HAProxy", "pass the check's 302 on with its Location"),
        everywhere(
            "forward PREFIX/ to `didt serve` without caching, and redirect nobody in the gateway \
             itself: the check decides who is sent to sign in",
        ),
    ],
    run: |examination| Box::pin(run(examination)),
};

/// Values of `rd`, escaped, of which none may lead to `didt-doctor.invalid`. `{host}` is the
/// site's own.
const EVIL: [&str; 24] = [
    "https://didt-doctor.invalid/",
    "http://didt-doctor.invalid/",
    "//didt-doctor.invalid/",
    "///didt-doctor.invalid/",
    "/%5Cdidt-doctor.invalid/",
    "%5C/didt-doctor.invalid/",
    "%5C%5Cdidt-doctor.invalid/",
    "/%09/didt-doctor.invalid/",
    "/%0A/didt-doctor.invalid/",
    "%09//didt-doctor.invalid/",
    "%20//didt-doctor.invalid/",
    "/..//didt-doctor.invalid/",
    "/.//didt-doctor.invalid/",
    "%252F%252Fdidt-doctor.invalid/",
    "/%252F/didt-doctor.invalid/",
    "https:didt-doctor.invalid/",
    "https:/didt-doctor.invalid/",
    "https://{host}@didt-doctor.invalid/",
    "https://{host}.didt-doctor.invalid/",
    "https://didt-doctor.invalid%5C@{host}/",
    "https://didt-doctor.invalid%23@{host}/",
    "https://didt-doctor.invalid%00.{host}/",
    "javascript:location='//didt-doctor.invalid'",
    "/&rd=//didt-doctor.invalid/",
];

/// Breaks out of the `Location`, if anything decodes it on the way.
const SPLIT: &str = "/%0D%0AX-Didt-Doctor:%20split";

async fn run(examination: &Examination) -> Outcome {
    let sign_in = examination.auth_path("/sign-in");
    let page = person(&examination.fresh("GET").target(&sign_in));
    let page = refused(examination, &page).await?.filter(is_page);
    let sent = refused(examination, &person(&examination.fresh("GET"))).await?;
    let sent = sent.filter(|answer| (300..400).contains(&answer.status));

    let mut wrong = Vec::new();
    for (what, request) in programs(examination) {
        if let Some(answer) = refused(examination, &request).await?
            && (300..400).contains(&answer.status)
        {
            wrong.push(format!("{what} is redirected ({})", answer.status));
        }
    }
    let passed = match (&page, &sent) {
        (None, None) => "there is no sign-in page, and nobody is redirected",
        (None, Some(_)) => "people are redirected to a page that is not didt's",
        (Some(page), sent) => {
            wrong.extend(of_page(page));
            match sent {
                Some(sent) => wrong.extend(of_redirect(sent, &sign_in, &examination.guarded)),
                None => {
                    wrong.push(format!("a person who opens the route is not sent to {sign_in}"));
                }
            }
            wrong.extend(return_addresses(examination, &sign_in).await?);
            "people are sent there and back, programs and foreign addresses are refused"
        }
    };
    Ok(Found::unless(wrong, passed))
}

/// The answer to a request that does not reach the upstream.
async fn refused(
    examination: &Examination,
    request: &Request,
) -> Result<Option<Answer>, Inconclusive> {
    match examination.ask(request).await? {
        Reply::Refused(answer) | Reply::Given(answer) => Ok(Some(answer)),
        Reply::Upstream(_) | Reply::Closed => Ok(None),
    }
}

/// As browsers open a page.
fn person(request: &Request) -> Request {
    let request = request.clone().header("Sec-Fetch-Mode", "navigate");
    request.header("Sec-Fetch-Dest", "document").header("Sec-Fetch-Site", "none")
}

/// Requests that no redirect helps.
fn programs(examination: &Examination) -> [(&'static str, Request); 5] {
    let get = || examination.fresh("GET");
    let fetch = get().header("Sec-Fetch-Mode", "cors").header("Sec-Fetch-Dest", "empty");
    let handshake = get().header("Connection", "Upgrade").header("Upgrade", "websocket");
    [
        ("a request of a program", get()),
        ("a fetch", fetch),
        ("a WebSocket", handshake.header("Sec-WebSocket-Version", "13")),
        ("a POST", person(&examination.fresh("POST"))),
        ("a request with a token", person(&get().header("Authorization", "Bearer x"))),
    ]
}

fn is_page(answer: &Answer) -> bool {
    let html = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    answer.status == 200 && html && answer.has("content-security-policy")
}

fn of_page(page: &Answer) -> Option<String> {
    let stored = !page.all("cache-control").any(|value| value.contains("no-store"));
    stored.then(|| "caches may store the page: it has no Cache-Control: no-store".to_owned())
}

fn of_redirect(sent: &Answer, sign_in: &str, guarded: &Url) -> Vec<String> {
    let location = sent.header("location").unwrap_or_default();
    let rows = [
        (matches!(sent.status, 301 | 308), format!("the redirect is a {}, for good", sent.status)),
        (
            !sent.all("cache-control").any(|value| value.contains("no-store")),
            "caches may store the redirect: it has no Cache-Control: no-store".to_owned(),
        ),
        (
            !own(location, guarded).is_some_and(|path| path.starts_with(sign_in)),
            format!("people are sent to {location:?}, not to {sign_in}"),
        ),
        (
            !location.contains(&format!("rd={}", guarded.path)),
            format!("the way back is missing: {location:?}"),
        ),
    ];
    rows.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect()
}

/// Where somebody goes who is signed in and comes with a foreign return address.
async fn return_addresses(
    examination: &Examination,
    sign_in: &str,
) -> Result<Vec<String>, Inconclusive> {
    // Without a session the page goes nowhere by itself.
    let session = match examination.session().await {
        Ok(session) => session,
        Err(Inconclusive::Skipped(_)) => return Ok(Vec::new()),
        Err(unknown) => return Err(unknown),
    };
    let mut wrong = Vec::new();
    for evil in EVIL.iter().chain(&[SPLIT]) {
        let rd = evil.replace("{host}", &examination.guarded.authority);
        let request = examination.fresh("GET").target(format!("{sign_in}?rd={rd}"));
        let request = person(&request.header("Cookie", &session.cookie));
        let Some(answer) = refused(examination, &request).await? else { continue };
        let location = answer.header("location");
        if location.is_some_and(|to| own(to, &examination.guarded).is_none()) {
            wrong.push(format!("rd={rd} leads to {:?}", location.unwrap_or_default()));
        }
        if answer.has("x-didt-doctor") {
            wrong.push(format!("rd={rd} writes a header of its own"));
        }
    }
    Ok(wrong)
}

/// The path of a `Location` that leads to this site, as browsers read it.
fn own<'a>(location: &'a str, site: &Url) -> Option<&'a str> {
    let origin = site.origin();
    let path = location.strip_prefix(origin.as_str()).unwrap_or(location);
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (plain && path.starts_with('/') && !path.starts_with("//")).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_own_site_lead_there() {
        let site: Url = "https://app.example/x".parse().expect("a URL");
        for good in ["/", "/a?b=//c", "https://app.example/a"] {
            assert!(own(good, &site).is_some(), "{good}");
        }
        for bad in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "https://app.example//evil.example",
            "http://app.example/",
            "evil",
            "/\t/evil.example",
            "",
        ] {
            assert!(own(bad, &site).is_none(), "{bad}");
        }
    }
}
