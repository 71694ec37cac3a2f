//! Rust: cargo makes a component by itself.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use millstream_plugin::guest_build::TARGET;
use serde_json::Value;

use super::{
    Compiled,
    tools::{Tool, Version, command, failed, not_started},
};
use crate::{
    exit::{Failure, SETUP, USAGE},
    plugin::project::Project,
};

const CARGO: Tool = Tool {
    program: "cargo",
    version: &["--version"],
    least: Version(1, 95, 0),
    get: "install Rust from https://rustup.rs, or bring it up to date with: rustup update",
};

/// Every engine that runs components has vector instructions; the SDK looks through text with them.
const FLAGS: &str = "target.wasm32-wasip2.rustflags=[\"-Ctarget-feature=+simd128\"]";

pub fn compile(project: &Project) -> Result<Compiled, Failure> {
    let cargo = CARGO.find()?;
    provide_target(project)?;
    let mut cargo = command(cargo, project);
    cargo.args(["build", "--release", "--target", TARGET, "--config", FLAGS]);
    // For people on standard error, as ever, and for us on standard output: where the component is.
    cargo.args(["--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
    let mut child = cargo.spawn().map_err(|error| not_started(&cargo, &error))?;
    let said = BufReader::new(child.stdout.take().expect("it is piped"));
    let manifest = project.folder.join("Cargo.toml");
    let mut wasm = None;
    for line in said.lines() {
        let line = line.map_err(|error| Failure::new(USAGE, format!("read what cargo says: {error}")))?;
        if let Some(found) = component_of(&line, &manifest) {
            wasm = Some(found);
        }
    }
    let status = child.wait().map_err(|error| Failure::new(USAGE, format!("wait for cargo: {error}")))?;
    if !status.success() {
        return Err(failed(&cargo, &format!("{} does not compile", project.name)));
    }
    let wasm = wasm.ok_or_else(|| {
        let message =
            format!("cargo has made no component: crate-type in {} must have \"cdylib\" in it", manifest.display());
        Failure::new(USAGE, message)
    })?;
    Ok(Compiled { wasm, world: None })
}

/// The component in a message of cargo's about what it has made of the package with this manifest.
fn component_of(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || Path::new(message["manifest_path"].as_str()?) != manifest {
        return None;
    }
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
    files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// Has rustup install the standard library for components, if it is not there.
fn provide_target(project: &Project) -> Result<(), Failure> {
    if has_target(project)? {
        return Ok(());
    }
    eprintln!("millstream: rustup installs the target {TARGET}");
    let added = command("rustup", project).args(["target", "add", TARGET]).status();
    if added.is_ok_and(|status| status.success()) && has_target(project)? {
        return Ok(());
    }
    let message = format!(
        "Rust's target {TARGET} is not installed; run: rustup target add {TARGET} (or install it as your system's package of \
         Rust has it)"
    );
    Err(Failure::new(SETUP, message))
}

fn has_target(project: &Project) -> Result<bool, Failure> {
    let mut rustc = Command::new("rustc");
    let asked = rustc.args(["--print", "sysroot"]).current_dir(&project.folder).stdin(Stdio::null()).output();
    let answer = asked.map_err(|error| not_started(&rustc, &error))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    Ok(fs::read_dir(libraries).is_ok_and(|mut entries| entries.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_that_of_the_project_and_of_no_dependency() {
        let message = |manifest: &str, file: &str| {
            serde_json::json!({"reason": "compiler-artifact", "manifest_path": manifest, "filenames": [file, "/t/x.d"]})
                .to_string()
        };
        let manifest = Path::new("/p/Cargo.toml");
        assert_eq!(component_of(&message("/p/Cargo.toml", "/t/x.wasm"), manifest), Some("/t/x.wasm".into()));
        assert_eq!(component_of(&message("/q/Cargo.toml", "/t/y.wasm"), manifest), None);
        assert_eq!(component_of(&message("/p/Cargo.toml", "/t/libx.rlib"), manifest), None);
        assert_eq!(component_of("warning: not JSON", manifest), None);
    }
}
