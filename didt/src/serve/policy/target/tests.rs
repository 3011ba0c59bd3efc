use proptest::prelude::*;

use super::*;

fn read(uri: &[u8]) -> Result<String, PathFault> {
    match Target::new(b"GET", b"https", b"example.com", uri) {
        Ok(target) => Ok(target.path),
        Err(NotCanonical::Path(fault)) => Err(fault),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn paths_that_everybody_reads_alike_have_one_spelling() {
    let rows = [
        ("root", "/", "/"),
        ("plain", "/a/b.html", "/a/b.html"),
        ("slash at the end", "/a/", "/a/"),
        ("query", "/a?b=c&d=/../x", "/a"),
        ("query with a question mark", "/a?b?c", "/a"),
        ("empty query", "/a?", "/a"),
        ("a percent sign alone in the query", "/a?100%", "/a"),
        ("a backslash in the query, as browsers send it", "/a?b\\c", "/a"),
        ("all that may stand in a path", "/-._~!$&'()*+,=:@", "/-._~!$&'()*+,=:@"),
        ("three dots", "/.../..a/a../.well-known", "/.../..a/a../.well-known"),
        ("what encodeURIComponent escapes", "/a%40b%3A%24%26%2B%2C%3D", "/a@b:$&+,="),
        ("what browsers do not escape", "/[slug]/a|b^c", "/%5Bslug%5D/a%7Cb%5Ec"),
        ("the same escaped", "/%5Bslug%5D/a%7Cb%5Ec", "/%5Bslug%5D/a%7Cb%5Ec"),
        ("escapes", "/a%20b/%3F%23%22%3C", "/a%20b/%3F%23%22%3C"),
        ("UTF-8", "/caf%C3%A9", "/caf%C3%A9"),
        ("lower-case digits", "/caf%c3%a9", "/caf%C3%A9"),
        ("absolute URI", "https://example.com/a?b", "/a"),
        ("absolute URI, other spelling of the host", "https://EXAMPLE.com:443/a", "/a"),
    ];
    for (name, uri, path) in rows {
        assert_eq!(read(uri.as_bytes()).as_deref(), Ok(path), "{name}");
    }
}

#[test]
fn paths_that_somebody_might_read_differently_are_refused() {
    let rows: [(&str, &[u8], PathFault); 71] = [
        ("empty", b"", PathFault::Empty),
        ("query alone", b"?a", PathFault::NotRooted),
        ("asterisk", b"*", PathFault::NotRooted),
        ("relative", b"a/b", PathFault::NotRooted),
        ("authority", b"example.com:443", PathFault::NotRooted),
        ("other host", b"https://evil.example/a", PathFault::OtherOrigin),
        ("other scheme", b"http://example.com/a", PathFault::OtherOrigin),
        ("other port", b"https://example.com:8443/a", PathFault::OtherOrigin),
        ("user in the authority", b"https://a@example.com/a", PathFault::OtherOrigin),
        ("no authority", b"https:///a", PathFault::OtherOrigin),
        ("absolute URI without a path", b"https://example.com", PathFault::Empty),
        ("absolute URI with a fragment", b"https://example.com#/a", PathFault::Fragment),
        ("scheme of something else", b"file:///etc/passwd", PathFault::NotRooted),
        ("fragment", b"/a#b", PathFault::Fragment),
        ("fragment in the query", b"/a?b#c", PathFault::Fragment),
        ("blank", b"/a b", PathFault::Blank),
        ("blank in the query", b"/a?b c", PathFault::Blank),
        ("tab", b"/a\tb", PathFault::Control),
        ("line end", b"/a\r\n", PathFault::Control),
        ("NUL", b"/a\0", PathFault::Control),
        ("NUL in the query", b"/a?\0", PathFault::Control),
        ("DEL", b"/\x7f", PathFault::Control),
        ("8-bit", b"/\xe9", PathFault::EightBit),
        ("UTF-8, raw", "/é".as_bytes(), PathFault::EightBit),
        ("8-bit in the query", b"/a?\xff", PathFault::EightBit),
        ("backslash", b"/a\\b", PathFault::Backslash),
        ("backslash and dots", b"/a\\..\\b", PathFault::Backslash),
        ("two slashes", b"/a//b", PathFault::EmptySegment),
        ("two slashes in front", b"//a", PathFault::EmptySegment),
        ("two slashes at the end", b"/a//", PathFault::EmptySegment),
        ("dot", b"/a/./b", PathFault::DotSegment),
        ("dot at the end", b"/a/.", PathFault::DotSegment),
        ("dots", b"/a/../b", PathFault::DotSegment),
        ("dots at the end", b"/a/..", PathFault::DotSegment),
        ("encoded dot", b"/%2e/b", PathFault::DotSegment),
        ("encoded dots", b"/%2e%2e/b", PathFault::DotSegment),
        ("encoded dots, upper case", b"/%2E%2E/b", PathFault::DotSegment),
        ("one of two encoded", b"/.%2e/b", PathFault::DotSegment),
        ("the other one", b"/%2E./b", PathFault::DotSegment),
        ("dots with parameters", b"/..;a=b/c", PathFault::DotSegment),
        ("dot with empty parameters", b"/.;/c", PathFault::DotSegment),
        ("encoded dots with parameters", b"/%2e%2E;x/c", PathFault::DotSegment),
        ("dots with encoded parameters", b"/..%3bx/c", PathFault::DotSegment),
        ("dots and a blank", b"/..%20/c", PathFault::DotSegment),
        ("dots before the query", b"/a/..?b", PathFault::DotSegment),
        ("parameters", b"/admin;x", PathFault::Parameters),
        ("encoded parameters", b"/admin%3Bx", PathFault::Parameters),
        ("encoded slash", b"/a%2fb", PathFault::EncodedSlash),
        ("encoded slash after dots", b"/..%2Fb", PathFault::EncodedSlash),
        ("encoded backslash", b"/a%5cb", PathFault::EncodedBackslash),
        ("encoded NUL", b"/a%00", PathFault::EncodedControl),
        ("encoded line end", b"/a%0d%0a", PathFault::EncodedControl),
        ("encoded control character beyond ASCII", b"/%C2%85", PathFault::EncodedControl),
        ("full-width slash", b"/public/..%EF%BC%8Fprivate", PathFault::LookAlike),
        ("full-width dots", b"/public/%EF%BC%8E%EF%BC%8E/private", PathFault::LookAlike),
        ("full-width backslash", b"/a%EF%BC%BCb", PathFault::LookAlike),
        ("full-width percent sign", b"/a%EF%BC%852fb", PathFault::LookAlike),
        ("full-width question mark", b"/a%EF%BC%9Fb", PathFault::LookAlike),
        ("full-width semicolon", b"/a%EF%BC%9Bb", PathFault::LookAlike),
        ("fraction slash", b"/a%E2%81%84b", PathFault::LookAlike),
        ("division slash", b"/a%E2%88%95b", PathFault::LookAlike),
        ("ideographic full stop", b"/%E3%80%82%E3%80%82/b", PathFault::LookAlike),
        ("two dot leader", b"/%E2%80%A5/b", PathFault::LookAlike),
        ("encoded twice", b"/%252e%252e/b", PathFault::DoubleEncoding),
        ("encoded letter", b"/%61dmin", PathFault::NeedlessEscape),
        ("encoded dot in a name", b"/a%2ehtml", PathFault::NeedlessEscape),
        ("half an escape", b"/a%2", PathFault::MalformedEscape),
        ("no digits", b"/a%zz", PathFault::MalformedEscape),
        ("overlong dots", b"/%C0%AE%C0%AE/b", PathFault::NotUtf8),
        ("Latin-1", b"/%E9", PathFault::NotUtf8),
        ("a character that browsers encode", b"/<script>", PathFault::Character),
    ];
    for (name, uri, fault) in rows {
        assert_eq!(read(uri), Err(fault), "{name}");
    }
    let long = [b"/".as_slice(), &[b'a'; path::MAX_URI_LEN]].concat();
    assert!(read(long.get(..path::MAX_URI_LEN).unwrap_or_default()).is_ok());
    assert_eq!(read(&long), Err(PathFault::TooLong));
}

#[test]
fn every_part_is_named_when_it_is_at_fault() {
    let rows: [(&str, [&[u8]; 4]); 4] = [
        ("method", [b"get", b"https", b"example.com", b"/"]),
        ("scheme", [b"GET", b"ftp", b"example.com", b"/"]),
        ("host", [b"GET", b"https", b"example.com.", b"/"]),
        ("path", [b"GET", b"https", b"example.com", b"//"]),
    ];
    for (part, [method, scheme, host, uri]) in rows {
        let fault = Target::new(method, scheme, host, uri).expect_err(part);
        assert_eq!(fault.part(), part);
        assert!(fault.to_string().starts_with(&format!("the {part} ")), "{fault}");
        assert!(!fault.name().is_empty());
    }
}

#[test]
fn schemes_are_spelled_in_one_way() {
    let https = |scheme: &[u8]| Target::new(b"GET", scheme, b"a", b"/").ok().map(|t| t.https);
    for (scheme, expected) in [("http", false), ("https", true), ("ws", false), ("wss", true)] {
        assert_eq!(https(scheme.as_bytes()), Some(expected), "{scheme}");
    }
    for scheme in ["", "HTTPS", "https ", "https,http", "https:"] {
        assert_eq!(https(scheme.as_bytes()), None, "{scheme:?}");
    }
}

/// Texts of pieces that matter to some reader.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"/",
        b".",
        b"..",
        b"%2e",
        b"%2E",
        b"%2f",
        b"%5C",
        b"%25",
        b"%00",
        b"%",
        b"%4",
        b";",
        b"%3b",
        b"?",
        b"#",
        b"\\",
        b" ",
        b"a",
        b"~",
        b"@",
        b"%40",
        b"[",
        b"%5b",
        b"%C3%A9",
        b"%c3",
        b"*",
        b"\xc3\xa9",
        b"%20",
        b"%c0%ae",
        b"https://example.com",
        b"^",
    ];
    proptest::collection::vec(prop::sample::select(pieces), 0..12)
        .prop_map(|pieces| [b"/".as_slice(), &pieces.concat()].concat())
}

fn check(uri: &[u8]) -> Result<(), TestCaseError> {
    let Ok(path) = read(uri) else { return Ok(()) };
    // Again, and its own canonical form.
    let again = read(path.as_bytes());
    prop_assert_eq!(again.as_deref(), Ok(path.as_str()));
    prop_assert!(path.starts_with('/'));
    // However often and leniently it is decoded, no reader sees another structure.
    let mut decoded = path.clone().into_bytes();
    for _ in 0..3 {
        decoded = percent_encoding::percent_decode(&decoded).collect();
        let segments: Vec<_> = decoded.split(|byte| matches!(byte, b'/' | b'\\')).collect();
        prop_assert_eq!(segments.len(), path.split('/').count());
        for (number, segment) in segments.iter().enumerate() {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            prop_assert!(name != b"." && name != b"..", "{}", path);
            prop_assert!(!segment.contains(&0));
            let last = number + 1 == segments.len();
            prop_assert!(number == 0 || last || !segment.is_empty(), "{}", path);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn canonical_paths_stay_as_they_are_and_hide_no_dots(uri in tricky()) {
        check(&uri)?;
    }

    #[test]
    fn no_bytes_panic(
        method in proptest::collection::vec(any::<u8>(), 0..8),
        scheme in prop::sample::select(vec!["http", "https", "x"]),
        host in proptest::collection::vec(any::<u8>(), 0..20),
        uri in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let _ = Target::new(&method, scheme.as_bytes(), &host, &uri);
        if let Ok(target) = Target::new(b"GET", scheme.as_bytes(), &host, b"/") {
            let again = Target::new(b"GET", scheme.as_bytes(), target.host.as_bytes(), b"/");
            prop_assert_eq!(again, Ok(target));
        }
        check(&[b"/".as_slice(), &uri].concat())?;
    }
}
