//! The guide shows this program, and nothing else.

use std::fs;
use std::path::Path;

#[test]
fn the_guide_shows_the_files_of_this_package() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(package.join("../../docs/users-in-a-database.md")).unwrap();
    let mut shown: Vec<_> = fenced(&guide, "rust").collect();
    for file in ["src/users.rs", "src/service.rs"] {
        let text = fs::read_to_string(package.join(file)).unwrap();
        let (_, code) = text.split_once("\n\n").expect("the file's own comment comes first");
        let before = shown.len();
        shown.retain(|block| block.trim() != code.trim());
        assert_eq!(shown.len() + 1, before, "{file} is not in the guide as it is");
    }
    assert!(shown.is_empty(), "in the guide alone: {shown:?}");

    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let dependencies: Vec<_> = fenced(&guide, "toml").collect();
    let [dependencies] = dependencies[..] else { panic!("one list of dependencies") };
    // (The crate itself comes from a folder here, from the registry there.)
    for line in dependencies.lines().filter(|line| !line.starts_with("tower-didt ")) {
        assert!(manifest.lines().any(|own| own == line), "not in Cargo.toml: {line}");
    }
}

/// The blocks of code with exactly these words behind their fence.
fn fenced<'a>(guide: &'a str, words: &'a str) -> impl Iterator<Item = &'a str> {
    guide.split("\n```").enumerate().filter(|(index, _)| index % 2 == 1).filter_map(
        move |(_, block)| {
            let (first, code) = block.split_once('\n')?;
            (first == words).then_some(code)
        },
    )
}
