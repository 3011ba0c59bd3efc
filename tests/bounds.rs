//! No bound changes unnoticed: `docs/development/bounds.md` has every named number of the source.
#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Types of numbers and of waits.
const TYPES: [&str; 8] = ["usize", "u64", "u32", "u16", "u8", "i32", "Duration", "NonZeroUsize"];

/// What only tests and the arithmetic of the curve use.
const LEFT_OUT: [&str; 6] =
    ["testing", "curve", "tests", "test_support", "tests.rs", "interleavings.rs"];

#[test]
fn every_named_bound_is_in_the_table_with_its_value() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["src", "didt/src"] {
        for file in files(&root.join(folder)) {
            let text = fs::read_to_string(&file).expect("readable");
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let path = file.strip_prefix(root).expect("within");
            for (name, value) in numbers(code) {
                found.insert(format!("| `{}` | `{name}` | `{value}` |", path.display()));
            }
        }
    }
    assert!(found.len() > 150, "only {} numbers were found in the source", found.len());
    let table =
        fs::read_to_string(root.join("docs/development/bounds.md")).expect("the table of bounds");
    let listed: BTreeSet<String> =
        table.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/development/bounds.md lacks {missing:#?}\nand has, unlike the source, {gone:#?}"
    );
}

/// Constants of a file, as `const NAME: type = value;` at its top or within an `impl`.
fn numbers(code: &str) -> Vec<(String, String)> {
    let mut numbers = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find("const ") {
        let from = rest.get(start + 6..).unwrap_or_default();
        let line = rest.get(..start).and_then(|before| before.rsplit('\n').next());
        rest = from;
        let is_item = line.is_some_and(|before| {
            let indent = before.len() - before.trim_start().len();
            indent <= 4 && (before.trim().is_empty() || before.trim().starts_with("pub"))
        });
        let Some((name, typed)) = from.split_once(": ") else { continue };
        let is_name = name
            .chars()
            .all(|char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_');
        let Some((kind, valued)) = typed.split_once(" =") else { continue };
        let Some((value, _)) = valued.split_once(';') else { continue };
        if is_item && is_name && TYPES.contains(&kind) {
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            numbers.push((name.to_owned(), value));
        }
    }
    numbers
}

/// The Rust files of a folder and those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if LEFT_OUT.contains(&name) {
            continue;
        }
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}
