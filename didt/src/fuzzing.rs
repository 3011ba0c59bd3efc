//! Requirements of settings and policies for any input: the bodies of two fuzz targets, which
//! are here because they look inside.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken assertion is what fuzzing looks for"
)]

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use zeroize::Zeroizing;

use crate::serve::config::{self, Sources};
use crate::serve::policy::{Access, Policy, Target};
use crate::serve::sites::Sites;

/// The text in every secret, which must be in no output.
const NEEDLE: &str = "n33dl3";

/// How many settings there are: those that the smallest file explains.
static SETTINGS: LazyLock<usize> = LazyLock::new(|| {
    let file = Some(("policy.toml", "audiences = ['a']\nadmit = 'any_key'\n"));
    let sources = Sources { file, variables: Vec::new(), flags: Vec::new(), files: true, read };
    config::load(&sources).expect("settings").first().settings.len()
});

/// Anyone passes below `/public/`, and only signed-in callers elsewhere.
static POLICY: LazyLock<Sites<Policy>> = LazyLock::new(|| {
    let text = "audiences = ['a']\nadmit = 'any_key'\n[[rules]]\nname = 'public'\naccess = 'public'\n\
                paths = ['/public/**']\n";
    let file = Some(("policy.toml", text));
    let sources = Sources { file, variables: Vec::new(), flags: Vec::new(), files: true, read };
    config::policy(&sources).expect("a policy")
});

/// Method, scheme, host and request target, one a line, of any bytes: what is accepted is the same
/// resource as what was sent, in a form that no decoder takes for another, and that is its own.
pub fn original_url(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let [method, scheme, host, uri] = [(); 4].map(|()| lines.next().unwrap_or_default());
    let Ok(target) = Target::new(method, scheme, host, uri) else { return };

    assert_eq!(target.method.as_str().as_bytes(), method);
    assert!(
        scheme == if target.https { b"https" } else { b"http".as_slice() } || scheme[0] == b'w'
    );
    let port = if target.https { ":443" } else { ":80" };
    let sent = String::from_utf8_lossy(host).to_ascii_lowercase();
    if !sent.starts_with('[') {
        assert_eq!(target.host, sent.strip_suffix(port).unwrap_or(&sent));
    }

    // The same bytes, once decoded, as what stands before the query.
    let path = uri.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = match path.starts_with(b"/") {
        true => path,
        false => {
            let authority =
                path.windows(3).position(|three| three == b"://").expect("absolute") + 3;
            let slash = path[authority..].iter().position(|byte| *byte == b'/').expect("a path");
            &path[authority + slash..]
        }
    };
    let decode = |bytes: &[u8]| percent_encoding::percent_decode(bytes).collect::<Vec<u8>>();
    assert_eq!(decode(target.path.as_bytes()), decode(path));

    let again = Target::new(method, scheme, target.host.as_bytes(), target.path.as_bytes());
    assert_eq!(again.as_ref(), Ok(&target));

    let mut seen = target.path.clone().into_bytes();
    for _ in 0..3 {
        seen = decode(&seen);
        let segments: Vec<_> = seen.split(|byte| matches!(byte, b'/' | b'\\')).collect();
        assert_eq!(segments.len(), target.path.split('/').count());
        for segment in &segments {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            assert!(!matches!(name, b"." | b".."));
            assert!(!segment.contains(&0));
        }
        let public = segments.get(1) == Some(&b"public".as_slice()) && segments.len() > 2;
        assert_eq!(
            POLICY.first().rule_for(&target, None).expect("a rule").access == Access::Public,
            public
        );
    }
}

/// Any text as a policy file: read or refused in one line, nothing secret told, and nothing
/// unknown overlooked.
pub fn policy_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let load = |text: &str| {
        let file = Some(("policy.toml", text));
        config::load(&Sources { file, variables: Vec::new(), flags: Vec::new(), files: true, read })
    };
    let told = match load(text) {
        Ok(loaded) => {
            for (_, site) in loaded.iter() {
                assert_eq!(site.settings.len(), *SETTINGS, "every file explains every setting");
            }
            assert!(load(&format!("unheard_of = 1\n{text}")).is_err());
            format!("{loaded:?}")
        }
        Err(invalid) => {
            let line = invalid.to_string();
            assert!(!line.contains(char::is_control), "{line:?}");
            line
        }
    };
    assert!(!told.contains(NEEDLE) || text.contains(NEEDLE), "{told}");
}

/// The files that settings may name; none of them exists on disk.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // The example of RFC 8410.
    const PKCS8: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    let text = match path.to_str() {
        Some("secret") => format!("{NEEDLE}-0123456789-0123456789-0123456789\n"),
        Some("url") => format!("redis://user:{NEEDLE}@127.0.0.1:1/0"),
        Some("keys") => "gw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_T8cOQ0MEqOc # n33dl3\n".to_owned(),
        Some("pem") => PKCS8.to_owned(),
        Some("empty") => String::new(),
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok(Zeroizing::new(text.into_bytes()))
}
