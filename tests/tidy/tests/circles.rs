//! Modules of a crate use one another in one direction: no module leads back to itself.
//!
//! The modules are those at the top of a crate, with all that is below them. Tests may look anywhere.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
};

/// By module: the modules that it names.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder of sources can be listed") {
        let path = entry.expect("an entry of a folder can be read").path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without comments and without its tests, which stand last.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The first name of a path, or of each path in a group of braces.
fn first_names(path: &str) -> Vec<&str> {
    let word = |path: &str| path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    let Some(group) = path.strip_prefix('{') else { return vec![&path[..word(path)]] };
    let (mut names, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                let path = group[begin..at].trim_start();
                names.push(&path[..word(path)]);
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

/// What the modules of a crate name by `crate::` and by `super::`.
fn uses(src: &Path) -> Uses {
    let mut files = Vec::new();
    rust_files(src, &mut files);
    let mut uses = Uses::new();
    for file in &files {
        let inside = file.strip_prefix(src).expect("a file of the crate").with_extension("");
        let mut module: Vec<&str> = inside.iter().map(|part| part.to_str().expect("UTF-8")).collect();
        module.pop_if(|last| *last == "mod");
        if matches!(module[..], ["lib" | "main"]) {
            continue;
        }
        let code = code(&fs::read_to_string(file).expect("a source can be read"));
        let used = uses.entry(module[0].to_owned()).or_default();
        let up = "super::".repeat(module.len());
        for prefix in ["crate::", &up] {
            let paths = code.match_indices(prefix).map(|(at, _)| (at, &code[at + prefix.len()..]));
            let whole =
                paths.filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)));
            used.extend(whole.flat_map(|(_, path)| first_names(path)).map(str::to_owned));
        }
    }
    let modules: BTreeSet<String> = uses.keys().cloned().collect();
    for (module, used) in &mut uses {
        used.retain(|other| other != module && modules.contains(other));
    }
    uses
}

/// The shortest way from a module back to itself.
fn circle(uses: &Uses, from: &str) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![from.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in uses.get(way.last()?).into_iter().flatten() {
            let longer = || way.iter().chain([next]).cloned().collect();
            if next == from {
                return Some(longer());
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer());
            }
        }
    }
    None
}

#[test]
fn no_module_leads_back_to_itself() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host");
    let mut wrong = Vec::new();
    for entry in fs::read_dir(host).expect("the crates can be listed") {
        let path = entry.expect("an entry of a folder can be read").path();
        if !path.join("src").is_dir() {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let uses = uses(&path.join("src"));
        let circles: BTreeSet<String> =
            uses.keys().filter_map(|module| circle(&uses, module)).map(|way| way.join(" → ")).collect();
        if !circles.is_empty() {
            wrong.push(format!("{name}: {}", Vec::from_iter(circles).join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_read_by_their_first_names() {
    assert_eq!(first_names("topics::Topics;"), ["topics"]);
    assert_eq!(first_names("{\n    a::{B, c::D},\n    e,\n};\nuse std::f;"), ["a", "e", ""]);
}
