//! What a reader of the guides copies works as it is printed, and what they follow is there.
#![expect(clippy::expect_used, reason = "a test that panics is a test that fails")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files with guides, by their paths from the root of the repository.
fn guides() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["docs", "didt", "examples", "fixtures", "fuzz"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    let mut files: Vec<_> = entries(root).into_iter().filter(|path| path.is_file()).collect();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // What builds and installations leave there is nobody's guide.
            if path.is_dir()
                && !["target", "node_modules"].contains(&&*name)
                && !name.starts_with('.')
            {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("text");
        (path.strip_prefix(root).expect("below the root").to_owned(), text)
    };
    let guides: Vec<_> = files.into_iter().map(read).collect();
    assert!(guides.len() > 30, "only {} guides were found", guides.len());
    guides
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

/// The lines of a text, each with the language of the block of code that it is in.
fn lines(text: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    let mut language = None;
    text.lines().filter_map(move |line| {
        if let Some(words) = line.trim_start().strip_prefix("```") {
            language = language.is_none().then(|| words.split([',', ' ']).next().unwrap_or(""));
            return None;
        }
        Some((language, line))
    })
}

/// Lines that rustdoc hides are shown everywhere else, and do not compile there.
#[test]
fn rust_in_guides_compiles_as_it_is_shown() {
    let mut blocks = 0;
    for (file, text) in guides() {
        blocks += text.matches("\n```rust").count();
        for (_, line) in lines(&text).filter(|(language, _)| *language == Some("rust")) {
            let hidden = line.trim() == "#" || line.trim_start().starts_with("# ");
            assert!(!hidden, "{}: {line}", file.display());
        }
    }
    assert!(blocks > 25, "only {blocks} blocks were found");
}

/// There is no release yet: what the registry had under this name would be somebody else's.
#[test]
fn guides_take_the_library_from_this_repository() {
    let mut found = 0;
    for (file, text) in guides() {
        for (_, line) in lines(&text) {
            let manifest = line.trim_start().starts_with("tower-didt =");
            let command = line.contains("cargo add tower-didt");
            found += usize::from(manifest || command);
            let from_here = if manifest { "path = " } else { "--path " };
            assert!(
                !(manifest || command) || line.contains(from_here),
                "{}: {line}",
                file.display()
            );
        }
    }
    assert!(found >= 4, "only {found} lines were found");
}

#[cfg(unix)]
#[test]
fn programs_of_this_repository_start_as_guides_print_it() {
    use std::os::unix::fs::PermissionsExt;

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut started = HashSet::new();
    for (file, text) in guides() {
        for (_, line) in lines(&text).filter(|(language, _)| *language == Some("console")) {
            let words = line.trim_start().strip_prefix("$ ").unwrap_or("").split_whitespace();
            let Some(program) = words.into_iter().find(|word| !word.contains('=')) else {
                continue;
            };
            let (first, _) = program.split_once('/').unwrap_or_default();
            if first.is_empty() || !root.join(first).is_dir() || first == "target" {
                continue;
            }
            let mode = fs::metadata(root.join(program)).map(|data| data.permissions().mode());
            let runs = mode.is_ok_and(|mode| mode & 0o111 != 0);
            assert!(runs, "{}: {program} is not there, or may not be run", file.display());
            started.insert(program.to_owned());
        }
    }
    assert!(started.len() >= 10, "only {started:?} were found");
}

/// Whoever plans by the table can run the model with numbers of their own, and get the same.
#[test]
fn the_plan_in_scale_is_what_the_model_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3").arg(root.join("benches/nodes/model.py")).output();
    let Ok(output) = output else {
        eprintln!("NOT RUN: python3 is missing");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("text");
    let page = fs::read_to_string(root.join("docs/scale.md")).expect("text");
    assert!(said.lines().count() > 10 && page.contains(said.trim_end()), "the model says:\n{said}");
}

#[test]
fn links_within_the_repository_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut followed = 0;
    for (file, text) in guides() {
        let prose = lines(&text).filter(|(language, _)| language.is_none());
        let prose: Vec<_> = prose.map(|(_, line)| line).collect();
        for link in prose.join("\n").split("](").skip(1) {
            let link = link.split([')', ' ']).next().unwrap_or_default();
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = file.parent().expect("a file is in a folder");
            let target =
                if path.is_empty() { root.join(&file) } else { root.join(folder).join(path) };
            assert!(target.exists(), "{}: nothing is at {link}", file.display());
            if !anchor.is_empty() && path.ends_with(".md") | path.is_empty() {
                let target = fs::read_to_string(target).expect("text");
                assert!(anchors(&target).contains(anchor), "{}: no {link}", file.display());
            }
        }
    }
    assert!(followed > 150, "only {followed} links were found");
}

/// What GitHub makes of headings.
fn anchors(text: &str) -> HashSet<String> {
    let prose = lines(text).filter(|(language, _)| language.is_none());
    let headings = prose.filter_map(|(_, line)| {
        line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
    });
    let kept = |char: char| match char {
        ' ' => Some('-'),
        '-' | '_' => Some(char),
        _ => char.is_alphanumeric().then_some(char),
    };
    headings.map(|heading| heading.to_lowercase().chars().filter_map(kept).collect()).collect()
}
