//! The structure of the checkout, as the house plan has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

/// Our crates and which of ours each may use (beside itself).
const ARROWS: [(&str, &[&str]); 32] = [
    ("millstream-record", &[]),
    // Below all that counts.
    ("millstream-metrics", &[]),
    ("millstream-values", &["millstream-record"]),
    ("millstream-config", &["millstream-values"]),
    ("millstream-wire", &["millstream-record"]),
    ("millstream-disk", &[]),
    ("millstream-log", &["millstream-record", "millstream-wire", "millstream-disk"]),
    // Patterns of ssl.principal.mapping.rules are Java's.
    ("millstream-security", &["millstream-values"]),
    (
        "millstream-broker",
        &[
            "millstream-record",
            "millstream-metrics",
            "millstream-values",
            "millstream-config",
            "millstream-wire",
            "millstream-security",
            "millstream-disk",
            "millstream-log",
        ],
    ),
    (
        "millstream-client",
        &["millstream-record", "millstream-metrics", "millstream-config", "millstream-wire", "millstream-security"],
    ),
    ("millstream-connector", &["millstream-record", "millstream-config"]),
    ("millstream-convert", &["millstream-record", "millstream-values", "millstream-config", "millstream-connector"]),
    // JSON as the converter reads and writes it.
    ("millstream-columns", &["millstream-record", "millstream-values", "millstream-connector", "millstream-convert"]),
    (
        "millstream-plugin",
        &[
            "millstream-record",
            "millstream-metrics",
            // What the host does for guests on whole columns, and the limits of the JSON that it reads there.
            "millstream-columns",
            "millstream-convert",
            // Zones and calendars, decimals: between databases and Connect's types.
            "millstream-values",
            "millstream-config",
            "millstream-connector",
            "millstream-disk",
            "millstream-security",
        ],
    ),
    (
        "millstream-runtime",
        &[
            "millstream-record",
            "millstream-metrics",
            "millstream-config",
            "millstream-connector",
            "millstream-convert",
            "millstream-client",
            "millstream-wire",
            "millstream-values",
            "millstream-disk",
        ],
    ),
    (
        "millstream-rest",
        &[
            "millstream-record",
            "millstream-config",
            "millstream-runtime",
            "millstream-connector",
            "millstream-values",
            "millstream-security",
        ],
    ),
    (
        "millstream-scenario",
        &[
            "millstream-record",
            "millstream-metrics",
            "millstream-values",
            "millstream-config",
            "millstream-connector",
            "millstream-plugin",
        ],
    ),
    ("millstream", ANYTHING),
    ("millstream-sdk", &["millstream-record", "millstream-values"]),
    ("millstream-transforms", &["millstream-sdk", "millstream-record", "millstream-values"]),
    ("millstream-plugin-file", &["millstream-sdk"]),
    ("millstream-plugin-datagen", &["millstream-sdk"]),
    ("millstream-plugin-http", &["millstream-sdk"]),
    ("millstream-plugin-sql", &["millstream-sdk"]),
    ("conformance", ANYTHING),
    ("kit", ANYTHING),
    ("tidy", &[]),
    ("bench", ANYTHING),
    ("checker", &[]),
    ("crash", ANYTHING),
    ("harness", ANYTHING),
    (
        "simulation",
        &[
            "millstream-record",
            "millstream-metrics",
            "millstream-config",
            "millstream-connector",
            "millstream-client",
            "millstream-runtime",
        ],
    ),
];

/// Stands for every crate.
const ANYTHING: &[&str] = &["*"];

/// Libraries that have one home, and who may name them.
const HOMES: [(&str, &[&str]); 30] = [
    ("ring", &["millstream-security"]),
    // Broker and client see its configurations and errors through millstream-security only; plugins reach servers of their
    // own, to which nothing of the broker's applies.
    ("rustls", &["millstream-security", "millstream-plugin"]),
    ("rustls-native-certs", &["millstream-security", "millstream-plugin"]),
    // Rustls over a socket.
    ("tokio-rustls", &["millstream-broker", "millstream-client", "millstream-rest", "millstream-plugin"]),
    // What key stores and keys are encrypted with.
    ("aes", &["millstream-security"]),
    ("cbc", &["millstream-security"]),
    ("des", &["millstream-security"]),
    ("rc2", &["millstream-security"]),
    ("tz-rs", &["millstream-values"]),
    // The compiler of components runs on its threads.
    ("rayon", &["millstream-plugin"]),
    ("wasmtime", &["millstream-plugin", "millstream", "bench"]),
    ("wasmtime-wasi", &["millstream-plugin"]),
    ("kafka-protocol", &["millstream-wire"]),
    ("axum", &["millstream-rest"]),
    ("hyper", &["millstream-rest", "millstream-plugin"]),
    ("hyper-util", &["millstream-rest", "millstream-plugin"]),
    ("http-body-util", &["millstream-rest", "millstream-plugin"]),
    ("clap", &["millstream", "conformance", "kit", "bench", "crash"]),
    ("clap_complete", &["millstream"]),
    ("saphyr-parser", &["millstream"]),
    ("sqlx", &["millstream-plugin"]),
    ("zstd", &["millstream-wire"]),
    ("lz4_flex", &["millstream-wire"]),
    ("snap", &["millstream-wire"]),
    // Kafka's codec; and the bundled plugins inside of the binary are packed with it.
    ("flate2", &["millstream-wire", "millstream-plugin", "millstream", "conformance", "kit"]),
    ("wit-bindgen", &["millstream-sdk"]),
    // Makes components of core modules.
    ("wit-component", &["millstream-plugin"]),
    ("wit-parser", &["millstream-plugin"]),
    ("wasi-preview1-component-adapter-provider", &["millstream-plugin"]),
    ("mimalloc", &["millstream", "bench"]),
];

/// Crates with unsafe code, and why they need it. All others forbid it.
const UNSAFE: [(&str, &str); 12] = [
    ("millstream-record", "texts of a batch are checked when they come in, and not again when they are read"),
    (
        "millstream-plugin",
        "loads compiled code that the host has made itself, and calls it without a copy of each batch",
    ),
    ("millstream-sdk", "what a host passes to its guest is taken without a check; exports are generated"),
    ("millstream-plugin-file", "its exports are generated"),
    ("millstream-plugin-datagen", "its exports are generated"),
    ("millstream-plugin-http", "its exports are generated"),
    ("millstream-plugin-sql", "its exports are generated"),
    ("millstream", "says that the code of its bundled plugins comes from its own build"),
    ("conformance", "says the same of the plugins that it runs"),
    ("kit", "says the same of those that stand beside a guest"),
    ("harness", "counts what is allocated"),
    ("bench", "counts allocations and reads the clock of a thread"),
];

/// Who may use tokio.
const TOKIO: [&str; 15] = [
    "millstream-broker",
    "millstream-client",
    "millstream-plugin",
    "millstream-runtime",
    "millstream-rest",
    "millstream-scenario",
    "millstream",
    "conformance",
    "kit",
    "bench",
    "crash",
    "harness",
    "simulation",
    // Tests of traits that are asynchronous.
    "millstream-connector",
    "millstream-convert",
];

/// Visible names at the top.
const TOP: [&str; 12] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "host",
    "plugins",
    "rust-toolchain.toml",
    "sdk",
    "tests",
    "transforms",
    "wit",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn output(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().expect("the tool runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Packages of the workspace with the names of what they depend on. Development dependencies do not
/// count: a test may look at anything.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = output(Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--no-deps"]));
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        let named = dependencies.iter().filter(|dependency| dependency["kind"].as_str() != Some("dev"));
        let named = named.filter_map(|dependency| dependency["name"].as_str()).map(str::to_owned).collect();
        packages.insert(package["name"].as_str().expect("a name").to_owned(), named);
    }
    packages
}

#[test]
fn crates_use_only_what_the_plan_allows() {
    let packages = dependencies();
    let mut wrong = Vec::new();
    for (package, used) in &packages {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == package) else {
            wrong.push(format!("{package} is not in the plan"));
            continue;
        };
        for other in used.iter().filter(|other| packages.contains_key(*other)) {
            if *allowed != ANYTHING && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{package} must not use {other}"));
            }
            if other == "millstream" {
                wrong.push(format!("{package} must not use the binary's crate"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn heavy_libraries_have_one_home() {
    let mut wrong = Vec::new();
    for (package, used) in dependencies() {
        for (library, homes) in HOMES {
            if used.contains(library) && !homes.contains(&package.as_str()) {
                wrong.push(format!("{package} must not use {library}"));
            }
        }
        if used.contains("tokio") && !TOKIO.contains(&package.as_str()) {
            wrong.push(format!("{package} must not use tokio"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a build of the binary compiles, as cargo plans it: macros and build scripts on one side, the host on the other.
/// Cargo shares a library between them only if it and all below it have the same features on both sides, and the
/// compiler of components takes minutes.
#[test]
fn nothing_is_compiled_twice_for_the_binary() {
    // The plan is no stable interface of cargo; the toolchain is pinned, and nothing is built here.
    let plan = output(Command::new(env!("CARGO")).env("RUSTC_BOOTSTRAP", "1").args([
        "build",
        "--package=millstream",
        "--release",
        "--unit-graph",
        "-Zunstable-options",
    ]));
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    let mut libraries: BTreeMap<&str, Vec<BTreeSet<&str>>> = BTreeMap::new();
    for unit in plan["units"].as_array().expect("units") {
        if unit["mode"] == "build" && unit["target"]["kind"][0] == "lib" {
            let features = unit["features"].as_array().expect("features").iter().filter_map(Value::as_str);
            libraries.entry(unit["pkg_id"].as_str().expect("an id")).or_default().push(features.collect());
        }
    }
    assert!(libraries.keys().any(|id| id.contains("#wasmtime@")), "the plan has no wasmtime: {:?}", libraries.keys());
    let twice: Vec<String> = libraries
        .iter()
        .filter(|(_, sides)| sides.len() > 1)
        .map(|(id, sides)| match sides.iter().all(|features| *features == sides[0]) {
            true => format!("{id}: because of what it uses"),
            false => format!("{id}: {sides:?}"),
        })
        .collect();
    assert!(twice.is_empty(), "give them the same features in host/server/Cargo.toml:\n{}", twice.join("\n"));
}

/// Roots of the libraries and binaries of the workspace, with the packages they belong to.
fn crate_roots() -> Vec<(String, PathBuf)> {
    let metadata = output(Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--no-deps"]));
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let mut roots = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        for target in package["targets"].as_array().expect("targets") {
            let ships = |kind: &Value| ["lib", "cdylib", "rlib", "bin"].contains(&kind.as_str().unwrap_or_default());
            if target["kind"].as_array().expect("kinds").iter().any(ships) {
                let path = target["src_path"].as_str().expect("a path");
                roots.push((package["name"].as_str().expect("a name").to_owned(), PathBuf::from(path)));
            }
        }
    }
    roots
}

#[test]
fn unsafe_code_is_forbidden_where_nothing_needs_it() {
    let roots = crate_roots();
    let mut wrong: Vec<String> = Vec::new();
    for (package, path) in &roots {
        let text = std::fs::read_to_string(path).expect("the root of a crate can be read");
        // What is generated for a guest is unsafe by nature, and exists there only.
        let natively = "#![cfg_attr(not(target_arch = \"wasm32\"), forbid(unsafe_code))]";
        let forbids = text.lines().any(|line| line == "#![forbid(unsafe_code)]" || line == natively);
        match UNSAFE.iter().find(|(name, _)| name == package) {
            None if !forbids => wrong.push(format!("{} lacks #![forbid(unsafe_code)]", path.display())),
            Some(_) if forbids => wrong.push(format!("{package} needs no place in the list of those with unsafe code")),
            _ => {}
        }
    }
    let unknown = UNSAFE.iter().filter(|(name, _)| !roots.iter().any(|(package, _)| package == name));
    wrong.extend(unknown.map(|(name, _)| format!("there is no crate {name}")));
    assert!(!roots.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    // An unsafe function has its rules in its documentation, and a foreign or allocator item in the trait's.
    let found = output(Command::new("git").args(["grep", "-nE", "unsafe [{]", "--", "*.rs", ":!tests/tidy"]));
    let mut wrong = Vec::new();
    for place in found.lines() {
        let mut parts = place.splitn(3, ':');
        let (file, line) = (parts.next().expect("a file"), parts.next().expect("a line"));
        let line: usize = line.parse().expect("a number");
        let text = std::fs::read_to_string(root().join(file)).expect("a file of the checkout can be read");
        let before: Vec<&str> = text.lines().take(line - 1).collect();
        let comment = before.iter().rev().take_while(|line| line.trim_start().starts_with("//"));
        if !comment.into_iter().any(|line| line.trim_start().starts_with("// SAFETY:")) {
            wrong.push(format!("{file}:{line} has no SAFETY comment"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_else_stands_at_the_top() {
    let files = output(Command::new("git").args(["ls-files"]));
    let top: BTreeSet<&str> = files.lines().filter_map(|file| file.split('/').next()).collect();
    let visible: Vec<&str> = top.into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(visible, TOP);
}

#[test]
fn no_file_knows_the_machine_it_was_made_on() {
    let pattern = "/work/(main|shared|t)/|/root/[.]";
    let found = Command::new("git")
        .args(["grep", "-lE", pattern, "--", ":!tests/tidy"])
        .current_dir(root())
        .output()
        .expect("git runs");
    // git grep ends with 1 where it finds nothing.
    assert_eq!((found.status.code(), String::from_utf8_lossy(&found.stdout).as_ref()), (Some(1), ""));
}
