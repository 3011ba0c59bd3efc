//! Programs that read paths, as their documentation and sources say, and written without a look at
//! `steps`: a gateway reads a path and hands one on, and a service reads that.

/// A path as a program has it before it, and whether it has decoded it.
#[derive(Clone, Debug)]
pub(super) enum Read {
    Decoded(Vec<u8>),
    Raw(String),
}

/// A program's name, whether it keeps `%2F`, and what it reads; `None` where it refuses.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) keeps_slashes: bool,
    pub(super) read: fn(&str) -> Option<Read>,
}

/// The same, and what it hands on.
pub(super) struct Gateway {
    pub(super) name: &'static str,
    pub(super) keeps_slashes: bool,
    pub(super) pass: fn(&str) -> Option<(Read, String)>,
}

pub(super) const GATEWAYS: &[Gateway] = &[
    Gateway { name: "none", keeps_slashes: true, pass: |uri| Some((raw(uri), uri.to_owned())) },
    // Locations are chosen by the decoded path; without a URI in proxy_pass, what came is handed on.
    Gateway {
        name: "nginx",
        keeps_slashes: false,
        pass: |uri| Some((Read::Decoded(nginx(uri, true)?), uri.to_owned())),
    },
    Gateway {
        name: "nginx, proxy_pass with a URI",
        keeps_slashes: false,
        pass: |uri| {
            let read = nginx(uri, true)?;
            let again = escape(&read);
            Some((Read::Decoded(read), again))
        },
    },
    Gateway {
        name: "nginx, merge_slashes off",
        keeps_slashes: false,
        pass: |uri| {
            let read = nginx(uri, false)?;
            let again = escape(&read);
            Some((Read::Decoded(read), again))
        },
    },
    // Matchers see Go's URL.Path, cleaned.
    Gateway {
        name: "Caddy",
        keeps_slashes: false,
        pass: |uri| Some((Read::Decoded(go_clean(&unescape(uri, |_| true))), uri.to_owned())),
    },
    Gateway {
        name: "Caddy, escaped",
        keeps_slashes: true,
        pass: |uri| Some((raw(uri), uri.to_owned())),
    },
    Gateway {
        name: "Envoy, normalize_path, UNESCAPE_AND_REDIRECT",
        keeps_slashes: false,
        pass: |uri| {
            let slashes = unescape(uri, |byte| matches!(byte, b'/' | b'\\'));
            let uri = envoy(&String::from_utf8(slashes).ok()?, true);
            Some((raw(&uri), uri))
        },
    },
    Gateway {
        name: "Envoy, normalize_path, KEEP_UNCHANGED",
        keeps_slashes: true,
        pass: |uri| {
            let uri = envoy(uri, false);
            Some((raw(&uri), uri))
        },
    },
    Gateway {
        name: "HAProxy, all normalizers",
        keeps_slashes: true,
        pass: |uri| {
            let decoded = String::from_utf8(unescape(uri, unreserved)).ok()?;
            let uri = String::from_utf8(dots(&merged(decoded.as_bytes()))).ok()?;
            Some((raw(&uri), uri))
        },
    },
];

pub(super) const SERVICES: &[Service] = &[
    Service { name: "raw", keeps_slashes: true, read: |uri| Some(raw(uri)) },
    Service {
        name: "Express, its parameters",
        keeps_slashes: true,
        read: |uri| Some(Read::Raw(uri.to_owned())),
    },
    Service {
        name: "Express, static files",
        keeps_slashes: false,
        read: |uri| Some(Read::Decoded(dots(&merged(&unescape(uri, |_| true))))),
    },
    Service { name: "Node, new URL()", keeps_slashes: true, read: |uri| Some(raw(&whatwg(uri))) },
    Service {
        name: "Node, new URL() and decodeURIComponent",
        keeps_slashes: false,
        read: |uri| Some(Read::Decoded(unescape(&whatwg(uri), |_| true))),
    },
    Service {
        name: "Tomcat",
        keeps_slashes: false,
        read: |uri| {
            let decoded = unescape(&without_parameters(uri), |_| true);
            let path = merged(&decoded);
            Some(Read::Decoded(dots(&path)))
        },
    },
    Service {
        name: "Tomcat, ALLOW_BACKSLASH, encodedSolidusHandling=passthrough",
        keeps_slashes: true,
        read: |uri| {
            let decoded = unescape(&without_parameters(uri), |byte| byte != b'/');
            let path = merged(&turned(&decoded));
            Some(Read::Decoded(dots(&path)))
        },
    },
    Service {
        name: "Jetty, decodes before it cuts",
        keeps_slashes: false,
        read: |uri| {
            let decoded = unescape(uri, |_| true);
            let text = String::from_utf8(decoded).ok()?;
            Some(Read::Decoded(dots(without_parameters(&text).as_bytes())))
        },
    },
    Service {
        name: "IIS, double decoding",
        keeps_slashes: false,
        read: |uri| {
            let once = unescape(uri, |_| true);
            let twice = unescape(&String::from_utf8(once).ok()?, |_| true);
            Some(Read::Decoded(dots(&merged(&turned(&twice)))))
        },
    },
    Service {
        name: "IIS",
        keeps_slashes: false,
        read: |uri| Some(Read::Decoded(dots(&merged(&turned(&unescape(uri, |_| true)))))),
    },
    Service {
        name: "Apache",
        keeps_slashes: false,
        read: |uri| Some(Read::Decoded(dots(&merged(&unescape(uri, |_| true))))),
    },
    Service {
        name: "Go, http.ServeMux",
        keeps_slashes: false,
        read: |uri| Some(Read::Decoded(go_clean(&unescape(uri, |_| true)))),
    },
];

fn raw(uri: &str) -> Read {
    Read::Raw(uri.to_owned())
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn unescape(text: &str, which: fn(u8) -> bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let digits = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if which(byte) => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// As nginx does before it hands a path on.
fn escape(path: &[u8]) -> String {
    let mut out = String::new();
    for byte in path {
        match byte {
            b' ' | b'#' | b'%' | b'?' | 0..=0x1f | 0x7f.. => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(*byte)),
        }
    }
    out
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in path {
        if *byte != b'/' || out.last() != Some(&b'/') {
            out.push(*byte);
        }
    }
    out
}

fn turned(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// Removes dot segments; above the root stays the root.
fn dots(path: &[u8]) -> Vec<u8> {
    let text: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let mut out: Vec<&[u8]> = Vec::new();
    for (number, segment) in text.iter().enumerate().skip(1) {
        let last = number + 1 == text.len();
        if *segment == b"." || *segment == b".." {
            if *segment == b".." {
                out.pop();
            }
            if last {
                out.push(b"");
            }
        } else {
            out.push(segment);
        }
    }
    let mut path = Vec::new();
    for segment in &out {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    if path.is_empty() { b"/".to_vec() } else { path }
}

fn nginx(uri: &str, merge: bool) -> Option<Vec<u8>> {
    let decoded = unescape(uri, |_| true);
    Some(dots(&if merge { merged(&decoded) } else { decoded }))
}

/// `path.Clean`, but for the slash at the end, which `net/http` and Caddy keep.
fn go_clean(path: &[u8]) -> Vec<u8> {
    let mut clean = dots(&merged(path));
    let ends = path.last() == Some(&b'/');
    while clean.len() > 1 && clean.last() == Some(&b'/') {
        clean.pop();
    }
    if ends && clean.len() > 1 {
        clean.push(b'/');
    }
    clean
}

fn envoy(uri: &str, merge: bool) -> String {
    let decoded = unescape(uri, unreserved);
    let path = dots(&turned(&decoded));
    String::from_utf8(if merge { merged(&path) } else { path }).expect("ASCII as before")
}

/// The path of `new URL(uri, "http://host")`.
fn whatwg(uri: &str) -> String {
    let uri = uri.replace('\\', "/");
    let path = match uri.strip_prefix("//") {
        Some(rest) => {
            let rest = rest.trim_start_matches('/');
            rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned()
        }
        None => uri,
    };
    let segments: Vec<_> = path
        .split('/')
        .map(|segment| match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." => ".".to_owned(),
            ".." => "..".to_owned(),
            _ => segment.to_owned(),
        })
        .collect();
    String::from_utf8(dots(segments.join("/").as_bytes())).expect("text as before")
}

fn without_parameters(path: &str) -> String {
    let names: Vec<_> = path.split('/').map(|name| name.split(';').next().unwrap_or("")).collect();
    let path = names.join("/");
    if path.starts_with('/') { path } else { format!("/{path}") }
}

impl Read {
    /// As a policy writes it: what needs no escape has none.
    pub(super) fn spelled(&self) -> String {
        let bytes = match self {
            Self::Decoded(path) => path,
            Self::Raw(uri) => {
                fn plain(byte: u8) -> bool {
                    unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
                }
                let uri = unescape(uri, plain);
                let mut path = String::new();
                let mut rest = uri.as_slice();
                while let [byte, after @ ..] = rest {
                    rest = after;
                    let digits = after.get(..2).filter(|_| *byte == b'%');
                    let digits = digits.filter(|two| two.iter().all(u8::is_ascii_hexdigit));
                    match digits {
                        Some(two) => {
                            path.push('%');
                            path.extend(
                                two.iter().map(|digit| char::from(digit.to_ascii_uppercase())),
                            );
                            rest = &after[2..];
                        }
                        None if plain(*byte) || *byte == b'/' => path.push(char::from(*byte)),
                        None => path.push_str(&format!("%{byte:02X}")),
                    }
                }
                return path;
            }
        };
        let mut path = String::new();
        for byte in bytes {
            match byte {
                byte if unreserved(*byte) || b"/!$&'()*+,=:@".contains(byte) => {
                    path.push(char::from(*byte));
                }
                byte => path.push_str(&format!("%{byte:02X}")),
            }
        }
        path
    }
}
