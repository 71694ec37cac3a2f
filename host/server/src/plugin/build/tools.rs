//! The tools of other languages: whether one is there, in which version, and running it.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::super::project::Project;
use crate::exit::{Failure, SETUP, USAGE};

/// A tool that has to be installed.
pub struct Tool {
    /// Its program.
    pub program: &'static str,
    /// What makes it print its version.
    pub version: &'static [&'static str],
    /// The oldest version that will do.
    pub least: Version,
    /// How one gets it: the rest of a sentence.
    pub get: &'static str,
}

/// Up to three numbers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version(pub u32, pub u32, pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}")?;
        if *patch == 0 { Ok(()) } else { write!(f, ".{patch}") }
    }
}

impl Version {
    /// The first version in a text: `go version go1.26.8 linux/amd64`.
    fn first_in(text: &str) -> Option<Self> {
        let words = text.split(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let number = |word: &str| {
            let word = word.trim_start_matches(|c: char| !c.is_ascii_digit());
            let mut parts = word.split('.').map(|part| part.trim_end_matches(|c: char| !c.is_ascii_digit()).parse());
            let major = parts.next()?.ok()?;
            let minor = parts.next()?.ok()?;
            Some(Self(major, minor, parts.next().and_then(Result::ok).unwrap_or(0)))
        };
        words.into_iter().find_map(number)
    }
}

impl Tool {
    /// The tool in the path.
    ///
    /// # Errors
    ///
    /// It is not there or too old: which version was found, which is wanted, and how to get it.
    pub fn find(&self) -> Result<PathBuf, Failure> {
        let Some(path) = in_path(self.program) else {
            let message = format!("{} is not installed, or not in the PATH. {}", self.program, self.remedy());
            return Err(Failure::new(SETUP, message));
        };
        self.check(&path)?;
        Ok(path)
    }

    /// Asks a program of this tool for its version.
    ///
    /// # Errors
    ///
    /// It cannot be started, or is too old.
    pub fn check(&self, path: &Path) -> Result<Version, Failure> {
        let asked = Command::new(path).args(self.version).stdin(Stdio::null()).output();
        let answer = asked
            .map_err(|error| Failure::new(SETUP, format!("start {}: {error}. {}", path.display(), self.remedy())))?;
        let said = [answer.stdout, answer.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let Some(found) = Version::first_in(&said).filter(|_| answer.status.success()) else {
            let asked = self.version.join(" ");
            let message = format!("{} {asked} says no version, but {first:?}. {}", path.display(), self.remedy());
            return Err(Failure::new(SETUP, message));
        };
        if found < self.least {
            let message = format!("{} is {found}, and too old. {}", path.display(), self.remedy());
            return Err(Failure::new(SETUP, message));
        }
        Ok(found)
    }

    fn remedy(&self) -> String {
        format!("Version {} or newer is needed: {}", self.least, self.get)
    }
}

/// A program in the path.
pub fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

/// Whether a file is there that may be run.
pub fn is_program(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().is_ok_and(|of| of.is_file() && of.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    file.is_file()
}

/// A tool in the project's folder. What it prints goes to standard error, so that standard output has our answer alone.
pub fn command(program: impl AsRef<OsStr>, project: &Project) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&project.folder).stdin(Stdio::null()).stdout(io::stderr());
    command
}

/// Runs a tool that says itself what is wrong.
///
/// # Errors
///
/// It cannot be started, or fails: `what` did.
pub fn run(command: &mut Command, what: &str) -> Result<(), Failure> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(failed(command, what)) }
}

/// That a tool could not be started.
pub fn not_started(command: &Command, error: &io::Error) -> Failure {
    Failure::new(SETUP, format!("start {}: {error}", command.get_program().to_string_lossy()))
}

/// That a tool has failed, and has said why.
pub fn failed(command: &Command, what: &str) -> Failure {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    Failure::new(USAGE, format!("{what}: {program} has said why, above"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (text, version) in [
            ("cargo 1.95.0 (abc 2026-01-01)", Version(1, 95, 0)),
            ("go version go1.26.8 linux/amd64", Version(1, 26, 8)),
            ("v20.20.2", Version(20, 20, 2)),
            ("Python 3.11.2", Version(3, 11, 2)),
            ("Debian clang version 19.1.7 (3~deb12u1)", Version(19, 1, 7)),
            ("rustc 1.96.0-nightly", Version(1, 96, 0)),
            ("componentize-py 0.25.1", Version(0, 25, 1)),
            ("3.11.0rc1", Version(3, 11, 0)),
        ] {
            assert_eq!(Version::first_in(text), Some(version), "{text}");
        }
        assert_eq!(Version::first_in("no such option"), None);
    }

    #[test]
    fn a_tool_that_is_missing_or_too_old_is_named_with_what_to_do() {
        let tool = |program, least| Tool { program, version: &["--version"], least, get: "see the shop." };
        let missing = tool("no-such-tool-here", Version(1, 2, 3)).find().unwrap_err().message;
        assert_eq!(
            missing,
            "no-such-tool-here is not installed, or not in the PATH. Version 1.2.3 or newer is needed: see the shop."
        );
        let old = tool("cargo", Version(99, 0, 0)).find().unwrap_err().message;
        assert!(
            old.contains(" is 1.") && old.ends_with(", and too old. Version 99.0 or newer is needed: see the shop."),
            "{old}"
        );
    }
}
