//! A folder in which a plugin is written: found from any folder below it by its manifest, `millstream.json`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{embedded, language::Language};
use crate::exit::{Failure, SETUP, USAGE};

/// The manifest's name.
pub const MANIFEST: &str = "millstream.json";

/// The folder with what Millstream writes for itself: the SDK, tools.
pub const OWN: &str = ".millstream";

/// Names a version of the SDK in that folder.
const STAMP: &str = "version";

/// Longest name of a project.
const MAX_NAME: usize = 64;

/// Where a plugin is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name, which its component has, too.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// Its version.
    pub version: String,
}

impl Project {
    /// The project that a folder belongs to, which is that of the manifest nearest above.
    ///
    /// # Errors
    ///
    /// There is none, or its manifest is wrong.
    pub fn find(from: Option<&Path>) -> Result<Self, Failure> {
        let from = match from {
            Some(folder) => folder.to_owned(),
            None => env::current_dir().map_err(|error| Failure::new(USAGE, format!("look at this folder: {error}")))?,
        };
        let start = from.canonicalize();
        let start = start.map_err(|error| Failure::new(USAGE, format!("look at {}: {error}", from.display())))?;
        for folder in start.ancestors() {
            let path = folder.join(MANIFEST);
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let read = Self::read(folder, &text);
                    return read.map_err(|reason| Failure::new(USAGE, format!("{}: {reason}", path.display())));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::new(USAGE, format!("read {}: {error}", path.display()))),
            }
        }
        let message = format!(
            "{} is in no plugin's project: neither it nor a folder above has a {MANIFEST}. Make one with: millstream plugin new",
            from.display()
        );
        Err(Failure::new(USAGE, message))
    }

    fn read(folder: &Path, text: &str) -> Result<Self, String> {
        let manifest: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))?;
        const MEMBERS: [&str; 3] = ["name", "language", "version"];
        if let Some(unknown) = manifest.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            return Err(format!("it has {unknown:?}, and may have {} only", MEMBERS.join(", ")));
        }
        let text = |key: &str| match manifest.get(key) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(format!("{key:?} is no string")),
            None => Err(format!("{key:?} is missing")),
        };
        let (name, language) = (text("name")?, text("language")?);
        check_name(&name)?;
        let language = Language::named(&language)
            .ok_or_else(|| format!("{language:?} is no language that there is an SDK for: {}", languages()))?;
        Ok(Self { folder: folder.to_owned(), name, language, version: text("version")? })
    }

    /// What the manifest says.
    pub fn manifest(&self) -> String {
        let manifest = json!({"name": self.name, "language": self.language.name(), "version": self.version});
        format!("{manifest:#}\n")
    }

    /// Where its component is after a build.
    pub fn component(&self) -> PathBuf {
        self.folder.join("build").join(format!("{}.wasm", self.name))
    }

    /// Where it finds the SDK.
    pub fn sdk(&self) -> PathBuf {
        self.folder.join(OWN).join("sdk").join(self.language.sdk())
    }

    /// Writes the SDK of this binary into the project if it is not there, or is another version's. Whether it was written.
    ///
    /// # Errors
    ///
    /// The binary has no SDK for the language, or a file cannot be written.
    pub fn provide_sdk(&self) -> Result<bool, Failure> {
        let files = embedded::sdk(self.language).ok_or_else(|| {
            Failure::new(SETUP, format!("this build of Millstream has no SDK for {}", self.language.title()))
        })?;
        let own = self.folder.join(OWN);
        let stamp = own.join(format!("{STAMP}-{}", self.language.sdk()));
        let version = version_of(&files);
        if fs::read_to_string(&stamp).is_ok_and(|found| found == version) && self.sdk().is_dir() {
            return Ok(false);
        }
        // What an older version had and this one has not must not be found.
        let old = [own.join("sdk").join(self.language.sdk()), own.join("wit"), own.join("host")];
        for folder in old {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::new(USAGE, format!("remove {}: {error}", folder.display())));
                }
                _ => {}
            }
        }
        for file in &files {
            write(&own.join(&file.path), &file.content)?;
        }
        // Last, so that what was cut short is written again.
        write(&stamp, version.as_bytes())?;
        Ok(true)
    }
}

/// Tells one version of an SDK from another, also while it is developed.
fn version_of(files: &[embedded::File]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        for &byte in file.path.as_bytes().iter().chain(&file.content) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{} {hash:016x}\n", env!("CARGO_PKG_VERSION"))
}

/// Writes a file and makes the folders above it.
///
/// # Errors
///
/// It cannot be written.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::write(path, content))
        .map_err(|error| Failure::new(USAGE, format!("write {}: {error}", path.display())))
}

/// Whether a name is one of a project.
///
/// # Errors
///
/// It is not: how one looks.
pub fn check_name(name: &str) -> Result<(), String> {
    let of = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(of)
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= MAX_NAME;
    if is_good {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name for a project: it begins with a small letter, has at most {MAX_NAME} small letters, digits and \
         single hyphens, and ends with none, such as my-transform"
    ))
}

/// The languages' names, for messages.
pub fn languages() -> String {
    let names = <Language as clap::ValueEnum>::value_variants().iter().map(|language| language.name());
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_found_from_a_folder_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("a/src/deep")).unwrap();
        let nowhere = Project::find(Some(&top.join("a"))).unwrap_err();
        assert!(nowhere.message.contains("millstream plugin new"), "{}", nowhere.message);
        let project = Project {
            folder: top.join("a"),
            name: "shout-it".into(),
            language: Language::Rust,
            version: "0.1.0".into(),
        };
        fs::write(top.join("a").join(MANIFEST), project.manifest()).unwrap();
        let found = Project::find(Some(&top.join("a/src/deep"))).unwrap();
        assert_eq!(found, project);
        assert_eq!(found.component(), top.join("a/build/shout-it.wasm"));
    }

    #[test]
    fn a_wrong_manifest_is_refused_with_what_is_wrong() {
        let read = |text: &str| Project::read(Path::new("/p"), text).unwrap_err();
        assert!(read("[]").starts_with("no JSON object: "));
        assert_eq!(read(r#"{"name": "a", "language": "rust"}"#), "\"version\" is missing");
        assert_eq!(read(r#"{"name": 1}"#), "\"name\" is no string");
        assert!(read(r#"{"name": "a", "lang": "x"}"#).starts_with("it has \"lang\", and may have name, "));
        assert!(read(r#"{"name": "a", "language": "cobol", "version": "1"}"#).contains("rust, python, typescript"));
    }

    #[test]
    fn names_are_those_that_every_tool_takes() {
        for name in ["a", "my-transform", "v2-orders"] {
            check_name(name).unwrap();
        }
        for name in ["", "A", "2a", "-a", "a-", "a--b", "a_b", "../a", "ä", &"a".repeat(65)] {
            assert!(check_name(name).unwrap_err().contains("such as my-transform"), "{name}");
        }
    }
}
