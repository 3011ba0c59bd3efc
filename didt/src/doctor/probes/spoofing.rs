//! Does what a client says of itself reach the upstream?

use super::identity;
use crate::doctor::examination::{Examination, Reply};
use crate::doctor::finding::{Found, Inconclusive, Outcome, Severity};
use crate::doctor::probe::{Mend, Probe, at};
use crate::doctor::seen::Seen;
use crate::doctor::wire::Request;

pub(super) const STRANGER: Probe = Probe {
    name: "spoofed-stranger",
    claim: "a client's own identity headers do not open the guarded route",
    run: |examination| {
        Box::pin(async {
            let plain = Request::get(&examination.guarded);
            let (mut wrong, mut count) = (Vec::new(), 0);
            for (name, request) in spoofed(examination, &plain) {
                count += 1;
                wrong.extend(
                    examination.must_refuse(&format!("a request with {name}"), &request).await?,
                );
            }
            Ok(Found::unless(wrong, format!("{count} spellings open nothing")))
        })
    },
    ..SIGNED_IN
};

pub(super) const SIGNED_IN: Probe = Probe {
    name: "spoofed-identity",
    severity: Severity::Critical,
    claim: "with a session, a client's own identity headers do not reach the upstream",
    why: "The upstream believes these headers. A client whose value arrives there \
          can be anyone; `X_Auth_Issuer` and `X.Auth.Issuer` are the same header to CGI, WSGI and \
          PHP, `X!Auth!Issuer` is to lighttpd's CGI.",
    mend: MEND,
    run: |examination| {
        Box::pin(async {
            let session = examination.session().await?;
            let plain = examination.signed("GET", session);
            try_all(examination, &plain).await
        })
    },
};

pub(super) const PUBLIC: Probe = Probe {
    name: "spoofed-public",
    claim: "on a public route, a client's own identity headers do not reach the upstream",
    run: |examination| {
        Box::pin(async {
            let plain = Request::get(examination.public()?);
            let mut wrong = try_one(examination, "a plain request", &plain).await?;
            if let Some(seen) = seen(examination.ask(&plain).await?) {
                for name in &examination.identity {
                    for (header, value) in seen.alike(name).filter(|(_, value)| !value.is_empty()) {
                        wrong.push(not_empty(header, value));
                    }
                }
            }
            match try_all(examination, &plain).await? {
                Found::Failed(more) => wrong.extend(more),
                Found::Passed(passed) => return Ok(Found::unless(wrong, passed)),
            }
            Ok(Found::Failed(wrong))
        })
    },
    ..SIGNED_IN
};

const MEND: &[Mend] = &[
    at(
        "nginx",
        "set every identity header with `proxy_set_header`, in every location that has a \
                 `proxy_pass`, public ones too (there to \"\"); keep `underscores_in_headers off` \
                 and `ignore_invalid_headers on`",
    ),
    at(
        "Caddy",
        "`request_header -X-Auth-*`, -X_Auth_*, -X.Auth.* in front of `forward_auth`, and \
                 all headers in `copy_headers`; without `forward_auth` a route must remove them too",
    ),
    at(
        "HAProxy",
        "`http-request del-header` with `-m reg -i ^x[^a-z0-9]auth[^a-z0-9]` before the check: \
                   it sets only what the answer has, and everything else survives",
    ),
    at(
        "Traefik",
        "all of them in `authResponseHeaders`; a `headers` middleware for the spellings \
                   with _ and . (they survive), and for public routes",
    ),
    at(
        "Envoy",
        "all of them in `allowed_upstream_headers` (they replace the client's), and \
                 `request_headers_to_remove` on public routes; \
                 `headers_with_underscores_action: REJECT_REQUEST`",
    ),
];

/// The value of spoofed headers: an issuer that no one has.
const SPOOFED: &str = "did:ethr:0x00000000000000000000000000000000D1D70C70";

async fn try_all(examination: &Examination, plain: &Request) -> Outcome {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (name, request) in spoofed(examination, plain) {
        count += 1;
        wrong.extend(try_one(examination, &name, &request).await?);
    }
    Ok(Found::unless(wrong, format!("{count} spellings do not reach the upstream")))
}

async fn try_one(
    examination: &Examination,
    name: &str,
    request: &Request,
) -> Result<Vec<String>, Inconclusive> {
    let mut wrong = Vec::new();
    if let Some(seen) = seen(examination.ask(request).await?) {
        for identity in &examination.identity {
            for (header, value) in seen.alike(identity) {
                if value.contains(SPOOFED) {
                    wrong.push(format!("{name} reaches the upstream as {header:?}"));
                }
            }
        }
    }
    wrong.dedup();
    Ok(wrong)
}

fn not_empty(header: &str, value: &str) -> String {
    if identity::is_placeholder(value) {
        format!("{header:?} reaches the upstream as the literal placeholder {value:?}")
    } else {
        format!("{header:?} is not empty although nobody is signed in")
    }
}

fn seen(reply: Reply) -> Option<Seen> {
    let Reply::Upstream(answer) = reply else { return None };
    Seen::read(&answer)
}

/// `plain` with every identity header in every spelling, each in a separate request.
fn spoofed<'a>(
    examination: &'a Examination,
    plain: &'a Request,
) -> impl Iterator<Item = (String, Request)> + 'a {
    examination.identity.iter().flat_map(move |name| {
        let once = spellings(name).into_iter().map(move |name| {
            let request = plain.clone().header(&name, SPOOFED);
            (name, request)
        });
        let twice = plain.clone().header(name, SPOOFED).header(name, SPOOFED);
        once.chain([(format!("{name}, twice,"), twice)])
    })
}

fn spellings(name: &str) -> Vec<String> {
    let mixed = name.char_indices().map(|(index, letter)| match index % 2 {
        0 => letter.to_ascii_uppercase(),
        _ => letter,
    });
    let mut spellings = vec![
        name.to_owned(),
        name.to_ascii_uppercase(),
        mixed.collect(),
        name.replace('-', "_"),
        name.replacen('-', "_", 1),
        name.replace('-', "."),
        name.replace('-', "!"),
        name.to_ascii_uppercase().replace('-', "_"),
    ];
    spellings.dedup();
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_what_others_take_for_the_same() {
        let expected = [
            "x-auth-issuer",
            "X-AUTH-ISSUER",
            "X-AuTh-iSsUeR",
            "x_auth_issuer",
            "x_auth-issuer",
            "x.auth.issuer",
            "x!auth!issuer",
            "X_AUTH_ISSUER",
        ];
        assert_eq!(spellings("x-auth-issuer"), expected);
    }
}
