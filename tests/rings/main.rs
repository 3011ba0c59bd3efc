//! The structure of the library and of the program: imports point inward only, name the ring that
//! they come from, and run in no circle.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tower_didt_test_support::directory::Directory;

use self::imports::Imports;

/// Each folder (or file) of `src`, and what it may import from the crate.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("did", &["did"]),
    ("session", &["did", "session", "sync", "tls"]),
    ("magic", &["did", "magic", "stopwatch", "sync", "tls"]),
    ("page", &["did", "session", "magic", "middleware", "page"]),
    ("middleware", &["did", "session", "magic", "middleware", "stopwatch", "sync"]),
];

/// What tests within the files use, beyond their ring.
const IN_TESTS: &[&str] = &["interleavings", "testing"];

#[test]
fn imports_point_inward_and_name_their_ring() {
    let mut wrong = Vec::new();
    for (ring, allowed) in MAY_IMPORT {
        for file in files(&source().join(ring)) {
            let text = fs::read_to_string(&file).expect("readable");
            let (code, tests) =
                text.split_at(text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len()));
            let is_test = file.ends_with("tests.rs") || file.ends_with("interleavings.rs");
            for (part, in_tests) in [(code, is_test), (tests, true)] {
                for name in imported(part) {
                    let known = allowed.contains(&name) || in_tests && IN_TESTS.contains(&name);
                    if !known {
                        wrong.push(format!("{}: crate::{name}", file.display()));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these imports leave their ring or do not name it:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_test_sees_an_import_that_points_outward() {
    let text = "use crate::session::Ticket;\nuse crate::{Issuer, did::Claim};\nfn f() { crate::axum::g() }\n\
                /// See [`crate::Verifier`].\n// crate::comment\n";
    assert_eq!(imported(text), ["session", "{", "axum"]);
}

#[test]
fn files_use_each_other_in_no_circle_but_one() {
    // A session can end itself, and only its gate knows how.
    let known = [("middleware/session.rs", "middleware/gate/mod.rs")];
    let library = Imports::read(&source());
    assert_eq!(lines(&library.circles(&known)), "", "files that use each other");
    let program = Imports::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("didt/src"));
    assert_eq!(lines(&program.circles(&[])), "", "files that use each other");
}

/// Code that several crates need is a crate, and not a file that each of them compiles again.
#[test]
fn no_file_is_compiled_twice() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let attribute = concat!("#[", "path");
    let folders = ["src", "tests", "didt", "examples", "benches", "fuzz/src", "fuzz/fuzz_targets"];
    let found: Vec<_> = folders
        .iter()
        .flat_map(|folder| files(&root.join(folder)))
        .filter(|file| fs::read_to_string(file).expect("readable").contains(attribute))
        .collect();
    assert!(found.is_empty(), "these take modules from elsewhere: {found:?}");
}

#[test]
fn the_test_sees_a_circle_through_imports_paths_and_macros() {
    let circle = |files: [&str; 3]| {
        let folder = Directory::new();
        for (name, text) in ["lib.rs", "a.rs", "b.rs"].into_iter().zip(files) {
            fs::write(folder.0.join(name), text).expect("written");
        }
        lines(&Imports::read(&folder.0).circles(&[]))
    };
    let root = "mod a;\nmod b;\npub use self::a::A;\n";
    let a = "use crate::b::B;\npub struct A(B);\n";
    let both = "{\"a.rs\", \"b.rs\"}\n";
    for back in [
        "use super::A;\npub struct B(A);\n",
        "pub struct B(crate::A);\n",
        "pub struct B;\nfn f() { println!(\"{}\", crate::a::g()); }\n",
        "use super::a::{self as other};\npub struct B;\nfn f() { other::g() }\n",
    ] {
        assert_eq!(circle([root, a, back]), both, "{back}");
    }
    for none in [
        "pub struct B;\n",
        "pub struct B;\n#[cfg(test)]\nmod tests { use super::super::a::A; }\n",
        "/// See [`crate::a::A`].\npub struct B;\n",
    ] {
        assert_eq!(circle([root, a, none]), "", "{none}");
    }
}

fn lines<'a>(circles: impl IntoIterator<Item = &'a BTreeSet<&'a Path>>) -> String {
    circles.into_iter().map(|circle| format!("{circle:?}\n")).collect()
}

/// What follows each `crate::`, outside comments.
fn imported(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
            &rest[..end.max(1)]
        })
        .collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
