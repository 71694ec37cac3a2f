//! Builds guests written in Rust with a cargo of their own. The build script that embeds the bundled plugins
//! includes this file, and so it uses the standard library only.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target guests are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Variables that the nested cargo keeps although cargo's own are taken from it: where tools and downloads
/// are, and how to reach a registry. The rest (`RUSTFLAGS`, `RUSTC_WORKSPACE_WRAPPER`, profile settings, the
/// build script's own) is meant for the host's build.
const KEPT: [&str; 4] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR"];

/// What to build.
#[derive(Clone, Debug)]
pub struct GuestBuild {
    /// Folder of the `Cargo.toml` to build from.
    pub folder: PathBuf,
    /// Packages to build; none builds the one in the folder.
    pub packages: Vec<String>,
    /// Target folder for this build alone: two cargoes that share one wait for each other.
    pub target_dir: PathBuf,
    /// Whether `Cargo.lock` may not change.
    pub locked: bool,
}

/// Why guests could not be built.
#[derive(Debug)]
pub enum GuestBuildError {
    /// The compiler could not be asked where its libraries are.
    Sysroot(io::Error),
    /// The standard library for guests is not installed, and installing it failed.
    TargetMissing,
    /// Cargo could not be started.
    Start(io::Error),
    /// Cargo failed; it has said why.
    Failed {
        /// Where it ran.
        folder: PathBuf,
        /// The end of what it said.
        said: String,
    },
    /// Cargo succeeded, but there is no component.
    NotThere(PathBuf),
}

impl std::fmt::Display for GuestBuildError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sysroot(_) => write!(formatter, "ask rustc for its sysroot"),
            Self::TargetMissing => {
                write!(formatter, "the Rust target {TARGET} is not installed; run: rustup target add {TARGET}")
            }
            Self::Start(_) => write!(formatter, "start cargo"),
            Self::Failed { folder, said } => write!(formatter, "build the guests in {}:\n{said}", folder.display()),
            Self::NotThere(path) => write!(formatter, "cargo has not made {}", path.display()),
        }
    }
}

impl std::error::Error for GuestBuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sysroot(source) | Self::Start(source) => Some(source),
            Self::TargetMissing | Self::Failed { .. } | Self::NotThere(_) => None,
        }
    }
}

impl GuestBuild {
    /// Builds, and returns the folder of the `.wasm` files. Takes as long as cargo does.
    ///
    /// # Errors
    ///
    /// See [`GuestBuildError`]; each names what to do.
    pub fn run(&self) -> Result<PathBuf, GuestBuildError> {
        ensure_target(&self.folder)?;
        let mut cargo = clean(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), &self.folder);
        cargo.args(["build", "--release", "--target", TARGET, "--target-dir"]).arg(&self.target_dir);
        // Every engine that runs components has vector instructions; text is looked through with them.
        cargo.args(["--config", "target.wasm32-wasip2.rustflags=[\"-Ctarget-feature=+simd128\"]"]);
        // Guests are small and run often: better code is worth a longer build. Macros run once.
        cargo.args(["--config", "profile.release.codegen-units=1", "--config", "profile.release.lto=\"thin\""]);
        cargo.args(["--config", "profile.release.build-override.opt-level=0"]);
        // Stripped of debug information but not of function names, which make traces readable.
        cargo.args(["--config", "profile.release.strip=\"debuginfo\""]);
        if self.locked {
            cargo.arg("--locked");
        }
        for package in &self.packages {
            cargo.args(["--package", package]);
        }
        let output = cargo.stdin(Stdio::null()).output().map_err(GuestBuildError::Start)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(GuestBuildError::Failed { folder: self.folder.clone(), said });
        }
        Ok(self.target_dir.join(TARGET).join("release"))
    }

    /// Builds, and returns the component of one package.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn component(&self, package: &str) -> Result<PathBuf, GuestBuildError> {
        let path = self.run()?.join(format!("{}.wasm", package.replace('-', "_")));
        if path.is_file() { Ok(path) } else { Err(GuestBuildError::NotThere(path)) }
    }
}

/// Looks for the standard library for guests in the compiler's sysroot, and lets rustup install it.
fn ensure_target(folder: &Path) -> Result<(), GuestBuildError> {
    if has_target(folder)? {
        return Ok(());
    }
    let added = clean("rustup".into(), folder).args(["target", "add", TARGET]).stdin(Stdio::null()).output();
    match added {
        Ok(output) if output.status.success() && has_target(folder)? => Ok(()),
        _ => Err(GuestBuildError::TargetMissing),
    }
}

fn has_target(folder: &Path) -> Result<bool, GuestBuildError> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = clean(rustc, folder).args(["--print", "sysroot"]).output().map_err(GuestBuildError::Sysroot)?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    Ok(fs::read_dir(libraries).is_ok_and(|mut entries| entries.next().is_some()))
}

/// A command without what the outer cargo has put into the environment.
fn clean(program: OsString, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let ours = text.starts_with("CARGO") || text.starts_with("RUST") || text.starts_with("DEP_");
        let kept = KEPT.iter().any(|kept| text.starts_with(kept)) || text.starts_with("RUSTUP_");
        let of_script = matches!(text, "TARGET" | "HOST" | "PROFILE" | "OPT_LEVEL" | "DEBUG" | "OUT_DIR" | "NUM_JOBS");
        if (ours && !kept) || of_script {
            command.env_remove(&name);
        }
    }
    command
}
