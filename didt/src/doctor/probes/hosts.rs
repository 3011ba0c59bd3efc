//! Two names for the host in one request.

use crate::doctor::examination::Examination;
use crate::doctor::finding::{Found, Outcome, Severity};
use crate::doctor::probe::{Probe, at, everywhere};
use crate::doctor::wire::Request;

pub(super) const PROBE: Probe = Probe {
    name: "hosts",
    severity: Severity::Critical,
    claim: "a request that names two hosts, or a foreign one, does not pass",
    why: "If the gateway chooses the route by one name and the check by the other, \
          the rules of one site are applied to another.",
    mend: &[
        at(
            "nginx",
            "a separate server block for unknown names (`listen … default_server; return \
                     421;`), and a refusal where $host and $http_host differ",
        ),
        everywhere("list the hosts that are served; refuse all others"),
    ],
    run: |examination| Box::pin(run(examination)),
};

const ELSEWHERE: &str = "didt-doctor.invalid";

async fn run(examination: &Examination) -> Outcome {
    let host = examination.guarded.authority.as_str();
    let path = examination.guarded.path.as_str();
    let plain = || Request::get(&examination.guarded);
    let rows = [
        ("a foreign Host", plain().hosts(&[ELSEWHERE])),
        ("Host: localhost", plain().hosts(&["localhost"])),
        ("two Host headers, the second foreign,", plain().hosts(&[host, ELSEWHERE])),
        ("two Host headers, the first foreign,", plain().hosts(&[ELSEWHERE, host])),
        ("two equal Host headers", plain().hosts(&[host, host])),
        ("no Host", plain().hosts(&[])),
        ("an absolute target", plain().target(format!("{}{path}", examination.guarded.origin()))),
        ("an absolute target elsewhere", plain().target(format!("http://{ELSEWHERE}{path}"))),
        (
            "an absolute target and a foreign Host",
            plain().target(format!("{}{path}", examination.guarded.origin())).hosts(&[ELSEWHERE]),
        ),
        ("an absolute target of another scheme", plain().target(format!("ftp://{host}{path}"))),
    ];
    let mut wrong = Vec::new();
    for (what, request) in &rows {
        wrong.extend(examination.must_refuse(&format!("a request with {what}"), request).await?);
    }
    // A check that goes by `scheme://host/target`, glued, finds a public path in the host.
    let public = examination.public().map_or("/", |public| public.path.as_str());
    let tricks = in_hosts(host, public);
    for trick in &tricks {
        let what = format!("a request with Host: {trick:?}");
        wrong.extend(examination.must_refuse(&what, &plain().hosts(&[trick])).await?);
    }
    let count = rows.len() + tricks.len();
    Ok(Found::unless(wrong, format!("{count} ways to name a host open nothing")))
}

/// Hosts with something in them that ends a host, or that two readers read differently.
fn in_hosts(own: &str, public: &str) -> Vec<String> {
    let mut tricks = Vec::new();
    for name in [own, "x"] {
        for end in ["?", "#", ";", "\\", "%3f", "?:80"] {
            tricks.push(format!("{name}{public}{end}"));
        }
        for begin in ["?", "#", "@", ";", "\\", "%2f", ",", " ", "\t", "\""] {
            tricks.push(format!("{name}{begin}{public}"));
        }
        tricks.push(format!("http://{name}{public}?"));
    }
    tricks.extend(["", ":80", "x:", "x:y", "[::1", "\u{e9}"].map(str::to_owned));
    tricks
}
