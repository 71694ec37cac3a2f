//! Go: the stock compiler makes a core module for WASI's first version, which becomes a component here.

use super::{
    Compiled, made,
    tools::{Tool, Version, command, run},
};
use crate::{exit::Failure, plugin::project::Project};

const GO: Tool =
    Tool { program: "go", version: &["version"], least: Version(1, 24, 0), get: "install Go from https://go.dev/dl" };

/// The SDK takes memory for buffers that the collector does not know. Nothing needs debug information; names of functions
/// stay, for traces.
const LINKER: &str = "-checklinkname=0 -w";

pub fn compile(project: &Project) -> Result<Compiled, Failure> {
    let go = GO.find()?;
    let wasm = made(project)?;
    let mut build = command(go, project);
    build.args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags", LINKER, "-o"]).arg(&wasm).arg(".");
    build.env("GOOS", "wasip1").env("GOARCH", "wasm").env("GOTOOLCHAIN", "local").env("GOWORK", "off");
    run(&mut build, &format!("{} does not compile", project.name))?;
    Ok(Compiled { wasm, world: Some((project.sdk().join("wit"), "plugin")) })
}
