//! Packs the SDKs and the templates of `millstream plugin new` for the binary, so that it needs no network for them. The
//! build script includes this file; `src/plugin/embedded.rs` unpacks.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Folders below `sdk`, one for each SDK. One that is not there is left out.
const SDKS: [&str; 5] = ["rust", "python", "typescript", "go", "c"];

/// Folders of an SDK that are no part of the package: what readers and its own tests need.
const OF_THE_CHECKOUT: [&str; 12] = [
    "examples",
    "example",
    "kit",
    "test",
    "tests",
    "bench",
    "bindings",
    "build",
    "dist-test",
    "golden",
    "coverage",
    "venv",
];

/// Folders, at whatever depth, that tools make, or that only tests read.
const LEFT_OUT: [&str; 4] = ["target", "node_modules", "__pycache__", "testdata"];

/// What the Rust SDK uses of this workspace.
const RUST_CRATES: [&str; 3] = ["sdk/rust", "host/record", "host/values"];

/// A file with the path that it gets.
struct Packed {
    path: String,
    content: Vec<u8>,
}

/// Writes `sdks.rs` into `out`: the packed SDKs by their folders' names, and the packed templates.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn write_list(root: &Path, out: &Path) -> Result<()> {
    let mut list = String::from("Embedded { sdks: &[\n");
    for sdk in SDKS {
        let folder = root.join("sdk").join(sdk);
        if !folder.is_dir() {
            continue;
        }
        let mut files = match sdk {
            "rust" => rust(root)?,
            _ => collected(root, &folder, is_packed)?,
        };
        files.extend(collected(root, &root.join("wit"), |_| true)?);
        let packed = out.join(format!("sdk-{sdk}.gz"));
        fs::write(&packed, pack(&files)?)?;
        writeln!(list, "({sdk:?}, include_bytes!({packed:?})),")?;
    }
    let mut templates = Vec::new();
    for sdk in SDKS {
        let folder = root.join("sdk").join(sdk);
        for entry in entries(&folder)? {
            let name = name(&entry);
            if entry.is_dir() && name.starts_with("template") {
                templates.extend(collected(root, &entry, |_| true)?);
            }
        }
    }
    let packed = out.join("templates.gz");
    fs::write(&packed, pack(&templates)?)?;
    writeln!(list, "], templates: include_bytes!({packed:?}) }}")?;
    fs::write(out.join("sdks.rs"), list)?;
    Ok(())
}

/// Whether a folder is part of an SDK's package.
fn is_packed(path: &Path) -> bool {
    let name = name(path);
    let is_top = path.parent().and_then(Path::parent).is_some_and(|above| above.ends_with("sdk"));
    let is_of_checkout = OF_THE_CHECKOUT.contains(&name.as_str()) || name.starts_with("template");
    !(LEFT_OUT.contains(&name.as_str()) || name.ends_with(".egg-info") || is_top && is_of_checkout)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// The files below a folder with their paths below the root. Nothing hidden, and no folder that is not `wanted`.
fn collected(root: &Path, folder: &Path, wanted: fn(&Path) -> bool) -> Result<Vec<Packed>> {
    let mut files = Vec::new();
    let entries = entries(folder)?;
    // Cargo looks at all that is below a folder, and tools write into some of those that are left out.
    if !entries.iter().any(|entry| entry.is_dir()) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    for entry in entries {
        if name(&entry).starts_with('.') || entry.is_symlink() {
            continue;
        }
        if entry.is_dir() {
            if wanted(&entry) {
                files.extend(collected(root, &entry, wanted)?);
            }
            continue;
        }
        println!("cargo::rerun-if-changed={}", entry.display());
        let path = entry.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        files.push(Packed { path, content: fs::read(&entry)? });
    }
    Ok(files)
}

/// The Rust SDK and the crates that it uses, as a workspace of their own.
fn rust(root: &Path) -> Result<Vec<Packed>> {
    let mut files = Vec::new();
    let mut used = BTreeSet::new();
    for package in RUST_CRATES {
        let folder = root.join(package);
        let manifest = folder.join("Cargo.toml");
        println!("cargo::rerun-if-changed={}", manifest.display());
        let manifest = without(&fs::read_to_string(manifest)?, &["[lints]", "[dev-dependencies]"]);
        used.extend(inherited(&manifest));
        files.push(Packed { path: format!("{package}/Cargo.toml"), content: manifest.into_bytes() });
        let tutorial = folder.join("README.md");
        if tutorial.is_file() {
            println!("cargo::rerun-if-changed={}", tutorial.display());
            files.push(Packed { path: format!("{package}/README.md"), content: fs::read(&tutorial)? });
        }
        files.extend(collected(root, &folder.join("src"), |path| name(path) != "tests")?);
    }
    let manifest = root.join("Cargo.toml");
    println!("cargo::rerun-if-changed={}", manifest.display());
    let manifest = fs::read_to_string(manifest)?;
    let mut own = format!("[workspace]\nresolver = \"3\"\nmembers = {RUST_CRATES:?}\n\n[workspace.package]\n");
    section(&manifest, "[workspace.package]").for_each(|line| own.push_str(&format!("{line}\n")));
    own.push_str("\n[workspace.dependencies]\n");
    let is_used = |line: &&str| line.split_once(" = ").is_some_and(|(library, _)| used.contains(library));
    section(&manifest, "[workspace.dependencies]").filter(is_used).for_each(|line| own.push_str(&format!("{line}\n")));
    files.push(Packed { path: "Cargo.toml".to_owned(), content: own.into_bytes() });
    Ok(files)
}

/// Libraries whose version a manifest leaves to the workspace.
fn inherited(manifest: &str) -> Vec<String> {
    let library = |line: &str| {
        let (library, _) = line.split_once(".workspace = true").or_else(|| line.split_once(" = { workspace = true"))?;
        Some(library.trim().to_owned())
    };
    manifest.lines().filter_map(library).collect()
}

/// The lines of a section, without empty ones.
fn section<'m>(manifest: &'m str, heading: &str) -> impl Iterator<Item = &'m str> {
    let lines = manifest.lines().skip_while(move |line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

/// A manifest without these sections.
fn without(manifest: &str, headings: &[&str]) -> String {
    let mut kept = String::new();
    let mut skipping = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            skipping = headings.contains(&line);
        }
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Path and content of each file, each behind its length in four bytes, in gzip format.
fn pack(files: &[Packed]) -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for Packed { path, content } in files {
        for part in [path.as_bytes(), content] {
            packed.write_all(&u32::try_from(part.len())?.to_le_bytes())?;
            packed.write_all(part)?;
        }
    }
    Ok(packed.finish()?)
}
