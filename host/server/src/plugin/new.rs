//! `millstream plugin new`: a project made from a template inside this binary.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{
    embedded::{self, File},
    language::{Kind, Language},
    project::{MANIFEST, OWN, Project, check_name, write},
};
use crate::{
    exit::{Failure, SETUP, USAGE},
    output::{Output, print, print_json},
};

/// The connector that the project is tried with.
pub const CONNECTOR: &str = "connector.properties";

/// Version of what has just begun.
const FIRST_VERSION: &str = "0.1.0";

#[derive(Args, Debug)]
pub struct New {
    /// Its name: small letters, digits and single hyphens
    name: String,
    /// What to write it in
    #[arg(long, value_enum)]
    lang: Language,
    /// What it is for
    #[arg(long, value_enum)]
    kind: Kind,
    /// The folder to make; by default one of its name, here
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Makes the project.
pub fn run(arguments: New) -> Result<(), Failure> {
    let New { name, lang, kind, dir, output } = arguments;
    let folder = dir.unwrap_or_else(|| PathBuf::from(&name));
    let made = make(&name, lang, kind, &folder)?;
    if output == Output::Json {
        let files: Vec<&str> = made.files.iter().map(String::as_str).collect();
        return print_json(&json!({"name": name, "language": lang.name(), "kind": kind.name(), "class": made.class,
            "folder": folder, "files": files}));
    }
    let mut text = format!("{} is a {} in {}, {}:\n", folder.display(), kind.name(), lang.title(), made.class);
    made.files.iter().for_each(|file| text.push_str(&format!("  {file}\n")));
    text.push_str(&format!("\nNext:\n  cd {}\n  millstream plugin build\n", shell_word(&folder)));
    print(&text)
}

/// What was made.
struct Made {
    class: String,
    files: Vec<String>,
}

fn make(name: &str, language: Language, kind: Kind, folder: &Path) -> Result<Made, Failure> {
    check_name(name).map_err(|reason| Failure::new(USAGE, reason))?;
    if language.reserved().contains(&name) {
        let message =
            format!("{name} means something else in {} or to its tools: choose another name", language.title());
        return Err(Failure::new(USAGE, message));
    }
    let files = embedded::template(language, kind.name());
    if files.is_empty() {
        let message = format!("this build of Millstream has no template for a {} in {}", kind.name(), language.title());
        return Err(Failure::new(SETUP, message));
    }
    refuse_full(folder)?;
    let project =
        Project { folder: folder.to_owned(), name: name.to_owned(), language, version: FIRST_VERSION.to_owned() };
    let words = Words::of(name, kind);
    let class = words.class.clone();
    let mut files: Vec<File> = files.iter().map(|file| words.put_into(file)).collect();
    let own =
        [(MANIFEST, project.manifest()), (".gitignore", ignored(language)), (CONNECTOR, connector(name, &class, kind))];
    for (path, content) in own {
        if !files.iter().any(|file| file.path == path) {
            files.push(File { path: path.to_owned(), content: content.into_bytes() });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    project.provide_sdk()?;
    files.iter().try_for_each(|file| write(&folder.join(&file.path), &file.content))?;
    let mut paths: Vec<String> = files.into_iter().map(|file| file.path).collect();
    paths.push(format!("{OWN}/sdk/{}", language.sdk()));
    Ok(Made { class, files: paths })
}

/// Refuses a folder with something in it: nothing is overwritten.
fn refuse_full(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder).map(Iterator::count) {
        Ok(0) => Ok(()),
        Ok(_) => {
            let message = format!(
                "{} is there and not empty; nothing is overwritten: choose another name, or a folder with --dir",
                folder.display()
            );
            Err(Failure::new(USAGE, message))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::new(USAGE, format!("look into {}: {error}", folder.display()))),
    }
}

/// What stands in a template for what the project is called.
struct Words {
    name: String,
    identifier: String,
    type_name: String,
    class: String,
}

impl Words {
    fn of(name: &str, kind: Kind) -> Self {
        let capital = |word: &str| {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
        };
        let mut type_name: String = name.split('-').map(capital).collect();
        if !type_name.ends_with(kind.ending()) {
            type_name.push_str(kind.ending());
        }
        let class = format!("org.example.{type_name}");
        Self { name: name.to_owned(), identifier: name.replace('-', "_"), type_name, class }
    }

    fn put_into(&self, file: &File) -> File {
        let content = match std::str::from_utf8(&file.content) {
            Ok(text) => self.replaced(text).into_bytes(),
            Err(_) => file.content.clone(),
        };
        File { path: self.replaced(&file.path), content }
    }

    fn replaced(&self, text: &str) -> String {
        let words = [
            ("__NAME__", &self.name),
            ("__IDENT__", &self.identifier),
            ("__CLASS__", &self.class),
            ("__TYPE__", &self.type_name),
        ];
        words.iter().fold(text.to_owned(), |text, (placeholder, word)| text.replace(placeholder, word))
    }
}

/// What tools and Millstream make again.
fn ignored(language: Language) -> String {
    let more = match language {
        Language::Rust => "/target/\n",
        Language::Python => "/.venv/\n__pycache__/\n",
        Language::TypeScript | Language::JavaScript => "/node_modules/\n",
        Language::Go | Language::C => "",
    };
    format!("# Written by `millstream plugin build`.\n/{OWN}/\n/build/\n{more}")
}

/// A connector to try it with, the same in every language.
fn connector(name: &str, class: &str, kind: Kind) -> String {
    let orders = "connector.class=Datagen\ntasks.max=1\nquickstart=orders\nrecords.per.second=5\n";
    let head = format!("# A connector to try it with: millstream plugin dev\nname={name}\n");
    match kind {
        Kind::Source => format!("{head}connector.class={class}\ntasks.max=1\ntopic={name}\nevery.ms=1000\n"),
        Kind::Sink => {
            format!("{head}connector.class={class}\ntasks.max=1\ntopics={name}\nfile=build/{name}.out\n")
        }
        Kind::Transform => {
            format!(
                "{head}{orders}topic={name}\ntransforms=own\ntransforms.own.type={class}\ntransforms.own.field=itemid\n"
            )
        }
        Kind::Predicate => format!(
            "{head}{orders}topic={name}\n\
             # Leaves out the records for which the predicate holds.\n\
             transforms=leave\n\
             transforms.leave.type=org.apache.kafka.connect.transforms.Filter\n\
             transforms.leave.predicate=own\n\
             predicates=own\n\
             predicates.own.type={class}\n\
             predicates.own.field=itemid\n\
             predicates.own.text=Item_1\n"
        ),
        Kind::Converter => format!("{head}{orders}topic={name}\nvalue.converter={class}\n"),
    }
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_names_everywhere_and_is_never_written_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("louder-text");
        let made = make("louder-text", Language::Rust, Kind::Transform, &path).unwrap();
        assert_eq!(made.class, "org.example.LouderText");
        for file in &made.files {
            let Ok(text) = fs::read_to_string(path.join(file)) else { continue };
            for placeholder in ["__NAME__", "__IDENT__", "__CLASS__", "__TYPE__"] {
                assert!(!text.contains(placeholder) && !file.contains(placeholder), "{placeholder} in {file}");
            }
        }
        assert!(path.join(".millstream/wit/millstream-connect@0.1.0/connect.wit").is_file());
        let found = Project::find(Some(&path.join("src"))).unwrap();
        assert_eq!((found.name.as_str(), found.language), ("louder-text", Language::Rust));
        let again = make("louder-text", Language::Rust, Kind::Sink, &path).err().unwrap();
        assert!(again.message.contains("nothing is overwritten"), "{}", again.message);
    }

    #[test]
    fn names_that_tools_take_for_something_else_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, language) in [("match", Language::Rust), ("class", Language::Python), ("main", Language::Go)] {
            let refused = make(name, language, Kind::Sink, &folder.path().join(name)).err().unwrap();
            assert!(refused.message.contains("choose another name"), "{}", refused.message);
        }
        let refused = make("Shout", Language::Rust, Kind::Sink, folder.path()).err().unwrap();
        assert!(refused.message.contains("is no name for a project"), "{}", refused.message);
    }

    #[test]
    fn connectors_and_converters_are_called_what_they_are() {
        let class = |name: &str, kind| Words::of(name, kind).class;
        assert_eq!(class("tick", Kind::Source), "org.example.TickSource");
        assert_eq!(class("tick-source", Kind::Source), "org.example.TickSource");
        assert_eq!(class("pairs", Kind::Converter), "org.example.PairsConverter");
        assert_eq!(class("contains", Kind::Predicate), "org.example.Contains");
    }
}
