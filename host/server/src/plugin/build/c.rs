//! C and C++: clang, or zig, compiles the project with the SDK's sources to a core module that says itself what its types are.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    Compiled, made,
    tools::{Tool, Version, command, in_path, run},
};
use crate::{
    exit::{Failure, SETUP, USAGE},
    plugin::project::Project,
};

const GET: &str = "install clang with lld and WASI's C library: on Debian and Ubuntu apt-get install clang-19 lld-19 wasi-libc \
                   libclang-rt-19-dev-wasm32; anywhere the WASI SDK, or zig: pip install ziglang";

const CLANG: Tool = Tool { program: "clang", version: &["--version"], least: Version(16, 0, 0), get: GET };

/// For C and C++ alike. A stack that overflows runs into the beginning of memory and not into data.
const FLAGS: [&str; 3] = ["--target=wasm32-wasi", "-Os", "-Wall"];
const LINKING: [&str; 3] = ["-mexec-model=reactor", "-Wl,-z,stack-size=524288", "-Wl,--strip-debug"];
/// Zig does so by itself, and refuses the flag.
const STACK_FIRST: &str = "-Wl,--stack-first";

const C: [&str; 1] = ["-std=c11"];
const CXX: [&str; 4] = ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-nostdlib++"];

pub fn compile(project: &Project) -> Result<Compiled, Failure> {
    let compiler = Compiler::find()?;
    let what = format!("{} does not compile", project.name);
    let own = sources(&project.folder.join("src"), &["c"])?;
    let own_cxx = sources(&project.folder.join("src"), &["cc", "cpp", "cxx"])?;
    if own.is_empty() && own_cxx.is_empty() {
        let folder = project.folder.join("src");
        return Err(Failure::new(
            USAGE,
            format!("there is no source in {}: a plugin in C is src/*.c", folder.display()),
        ));
    }
    let sdk = project.sdk();
    let wasm = made(project)?;
    let mut include = OsString::from("-I");
    include.push(sdk.join("include"));
    let mut objects = Vec::new();
    for (number, source) in own_cxx.iter().enumerate() {
        let object = wasm.with_extension(format!("{number}.o"));
        let mut build = compiler.command(true, project);
        build.args(FLAGS).args(CXX).arg(&include).arg("-c").arg(source).arg("-o").arg(&object);
        run(&mut build, &what)?;
        objects.push(object);
    }
    let mut build = compiler.command(false, project);
    build.args(FLAGS).args(C).arg(&include).args(own).args(objects);
    for folder in ["src", "src/wasm", "src/wasm/bindings"] {
        build.args(sources(&sdk.join(folder), &["c"])?);
    }
    build.args(LINKING).arg("-o").arg(&wasm);
    if !compiler.is_zig() {
        build.arg(STACK_FIRST);
    }
    run(&mut build, &what)?;
    Ok(Compiled { wasm, world: None })
}

/// The files of a folder with one of these endings, in the order of their names.
fn sources(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::new(USAGE, format!("look into {}: {error}", folder.display()));
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let paths = fs::read_dir(folder).map_err(failed)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let is_one = |path: &PathBuf| path.extension().and_then(|of| of.to_str()).is_some_and(|of| endings.contains(&of));
    paths.retain(is_one);
    paths.sort();
    Ok(paths)
}

/// What compiles: a program, with arguments before all others, for C and for C++.
struct Compiler {
    program: PathBuf,
    c: &'static [&'static str],
    cxx: &'static [&'static str],
}

impl Compiler {
    /// A clang that is new enough and knows WebAssembly, the one that `CC` names first, or zig.
    fn find() -> Result<Self, Failure> {
        let named = env::var("CC").ok().filter(|named| named.contains("clang")).map(PathBuf::from);
        let named = named.and_then(|named| if named.is_absolute() { Some(named) } else { in_path(named.to_str()?) });
        let versions = (16..=30).rev().map(|version| format!("clang-{version}"));
        // The version that the recipe is tried with comes first.
        let names = ["clang-19".to_owned(), "clang".to_owned()].into_iter().chain(versions);
        let found: Vec<PathBuf> = named.into_iter().chain(names.filter_map(|name| in_path(&name))).collect();
        let mut refused = None;
        for clang in &found {
            match CLANG.check(clang).and_then(|_| knows_wasm(clang)) {
                Ok(()) => return Ok(Self { program: clang.clone(), c: &[], cxx: &["--driver-mode=g++"] }),
                Err(failure) => refused = Some(refused.unwrap_or(failure)),
            }
        }
        if let Some(zig) = in_path("zig") {
            return Ok(Self { program: zig, c: &["cc"], cxx: &["c++"] });
        }
        if let Some(python) = in_path("python3") {
            let has_zig = Command::new(&python)
                .args(["-c", "import ziglang"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            if has_zig {
                return Ok(Self { program: python, c: &["-m", "ziglang", "cc"], cxx: &["-m", "ziglang", "c++"] });
            }
        }
        match refused {
            Some(failure) => Err(failure),
            None => CLANG.find().map(|program| Self { program, c: &[], cxx: &["--driver-mode=g++"] }),
        }
    }

    fn is_zig(&self) -> bool {
        // Only zig is a compiler by what stands behind its name.
        !self.c.is_empty()
    }

    fn command(&self, cxx: bool, project: &Project) -> Command {
        let mut command = command(&self.program, project);
        command.args(if cxx { self.cxx } else { self.c });
        command
    }
}

/// Some systems' own clang has been built without WebAssembly.
fn knows_wasm(clang: &Path) -> Result<(), Failure> {
    let targets = Command::new(clang).arg("--print-targets").stdin(Stdio::null()).output();
    if targets.is_ok_and(|targets| String::from_utf8_lossy(&targets.stdout).contains("wasm32")) {
        return Ok(());
    }
    Err(Failure::new(SETUP, format!("{} has been built without WebAssembly; {GET}", clang.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_files_with_the_ending_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.c", "a.c", "c.cpp", "d.h"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = |endings: &[&str]| {
            let found = sources(folder.path(), endings).unwrap();
            found.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(&["c"]), ["a.c", "b.c"]);
        assert_eq!(found(&["cc", "cpp"]), ["c.cpp"]);
        assert!(sources(&folder.path().join("nowhere"), &["c"]).unwrap().is_empty());
    }
}
