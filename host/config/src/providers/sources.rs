//! The providers that Connect brings along: a properties file, a folder with a file for each value, the environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
};

use millstream_values::JavaRegex;

use super::{ALLOWED_PATHS, ALLOWLIST_PATTERN};
use crate::{ConfigError, ConfigMap};

/// Most bytes of a file with values.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Looks values up.
pub(super) trait Source: Send + Sync {
    /// The values of those of the keys that there are beneath a path, which may be empty.
    ///
    /// # Errors
    ///
    /// The path cannot be read, or means nothing here.
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>, ConfigError>;
}

/// Keys of properties files, which are read as UTF-8.
pub(super) struct FileSource(pub(super) AllowedPaths);

/// Files of folders: the name is the key, the whole content the value.
pub(super) struct DirectorySource(pub(super) AllowedPaths);

/// Variables of the environment as it was when the worker started.
pub(super) struct EnvironmentSource {
    variables: BTreeMap<String, String>,
}

impl Source for FileSource {
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>, ConfigError> {
        let Some(path) = self.0.permit(path) else { return Ok(BTreeMap::new()) };
        let failed = |cause: &dyn std::fmt::Display| {
            ConfigError::new(format!("Could not read properties from file {}: {cause}", path.display()))
        };
        let text = read(&path).map_err(|error| failed(&error))?;
        let properties = crate::parse_properties_str(&text).map_err(|error| failed(&error))?;
        Ok(properties.into_iter().filter(|(key, _)| keys.contains(key.as_str())).collect())
    }
}

impl Source for DirectorySource {
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>, ConfigError> {
        let Some(path) = self.0.permit(path) else { return Ok(BTreeMap::new()) };
        if !path.is_dir() {
            tracing::warn!(
                "The path {} is not a directory: the variables that name it stay as they are",
                path.display()
            );
            return Ok(BTreeMap::new());
        }
        let mut values = BTreeMap::new();
        // A key is the name of a file, and never a way to another folder.
        for key in keys.iter().filter(|key| is_file_name(key)) {
            let file = path.join(key);
            if !file.is_file() {
                continue;
            }
            let text = read(&file).map_err(|error| {
                ConfigError::new(format!("Could not read the value in file {}: {error}", file.display()))
            })?;
            values.insert((*key).to_owned(), text);
        }
        Ok(values)
    }
}

/// The content of a file that is one: reading a device or a pipe may never end.
fn read(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

fn is_file_name(key: &str) -> bool {
    let mut parts = Path::new(key).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == key)
}

impl EnvironmentSource {
    /// Those variables of an environment whose whole name the pattern of the parameters matches. What is no Unicode is
    /// left out.
    pub(super) fn new(
        environment: impl Iterator<Item = (OsString, OsString)>,
        prefix: &str,
        parameters: &ConfigMap,
    ) -> Result<Self, ConfigError> {
        let pattern = parameters.get(ALLOWLIST_PATTERN).and_then(Option::as_deref).unwrap_or(".*");
        let invalid = |reason: &dyn std::fmt::Display| {
            ConfigError::invalid(
                &format!("{prefix}{ALLOWLIST_PATTERN}"),
                pattern,
                format_args!("it is no regular expression: {reason}"),
            )
        };
        let allowed = JavaRegex::compile(pattern).map_err(|error| invalid(&error))?;
        let mut variables = BTreeMap::new();
        for (name, value) in environment {
            let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else { continue };
            if allowed.matches_whole(&name).map_err(|error| invalid(&error))? {
                variables.insert(name, value);
            }
        }
        Ok(Self { variables })
    }
}

impl Source for EnvironmentSource {
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>, ConfigError> {
        if !path.is_empty() {
            return Err(ConfigError::new(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )));
        }
        let found = keys.iter().filter_map(|&key| self.variables.get_key_value(key));
        Ok(found.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// Beneath which paths may be read.
pub(super) struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    /// Reads the parameter `allowed.paths` of a provider; everything is allowed without it.
    pub(super) fn of(prefix: &str, parameters: &ConfigMap) -> Result<Self, ConfigError> {
        let Some(list) = parameters.get(ALLOWED_PATHS).and_then(Option::as_deref).filter(|list| !list.is_empty())
        else {
            return Ok(Self(None));
        };
        let invalid = |what: String| ConfigError::invalid(&format!("{prefix}{ALLOWED_PATHS}"), list, what);
        let mut paths = Vec::new();
        for path in list.split(',') {
            if !Path::new(path).is_absolute() {
                return Err(invalid(format!("Path {path} is not absolute")));
            }
            if !Path::new(path).exists() {
                return Err(invalid(format!("Path {path} does not exist")));
            }
            paths.push(normal(Path::new(path)));
        }
        Ok(Self(Some(paths)))
    }

    /// The path to read; `None`, with a warning, where it lies elsewhere, and for one that is empty.
    fn permit(&self, path: &str) -> Option<PathBuf> {
        if path.is_empty() {
            return None;
        }
        let Some(allowed) = &self.0 else { return Some(PathBuf::from(path)) };
        let wanted = normal(Path::new(path));
        if allowed.iter().any(|allowed| wanted.starts_with(allowed)) {
            return Some(wanted);
        }
        tracing::warn!(
            "The path {path} is not allowed to be accessed: it is beneath none of the provider's {ALLOWED_PATHS}"
        );
        None
    }
}

/// A path without `.` and `..`, by its text alone, as Java normalises it: links are followed wherever they lead.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
    }

    fn keys<'a>(keys: &[&'a str]) -> BTreeSet<&'a str> {
        keys.iter().copied().collect()
    }

    fn allowed(paths: &[&Path]) -> AllowedPaths {
        let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        AllowedPaths::of("p.", &map(&[(ALLOWED_PATHS, &paths.join(","))])).unwrap()
    }

    #[test]
    fn a_file_gives_the_keys_that_are_asked_for_in_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.properties");
        std::fs::write(&file, "password = grün\nother=1\n").unwrap();
        let source = FileSource(AllowedPaths(None));
        let found = source.get(file.to_str().unwrap(), &keys(&["password", "missing"])).unwrap();
        assert_eq!(found, BTreeMap::from([("password".to_owned(), "grün".to_owned())]));
        assert!(source.get("", &keys(&["password"])).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        let source = FileSource(AllowedPaths(None));
        let error = source.get(missing.to_str().unwrap(), &keys(&["k"])).unwrap_err();
        assert!(error.message().starts_with(&format!("Could not read properties from file {}: ", missing.display())));
        for device in ["/dev/zero", "/"] {
            let error = source.get(device, &keys(&["k"])).unwrap_err();
            assert!(error.message().ends_with("it is not a regular file"), "{error}");
        }
        std::fs::write(&missing, "x".repeat(1_048_577)).unwrap();
        assert!(source.get(missing.to_str().unwrap(), &keys(&["k"])).is_err());
        std::fs::write(&missing, b"k=\xff").unwrap();
        assert!(source.get(missing.to_str().unwrap(), &keys(&["k"])).is_err());
    }

    #[test]
    fn a_folder_gives_whole_files_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("in");
        std::fs::create_dir_all(inner.join("folder")).unwrap();
        std::fs::write(inner.join("password"), " s3cret\n").unwrap();
        std::fs::write(folder.path().join("outside"), "x").unwrap();
        let source = DirectorySource(AllowedPaths(None));
        let asked = ["password", "folder", "missing", "../outside", "..", "", "/etc/passwd", "password/"];
        let found = source.get(inner.to_str().unwrap(), &keys(&asked)).unwrap();
        assert_eq!(found, BTreeMap::from([("password".to_owned(), " s3cret\n".to_owned())]));
        assert!(source.get(inner.join("password").to_str().unwrap(), &keys(&["password"])).unwrap().is_empty());
    }

    #[test]
    fn allowed_paths_hold_for_what_is_beneath_them_whatever_the_path_looks_like() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, beside) = (folder.path().join("a"), folder.path().join("ab"));
        for made in [&inside, &beside] {
            std::fs::create_dir(made).unwrap();
            std::fs::write(made.join("f"), "k=v").unwrap();
        }
        let source = FileSource(allowed(&[&inside]));
        let get = |path: PathBuf| source.get(path.to_str().unwrap(), &keys(&["k"])).unwrap().len();
        assert_eq!(get(inside.join("f")), 1);
        assert_eq!(get(beside.join("../a/./f")), 1);
        assert_eq!(get(beside.join("f")), 0);
        assert_eq!(get(inside.join("../ab/f")), 0);
        let both = FileSource(allowed(&[&inside, &beside]));
        assert_eq!(both.get(beside.join("f").to_str().unwrap(), &keys(&["k"])).unwrap().len(), 1);
    }

    #[test]
    fn allowed_paths_are_absolute_and_there() {
        let refused =
            |list: &str| AllowedPaths::of("p.", &map(&[(ALLOWED_PATHS, list)])).err().unwrap().message().to_owned();
        assert_eq!(
            refused("relative"),
            "Invalid value relative for configuration p.allowed.paths: Path relative is not absolute"
        );
        assert!(refused("/no/such/folder").ends_with("Path /no/such/folder does not exist"));
        assert!(AllowedPaths::of("p.", &map(&[(ALLOWED_PATHS, "")])).unwrap().0.is_none());
    }

    #[test]
    fn the_environment_gives_names_that_the_pattern_matches_whole() {
        let environment = || {
            [("DB_PASSWORD", "x"), ("DB_PASSWORD_OLD", "y"), ("HOME", "/h")]
                .into_iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        };
        let source = |pattern: &str| EnvironmentSource::new(environment(), "p.", &map(&[(ALLOWLIST_PATTERN, pattern)]));
        let all = keys(&["DB_PASSWORD", "DB_PASSWORD_OLD", "HOME"]);
        let one = source("DB_PASSWORD").unwrap();
        assert_eq!(one.get("", &all).unwrap(), BTreeMap::from([("DB_PASSWORD".to_owned(), "x".to_owned())]));
        assert_eq!(source("DB_.*").unwrap().get("", &all).unwrap().len(), 2);
        let open = EnvironmentSource::new(environment(), "p.", &ConfigMap::new()).unwrap();
        assert_eq!(open.get("", &all).unwrap().len(), 3);
        assert_eq!(
            open.get("/x", &all).unwrap_err().message(),
            "Path is not supported for EnvVarConfigProvider, invalid value '/x'"
        );
        assert!(source("(").err().unwrap().message().contains("p.allowlist.pattern"));
    }
}
