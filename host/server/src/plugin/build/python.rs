//! Python: the SDK's own script has componentize-py make a component. Where that is not installed, the project gets a virtual
//! environment with it.

use std::{env, path::PathBuf, process::Command};

use super::{
    Compiled, made,
    tools::{Tool, Version, command, in_path, is_program, run},
};
use crate::{exit::Failure, plugin::project::Project};

const PYTHON: Tool = Tool {
    program: if cfg!(windows) { "python" } else { "python3" },
    version: &["--version"],
    least: Version(3, 11, 0),
    get: "install Python from https://www.python.org, or your system's package python3",
};

/// The package that the project's environment gets. Another version has other bindings.
const PACKAGE: &str = "componentize-py==0.25.1";

const PROGRAM: &str = if cfg!(windows) { "componentize-py.exe" } else { "componentize-py" };
const PROGRAMS: &str = if cfg!(windows) { "Scripts" } else { "bin" };

pub fn compile(project: &Project) -> Result<Compiled, Failure> {
    let python = PYTHON.find()?;
    if !is_installed(project, &python) {
        let environment = project.folder.join(".venv");
        eprintln!("millstream: pip installs {PACKAGE} into {}, once for this project", super::shown(&environment));
        let mut make = command(&python, project);
        make.args(["-m", "venv"]).arg(&environment);
        run(
            &mut make,
            "no virtual environment could be made; some systems have what it takes as a package python3-venv",
        )?;
        let mut pip = command(environment.join(PROGRAMS).join("python"), project);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]);
        run(&mut pip, &format!("{PACKAGE} cannot be installed"))?;
    }
    let wasm = made(project)?;
    let mut build: Command = command(python, project);
    build.arg(project.sdk().join("build.py")).arg("--out").arg(&wasm);
    run(&mut build, &format!("{} does not compile", project.name))?;
    Ok(Compiled { wasm, world: None })
}

/// Whether the SDK's script finds componentize-py where it looks for it.
fn is_installed(project: &Project, python: &std::path::Path) -> bool {
    let of_environment = |folder: PathBuf| folder.join(PROGRAMS).join(PROGRAM);
    let places = [
        env::var_os("COMPONENTIZE_PY").map(PathBuf::from),
        Some(of_environment(project.folder.join(".venv"))),
        env::var_os("VIRTUAL_ENV").map(PathBuf::from).map(of_environment),
        python.parent().map(|folder| folder.join(PROGRAM)),
    ];
    places.into_iter().flatten().any(|place| is_program(&place)) || in_path(PROGRAM).is_some()
}
