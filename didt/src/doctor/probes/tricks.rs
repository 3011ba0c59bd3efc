//! Paths that are one thing to the gateway and another to the upstream.

use percent_encoding::percent_decode_str;

/// Targets that begin like the public path and may end up at the guarded one.
pub(super) fn through_public(public: &str, guarded: &str) -> Vec<String> {
    let public = public.trim_end_matches('/');
    let depth = public.matches('/').count().max(1);
    let public = if public.is_empty() { "/x" } else { public };
    let rest = guarded.trim_start_matches('/');
    // What each reader may take for "up one folder", with the slash after it.
    let ups = [
        "/../",
        "/%2e%2e/",
        "/%2E%2E/",
        "/.%2e/",
        "/%2e./",
        "/..%2f",
        "/..%2F",
        "%2f..%2f",
        "/..;/",
        "/..;x=y/",
        "/..%3b/",
        "/%252e%252e/",
        "/..%252f",
        "//../",
        "/./../",
        "/..//",
        "/..%00/",
        "\\..\\",
        "/..\\",
        "%5c..%5c",
        "/..%5c",
        "/x/../../",
    ];
    let mut targets: Vec<_> = ups
        .iter()
        .map(|up| {
            // Climb one folder less by the plain way, then by the trick.
            let plain = "/..".repeat(depth - 1);
            format!("{public}{plain}{up}{rest}")
        })
        .collect();
    if depth > 1 {
        targets.extend(ups.iter().map(|up| {
            let climb = up.repeat(depth).replace("//", "/");
            format!("{public}{climb}{rest}")
        }));
    }
    targets.extend([
        format!("{guarded}#{public}"),
        format!("{guarded}%23{public}"),
        format!("{guarded}?{public}"),
        format!("{guarded}%3f{public}"),
        format!("{guarded};{public}"),
        format!("{guarded}/..{public}/..{guarded}"),
        format!("{public}?/..{guarded}"),
        format!("{public}/%2e%2e{guarded}?{public}"),
        format!("{guarded}/x/../../{}/../{rest}", public.trim_start_matches('/')),
    ]);
    targets
}

/// Other ways to write the guarded path.
pub(super) fn around_guarded(guarded: &str) -> Vec<String> {
    let rest = guarded.trim_start_matches('/');
    let mut targets = vec![
        format!("//{rest}"),
        format!("///{rest}"),
        format!("/./{rest}"),
        format!("/x/../{rest}"),
        format!("/%2e/{rest}"),
        format!("/%2f{rest}"),
        format!("/\\{rest}"),
        format!("\\{rest}"),
        format!("/;/{rest}"),
        format!("/.;/{rest}"),
        format!("{guarded}/"),
        format!("{guarded}/."),
        format!("{guarded}//"),
        format!("{guarded};x"),
        format!("{guarded}#"),
        format!("{guarded}%23"),
        format!("{guarded}?"),
        format!("{guarded}%3f"),
        format!("{guarded}%20"),
        format!("{guarded}%00"),
        format!("{guarded}.json"),
        rest.to_owned(),
    ];
    if let Some(first) = rest.chars().next().filter(char::is_ascii) {
        let encoded = format!("{:02x}", u32::from(first));
        let tail = rest.get(1..).unwrap_or_default();
        targets.push(format!("/%{encoded}{tail}"));
        targets.push(format!("/%25{encoded}{tail}"));
    }
    targets
}

/// Whether some upstream would take `target` for `guarded`, or for something under it.
pub(super) fn could_be(target: &str, guarded: &str) -> bool {
    let guarded = match guarded.trim_end_matches('/') {
        "" => return readings(target).iter().any(|reading| reading == "/"),
        guarded => guarded,
    };
    readings(target).iter().any(|reading| {
        reading.strip_prefix(guarded).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// The paths that upstreams make of a target: some decode, some decode twice, some drop what
/// follows a semicolon, some take a backslash for a slash.
fn readings(target: &str) -> Vec<String> {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let once = |path: &str| percent_decode_str(path).decode_utf8_lossy().into_owned();
    let cut = |path: &str| path.split(['?', '#', '\0']).next().unwrap_or_default().to_owned();
    let raw = cut(path);
    let decoded = cut(&once(&raw));
    let twice = cut(&once(&decoded));
    let mut readings = Vec::new();
    for path in [raw, decoded, twice] {
        let slashes = path.replace('\\', "/");
        for path in [path, slashes] {
            readings.push(resolve(&path, false));
            readings.push(resolve(&path, true));
        }
    }
    readings
}

/// Without `.`, `..` and empty segments; and without what follows a semicolon, if asked to.
fn resolve(path: &str, drop_parameters: bool) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let segment = match segment.split_once(';') {
            Some((name, _)) if drop_parameters => name,
            _ => segment,
        };
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_upstream_takes_for_the_guarded_path_is_recognised() {
        let rows = [
            ("/private", true),
            ("/private/x?y", true),
            ("/public/../private", true),
            ("/public/%2e%2e/private", true),
            ("/public/..%2fprivate", true),
            ("/public/%252e%252e/private", true),
            ("/public/..;/private", true),
            ("/public\\..\\private", true),
            ("/private#/public", true),
            ("/private%23/public", true),
            ("//private", true),
            ("http://elsewhere/private", true),
            ("/public", false),
            ("/public?/../private", false),
            ("/public?/private", false),
            ("/privateer", false),
            ("/PRIVATE", false),
            ("/private.json", false),
            ("http://elsewhere", false),
            ("", false),
        ];
        for (target, expected) in rows {
            assert_eq!(could_be(target, "/private"), expected, "{target}");
        }
    }

    #[test]
    fn tricks_climb_out_of_a_public_folder_of_any_depth() {
        for public in ["/public", "/public/", "/a/b/public", "/"] {
            let targets = through_public(public, "/private/page");
            let climbing = |up: &str| {
                targets.iter().any(|target| {
                    target.contains(up)
                        && !target.contains('#')
                        && could_be(target, "/private/page")
                })
            };
            for up in ["/../", "/%2e%2e/", "/..%2f", "/..;/", "\\..\\"] {
                assert!(climbing(up), "{public} {up}: {targets:?}");
            }
        }
    }
}
