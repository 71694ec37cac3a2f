//! The guests of all languages, and how they are built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use millstream_plugin::guest_build::GuestBuild;

/// A language of the kit.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    /// Its name in the table and in `cannot/`.
    pub name: &'static str,
    /// The project of its guest, below the workspace.
    pub project: &'static str,
    /// A command without which it cannot be built, with arguments that only show that it is there.
    pub needs: &'static [&'static str],
    /// How to get that.
    pub get: &'static str,
}

/// All languages.
pub const LANGUAGES: [Language; 6] = [
    Language {
        name: "rust",
        project: "tests/kit/guests/rust",
        needs: &["cargo", "--version"],
        get: "https://rustup.rs",
    },
    Language {
        name: "c",
        project: "sdk/c/kit",
        needs: &["clang-19", "--version"],
        get: "install clang-19, lld-19, wasi-libc and libclang-rt-19-dev-wasm32",
    },
    Language { name: "go", project: "sdk/go/kit", needs: &["go", "version"], get: "install Go 1.24 or newer" },
    Language {
        name: "python",
        project: "sdk/python/kit",
        needs: &["python3", "--version"],
        get: "install Python 3.11 or newer",
    },
    Language {
        name: "typescript",
        project: "sdk/typescript/kit",
        needs: &["node", "--version"],
        get: "install Node 20 or newer",
    },
    Language {
        name: "javascript",
        project: "sdk/typescript/kit-javascript",
        needs: &["node", "--version"],
        get: "install Node 20 or newer",
    },
];

/// Why a guest is not there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Missing {
    /// The language's tools are not on this machine.
    Tools(String),
    /// The language has no guest in this checkout.
    Project(PathBuf),
    /// It does not build: what the tools say.
    Build(String),
}

impl Language {
    /// Its guest, built.
    ///
    /// # Errors
    ///
    /// See [`Missing`].
    pub fn build(&self, workspace: &Path, target: &Path) -> Result<PathBuf, Missing> {
        let folder = workspace.join(self.project);
        if !folder.is_dir() {
            return Err(Missing::Project(folder));
        }
        let [program, arguments @ ..] = self.needs else { return Err(Missing::Tools(self.get.to_owned())) };
        let there = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        if !there.is_ok_and(|output| output.status.success()) {
            return Err(Missing::Tools(format!("there is no {program}: {}", self.get)));
        }
        if self.name == "rust" {
            let build = GuestBuild { folder, packages: Vec::new(), target_dir: target.join("guests"), locked: true };
            return build.component("kit").map_err(|error| Missing::Build(error.to_string()));
        }
        build_project(&folder)
    }
}

/// A project as its author would build it: by `millstream plugin build`, with the program that `MILLSTREAM` names, or the one
/// that the workspace's own build has made.
fn build_project(folder: &Path) -> Result<PathBuf, Missing> {
    let named = std::env::var_os("MILLSTREAM").map(PathBuf::from);
    let Some(program) = named.or_else(own_program) else {
        return Err(Missing::Tools("there is no millstream program: cargo build -p millstream".to_owned()));
    };
    let output = Command::new(&program).args(["plugin", "build"]).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Missing::Tools(format!("run {}: {error}", program.display())))?;
    if output.status.success() {
        return Ok(folder.join("build/kit.wasm"));
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Missing::Build(String::from_utf8_lossy(&said).into_owned()))
}

/// `target/PROFILE/millstream`, where this test is `target/PROFILE/deps/NAME`.
fn own_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.parent()?.parent()?.join("millstream");
    program.is_file().then_some(program)
}
