//! TypeScript and JavaScript: the SDK's own script has esbuild and QuickJS make a component.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{
    Compiled, made,
    tools::{Tool, Version, command, run},
};
use crate::{exit::Failure, plugin::project::Project};

const NODE: Tool = Tool {
    program: "node",
    version: &["--version"],
    least: Version(20, 0, 0),
    get: "install Node.js from https://nodejs.org, or your system's package nodejs",
};

const NPM: Tool = Tool {
    program: "npm",
    version: &["--version"],
    least: Version(9, 0, 0),
    get: "it comes with Node.js from https://nodejs.org; some systems have it as a package npm of its own",
};

/// Packages that the project's own file asks for and that a build needs.
const PACKAGES: [&str; 2] = ["esbuild", "componentize-qjs"];

pub fn compile(project: &Project) -> Result<Compiled, Failure> {
    let node = NODE.find()?;
    if !are_installed(&project.folder) {
        let npm = NPM.find()?;
        eprintln!("millstream: npm installs {}, once for this project", PACKAGES.join(" and "));
        let what = format!("{} cannot be installed", PACKAGES.join(" and "));
        run(command(npm, project).args(["install", "--no-audit", "--no-fund"]), &what)?;
    }
    let wasm = made(project)?;
    let script = project.sdk().join("build.mjs");
    let mut build = command(node, project);
    run(build.arg(script).arg("--out").arg(&wasm), &format!("{} does not compile", project.name))?;
    Ok(Compiled { wasm, world: None })
}

/// Whether the packages are in the project, or where `NODE_PATH` says.
fn are_installed(project: &Path) -> bool {
    let more = env::var_os("NODE_PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = [project.join("node_modules")].into_iter().chain(env::split_paths(&more)).collect();
    PACKAGES.iter().all(|package| folders.iter().any(|folder| folder.join(package).join("package.json").is_file()))
}
