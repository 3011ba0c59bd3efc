//! Which file of a crate uses what another file defines, read from the source.
//!
//! Re-exports are followed to the definition. Tests are left out. So is `mod`, which places a file and
//! uses nothing of it; and so is what a file uses of the `mod.rs` of its own folder, which holds what the
//! folder's files share.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The path of a module or an item from the crate's root.
type Name = Vec<String>;

/// More re-exports than this in a row are a loop.
const MAX_REEXPORTS: usize = 8;

/// A crate's modules by their paths.
#[derive(Default)]
pub(crate) struct Imports {
    modules: BTreeMap<Name, Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    children: BTreeSet<String>,
    /// What `use` brings into scope.
    bound: BTreeMap<String, Name>,
    /// Every path in the code, as it is written.
    used: Vec<Vec<String>>,
}

impl Imports {
    /// Reads the crate whose root is `source/lib.rs`.
    pub(crate) fn read(source: &Path) -> Self {
        let mut imports = Self::default();
        imports.read_file(source, Path::new("lib.rs"), Vec::new());
        imports
    }

    /// Each group of files of which every one uses every other, directly or through others, with
    /// these arrows left out.
    pub(crate) fn circles(&self, without: &[(&str, &str)]) -> Vec<BTreeSet<&Path>> {
        let mut arrows = self.arrows();
        for (from, to) in without {
            let there =
                arrows.get_mut(Path::new(from)).is_some_and(|used| used.remove(Path::new(to)));
            assert!(there, "{from} does not use {to}");
        }
        let reached: BTreeMap<&Path, BTreeSet<&Path>> =
            arrows.keys().map(|file| (*file, reach(&arrows, file))).collect();
        let mut circles = BTreeSet::new();
        for (file, beyond) in &reached {
            let back = |other: &&&Path| reached.get(**other).is_some_and(|b| b.contains(file));
            let circle: BTreeSet<&Path> = beyond.iter().filter(back).copied().collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// For each file the files that it uses.
    fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut arrows: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for (name, module) in &self.modules {
            let to = arrows.entry(&module.file).or_default();
            let written = module.used.iter().filter_map(|path| self.absolute(name, path));
            for path in module.bound.values().cloned().chain(written) {
                to.extend(self.definition(&path, 0).filter(|file| !is_within(&module.file, file)));
            }
        }
        arrows
    }

    fn read_file(&mut self, source: &Path, file: &Path, name: Name) {
        let text = fs::read_to_string(source.join(file)).expect("readable");
        let items = syn::parse_file(&text).expect("Rust").items;
        self.read_module(source, file, name, &items);
    }

    fn read_module(&mut self, source: &Path, file: &Path, name: Name, items: &[syn::Item]) {
        let mut reader = Reader { module: Module { file: file.to_owned(), ..Module::default() } };
        for item in items {
            match item {
                syn::Item::Mod(child) if !is_test(&child.attrs) => {
                    let ident = child.ident.to_string();
                    reader.module.children.insert(ident.clone());
                    let path = [name.clone(), vec![ident.clone()]].concat();
                    match &child.content {
                        Some((_, items)) => self.read_module(source, file, path, items),
                        None => self.read_file(source, &place(source, file, &ident), path),
                    }
                }
                syn::Item::Mod(_) => {}
                item => reader.visit_item(item),
            }
        }
        // `use` may name a child, so the children come first.
        let mut module = reader.module;
        let bound = std::mem::take(&mut module.bound);
        self.modules.insert(name.clone(), module);
        let bound = bound.into_iter().filter_map(|(k, v)| Some((k, self.absolute(&name, &v)?)));
        let bound = bound.collect();
        if let Some(module) = self.modules.get_mut(&name) {
            module.bound = bound;
        }
    }

    /// A path as written in a module, from the crate's root; `None` if it leads out of the crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        let here = self.modules.get(module)?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module.split_last()?.1.to_vec(),
            name if here.children.contains(name) => [module, &[name.to_owned()]].concat(),
            name => here.bound.get(name)?.clone(),
        };
        let ups = rest.iter().take_while(|segment| *segment == "super").count();
        base.truncate(base.len().checked_sub(ups)?);
        base.extend_from_slice(&rest[ups..]);
        Some(base)
    }

    /// The file that defines what `path` names. A module by itself is used by what follows its
    /// name in the code.
    fn definition(&self, path: &[String], reexports: usize) -> Option<&Path> {
        let mut name = Vec::new();
        for (at, segment) in path.iter().enumerate() {
            let module = self.modules.get(&name)?;
            if module.children.contains(segment) {
                name.push(segment.clone());
                continue;
            }
            if reexports > MAX_REEXPORTS {
                return None;
            }
            if let Some(target) = module.bound.get(segment) {
                let target = [target, &path[at + 1..]].concat();
                return self.definition(&target, reexports + 1);
            }
            return Some(&module.file);
        }
        None
    }
}

/// Collects what a module names.
struct Reader {
    module: Module,
}

impl Reader {
    fn bind(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.bind(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                if let Some(last) = before.last() {
                    self.module.bound.insert(last.clone(), before.to_vec());
                }
            }
            syn::UseTree::Name(name) => {
                self.module.bound.insert(name.ident.to_string(), with(&name.ident));
            }
            syn::UseTree::Rename(name) => {
                self.module.bound.insert(name.rename.to_string(), with(&name.ident));
            }
            syn::UseTree::Glob(_) => self.module.used.push([before, &["*".to_owned()]].concat()),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.bind(tree, before));
            }
        }
    }

    /// The paths within a macro's arguments.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.module.used.push(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.module.used.push(std::mem::take(&mut path));
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.module.used.push(path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &*item.attrs,
            syn::Item::Impl(item) => &*item.attrs,
            syn::Item::Use(item) => &*item.attrs,
            syn::Item::Const(item) => &*item.attrs,
            syn::Item::Struct(item) => &*item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.bind(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.module.used.push(path.segments.iter().map(|s| s.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}

/// `#[cfg(test)]`, or with more conditions.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let words = list.tokens.to_string();
            let mut words = words.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word == "test")
        }
        _ => false,
    })
}

/// Whether `module` is `file` itself, or the `mod.rs` of a folder that `file` is in.
fn is_within(file: &Path, module: &Path) -> bool {
    let is_root = module.ends_with("mod.rs") || module == Path::new("lib.rs");
    file == module || is_root && module.parent().is_some_and(|folder| file.starts_with(folder))
}

/// Where `mod child;` in `file` leads.
fn place(source: &Path, file: &Path, child: &str) -> PathBuf {
    let owns_folder =
        matches!(file.file_name().and_then(|n| n.to_str()), Some("mod.rs" | "lib.rs"));
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let folder = if owns_folder { folder } else { folder.join(file.file_stem().expect("a name")) };
    let flat = folder.join(format!("{child}.rs"));
    if source.join(&flat).is_file() { flat } else { folder.join(child).join("mod.rs") }
}

/// All files that `from` leads to.
fn reach<'a>(arrows: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, from: &Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Path> = arrows.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(arrows.get(file).into_iter().flatten().copied());
        }
    }
    reached
}
