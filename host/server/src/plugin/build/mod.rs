//! `millstream plugin build`: the language's own tools compile the project, and what they leave behind becomes a component
//! that is checked as a worker would.

mod c;
mod go;
mod javascript;
mod python;
mod rust;
mod tools;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use millstream_plugin::{CheckedPlugin, Types, check_file, make_component};
use millstream_record::ErrorChain;
use serde_json::json;

use super::{check, compile_limits, language::Language, project::Project};
use crate::{
    exit::{Failure, SETUP, USAGE},
    output::{Output, print, print_json},
};

#[derive(Args, Debug)]
pub struct Build {
    /// A folder of the project, or below it; this one by default
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Builds the project and says what came of it.
pub async fn run(arguments: Build) -> Result<(), Failure> {
    let project = Project::find(arguments.dir.as_deref())?;
    let begin = Instant::now();
    let built = build(&project).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let plugins = &built.checked.plugins;
    if arguments.output == Output::Json {
        let plugins: Vec<_> =
            plugins.iter().map(|plugin| json!({"class": plugin.class, "type": plugin.kind.name()})).collect();
        return print_json(&json!({"component": built.component, "bytes": built.checked.bytes, "seconds": seconds,
            "plugins": plugins}));
    }
    let names: Vec<String> = plugins.iter().map(|plugin| format!("{} {}", plugin.kind.name(), plugin.class)).collect();
    let size = check::size(built.checked.bytes);
    print(&format!("{}: {size}, {}, built in {seconds:.1} s\n", shown(&built.component), names.join(", ")))
}

/// What a build has made.
pub struct Built {
    /// The component's file.
    pub component: PathBuf,
    /// What it proved to be.
    pub checked: CheckedPlugin,
}

/// What a language's tools have made.
struct Compiled {
    /// A core module or a component.
    wasm: PathBuf,
    /// Folder of the package and name of the world that a core module is for, if it does not say so and is not for the
    /// contract's own.
    world: Option<(PathBuf, &'static str)>,
}

/// Builds a project. What the tools say goes to standard error as they say it.
///
/// # Errors
///
/// A tool is missing or too old, the project does not compile, or what came of it is no plugin. An earlier component is
/// left in its place then.
pub async fn build(project: &Project) -> Result<Built, Failure> {
    let theirs = project.clone();
    let made = tokio::task::spawn_blocking(move || compile_and_make(&theirs)).await;
    let made = made.map_err(|error| Failure::of(USAGE, &error))??;
    let checked = check_file(compile_limits(None), &made).await.map_err(|error| Failure::of(SETUP, &error))?;
    let checked = checked.map_err(|error| {
        let message = format!("{} compiles, but is no usable plugin: {}", project.name, ErrorChain(&error));
        Failure::new(USAGE, message)
    })?;
    if checked.plugins.is_empty() {
        let message = format!(
            "{} compiles, but is no usable plugin: it carries none; list one where the component is made",
            project.name
        );
        return Err(Failure::new(USAGE, message));
    }
    let component = project.component();
    let moved = fs::rename(&made, &component);
    moved.map_err(|error| Failure::new(USAGE, format!("move {} to its place: {error}", made.display())))?;
    Ok(Built { component, checked })
}

/// Compiles, and writes a component beside the place where the project's is to be.
fn compile_and_make(project: &Project) -> Result<PathBuf, Failure> {
    if project.provide_sdk()? {
        eprintln!("millstream: the SDK for {} is in {}", project.language.title(), shown(&project.sdk()));
    }
    let folder = project.folder.join("build");
    let made = fs::create_dir_all(&folder);
    made.map_err(|error| Failure::new(USAGE, format!("make the folder {}: {error}", folder.display())))?;
    let compiled = match project.language {
        Language::Rust => rust::compile(project)?,
        Language::Python => python::compile(project)?,
        Language::TypeScript | Language::JavaScript => javascript::compile(project)?,
        Language::Go => go::compile(project)?,
        Language::C => c::compile(project)?,
    };
    let path = &compiled.wasm;
    let wasm = fs::read(path).map_err(|error| Failure::new(USAGE, format!("read {}: {error}", path.display())))?;
    let types = match &compiled.world {
        None => Types::Contract,
        Some((folder, world)) => Types::World { folder, world },
    };
    let component = make_component(wasm, types).map_err(|error| {
        let what = format!("{} compiles, but is no plugin: {error}", project.name);
        Failure::new(
            USAGE,
            format!("{what} (likely cause: the code does not go through the SDK's way of registering plugins)"),
        )
    })?;
    // With the ending that a check wants, and a name that no `plugin.path` takes for a second plugin while it is moved.
    let part = folder.join(".unchecked");
    fs::create_dir_all(&part)
        .and_then(|()| fs::write(part.join(component_name(project)), component))
        .map_err(|error| Failure::new(USAGE, format!("write a component below {}: {error}", part.display())))?;
    Ok(part.join(component_name(project)))
}

/// Where a tool is to put what it makes, if it has to be told. What was there before is gone.
fn made(project: &Project) -> Result<PathBuf, Failure> {
    let folder = project.folder.join("build/.made");
    let path = folder.join(component_name(project));
    let failed = |error: std::io::Error| Failure::new(USAGE, format!("make room at {}: {error}", path.display()));
    fs::create_dir_all(&folder).map_err(failed)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(path),
    }
}

fn component_name(project: &Project) -> String {
    format!("{}.wasm", project.name)
}

/// A path as seen from here.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let below = here.ok().and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}
