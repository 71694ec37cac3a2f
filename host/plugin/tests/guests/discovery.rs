//! Finding plugins in folders, and what is said of files that are none.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use millstream_config::{Versions, Wanted};
use millstream_connector::{Link, PluginKind, Plugins};
use millstream_plugin::{Bundled, PluginLimits, WasmPlugins, check_file, compile_settings};
use millstream_record::ErrorChain as Causes;

use crate::support::{LIMITS, SOURCE, Worker, config, hostile, limits, plugins, source, task, texts};

async fn found(limits: PluginLimits, folder: &Path) -> WasmPlugins {
    let plugins = WasmPlugins::start(limits, &[folder.to_owned()], &[]).await.unwrap();
    plugins.all_compiled().await;
    plugins
}

#[tokio::test]
async fn plugins_are_found_by_class_alias_and_short_name() {
    let plugins = plugins().await;
    for name in ["org.millstream.odd.OddSourceConnector", "OddSourceConnector", "OddSource"] {
        assert_eq!(
            plugins.find_connector(&name.into()).unwrap().class,
            "org.millstream.odd.OddSourceConnector",
            "{name}"
        );
    }
    assert_eq!(plugins.find(PluginKind::Transform, &"Suffix".into()).unwrap().class, "org.millstream.odd.Suffix");
    let unknown = plugins.find_connector(&"Nothing".into()).unwrap_err().to_string();
    assert!(
        unknown.starts_with("Failed to find any class that implements Connector and which name matches Nothing"),
        "{unknown}"
    );
    assert_eq!(plugins.list().len(), 8);
}

#[tokio::test]
async fn a_known_plugin_is_not_compiled_again_and_a_damaged_cache_is() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cache) = (folder.path().join("plugins"), folder.path().join("cache"));
    fs::create_dir_all(path.join("odd")).unwrap();
    fs::copy(hostile(), path.join("odd/odd.wasm")).unwrap();
    let limits = PluginLimits { cache_dir: Some(cache.clone()), ..limits() };
    let entries = || {
        let mut entries: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries
    };
    assert_eq!(found(limits.clone(), &path).await.list().len(), 8);
    let (code, json) = (entries()[0].clone(), entries()[1].clone());
    let compiled_at = fs::metadata(&code).unwrap().modified().unwrap();
    let plugins = found(limits.clone(), &path).await;
    let mut lines = source(&plugins, &[("behaviour", "lines")]).await;
    assert_eq!(texts(&lines.poll(LIMITS).await.unwrap().unwrap())[0], "line 0");
    assert_eq!(fs::metadata(&code).unwrap().modified().unwrap(), compiled_at);

    for damaged in [&code, &json] {
        let mut bytes = fs::read(damaged).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::write(damaged, bytes).unwrap();
        let plugins = found(limits.clone(), &path).await;
        assert!(plugins.problems().is_empty());
        let mut lines = source(&plugins, &[("behaviour", "lines")]).await;
        assert!(lines.poll(LIMITS).await.unwrap().is_some());
    }
    assert_eq!(entries().len(), 2);
}

const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component that exports an empty instance under this name.
fn exporting(name: &str) -> Vec<u8> {
    let mut export = vec![1, 0, name.len() as u8];
    export.extend(name.bytes());
    // Instance 0, without a type of its own.
    export.extend([5, 0, 0]);
    let sections = [
        (4, EMPTY_COMPONENT.to_vec()),
        // Instance 0: component 0 instantiated without arguments.
        (5, vec![1, 0, 0, 0]),
        (11, export),
    ];
    let mut component = EMPTY_COMPONENT.to_vec();
    for (id, section) in sections {
        component.extend([id, section.len() as u8]);
        component.extend(section);
    }
    component
}

#[tokio::test]
async fn a_damaged_file_is_named_and_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = fs::read(hostile()).unwrap();
    fs::write(folder.path().join("cut.wasm"), &wasm[..wasm.len() / 2]).unwrap();
    fs::write(folder.path().join("text.wasm"), "hello").unwrap();
    fs::write(folder.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(folder.path().join("empty.wasm"), EMPTY_COMPONENT).unwrap();
    fs::write(folder.path().join("other.wasm"), exporting("example:other/thing@1.0.0")).unwrap();
    fs::write(folder.path().join("newer.wasm"), exporting("millstream:connect/plugin@0.2.0")).unwrap();
    fs::copy(hostile(), folder.path().join("good.wasm")).unwrap();
    let plugins = found(limits(), folder.path()).await;
    assert_eq!(plugins.list().len(), 8, "the good file counts");
    let said = |name: &str| {
        let problems = plugins.problems();
        let problem = problems.iter().find(|problem| problem.path.ends_with(name));
        Causes(&problem.unwrap_or_else(|| panic!("{name} is named")).problem).to_string()
    };
    assert!(said("cut.wasm").contains("compile it"), "{}", said("cut.wasm"));
    assert!(said("text.wasm").contains("it is not a WebAssembly component"), "{}", said("text.wasm"));
    assert!(said("core.wasm").contains("but a core module"), "{}", said("core.wasm"));
    assert!(said("empty.wasm").contains("it exports nothing, but a plugin exports"), "{}", said("empty.wasm"));
    assert!(
        said("other.wasm")
            .contains("it exports example:other/thing@1.0.0, but a plugin exports millstream:connect/plugin@0.1.0")
    );
    assert!(said("newer.wasm").contains("another version of the plugin contract"), "{}", said("newer.wasm"));
}

#[tokio::test]
async fn a_java_archive_leads_to_the_nearest_plugin() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(hostile(), folder.path().join("odd.wasm")).unwrap();
    fs::write(folder.path().join("connect-odd-sink-3.0.jar"), "").unwrap();
    fs::create_dir(folder.path().join("kafka-connect-jdbc")).unwrap();
    fs::write(folder.path().join("kafka-connect-jdbc/lib.jar"), "").unwrap();
    let plugins = found(limits(), folder.path()).await;
    let said: Vec<String> = plugins.problems().iter().map(|problem| problem.problem.to_string()).collect();
    assert_eq!(
        said,
        [
            "Java plugins need a Java machine and are not loaded here; the nearest plugin there is: org.millstream.odd.OddSinkConnector",
            "Java plugins need a Java machine and are not loaded here",
        ]
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_problem_and_no_more() {
    let plugins = found(limits(), Path::new("/nowhere/at/all")).await;
    assert_eq!(plugins.problems().len(), 1);
    assert!(plugins.list().is_empty());
}

#[tokio::test]
async fn a_bundled_plugin_runs_from_its_compiled_form_and_without_it() {
    let wasm = fs::read(hostile()).unwrap();
    let target = option_env!("MILLSTREAM_TEST_TARGET").unwrap_or("x86_64-unknown-linux-gnu");
    let engine = wasmtime::Engine::new(&compile_settings(Some(target)).unwrap()).unwrap();
    let code: &'static [u8] = Box::leak(engine.precompile_component(&wasm).unwrap().into_boxed_slice());
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&wasm).unwrap();
    let wasm: &'static [u8] = Box::leak(packed.finish().unwrap().into_boxed_slice());
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    for (code, compiled_again) in [(code, 0), (&b""[..], 2), (&code[..code.len() / 2], 2)] {
        let limits = PluginLimits { cache_dir: Some(cache.clone()), ..limits() };
        // SAFETY: the code was compiled above, and at most cut off.
        let bundled = unsafe { Bundled::new("odd", wasm, code) };
        let plugins = WasmPlugins::start(limits, &[], &[bundled]).await.unwrap();
        assert_eq!(plugins.list()[0].location, "bundled");
        let mut lines = source(&plugins, &[("behaviour", "lines")]).await;
        assert!(lines.poll(LIMITS).await.unwrap().is_some());
        assert_eq!(fs::read_dir(&cache).unwrap().count(), compiled_again);
    }
}

#[tokio::test]
async fn checking_a_file_tells_what_it_carries() {
    let checked = check_file(limits(), &hostile()).await.unwrap().unwrap();
    assert_eq!(checked.plugins.len(), 8);
    assert!(check_file(limits(), Path::new("/nowhere.wasm")).await.unwrap().is_err());
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in [
        ("some.jar", &b"PK\x03\x04"[..], "Java plugins need a Java machine"),
        ("core.wasm", b"\0asm\x01\0\0\0", "but a core module"),
        ("notes.txt", b"hello", "it is not a WebAssembly component"),
        ("other.wasm", &exporting("example:other/thing@1.0.0"), "but a plugin exports millstream:connect/plugin@0.1.0"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let error = check_file(limits(), &file).await.unwrap().unwrap_err();
        let said = Causes(&error).to_string();
        assert!(said.contains(expected), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_new_plugin_is_compiled_behind_the_worker_and_known_ones_are_there_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cache) = (folder.path().join("plugins"), folder.path().join("cache"));
    fs::create_dir(&path).unwrap();
    fs::write(path.join("broken.wasm"), b"\0asm\x0d\0\x01\0rubbish").unwrap();
    fs::copy(hostile(), path.join("odd.wasm")).unwrap();
    let limits = PluginLimits { cache_dir: Some(cache), compile_threads: 1, ..limits() };
    let start = || WasmPlugins::start(limits.clone(), std::slice::from_ref(&path), &[]);

    // This test's one thread has not come to compile anything yet.
    let new = start().await.unwrap();
    assert_eq!((new.list().len(), new.compiling().len()), (0, 2));
    assert!(new.find_connector(&"OddSource".into()).is_err());
    assert_eq!(
        new.awaited(&["OddSource"]),
        [path.join("broken.wasm"), path.join("odd.wasm")].map(|path| path.display().to_string())
    );
    new.await_names(&["OddSource", "OddTransform"]).await;
    assert!(new.find_connector(&"OddSource".into()).is_ok());
    // The name of no plugin at all is waited for as long as there is hope.
    new.await_names(&["Nothing"]).await;
    assert_eq!((new.compiling().len(), new.problems().len()), (0, 1));
    assert!(new.awaited(&["Nothing"]).is_empty());

    let known = start().await.unwrap();
    assert_eq!(known.list().len(), 8, "it came from the cache");
    assert_eq!(known.compiling(), [path.join("broken.wasm")]);
    assert!(known.awaited(&["OddSource"]).is_empty(), "what is known waits for nothing");
}

#[tokio::test]
async fn checking_a_file_spares_the_worker_to_compile_it() {
    let folder = tempfile::tempdir().unwrap();
    let limits = PluginLimits { cache_dir: Some(folder.path().join("cache")), ..limits() };
    check_file(limits.clone(), &hostile()).await.unwrap().unwrap();
    let plugins = WasmPlugins::start(limits, &[hostile().parent().unwrap().to_owned()], &[]).await.unwrap();
    assert_eq!((plugins.compiling().len(), plugins.list().len()), (0, 8));
}

#[tokio::test]
async fn a_higher_version_that_is_being_compiled_holds_back_the_lower_one_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cache) = (folder.path().join("plugins"), folder.path().join("cache"));
    fs::create_dir(&path).unwrap();
    let old = fs::read(hostile()).unwrap();
    fs::write(path.join("old.wasm"), &old).unwrap();
    let limits = PluginLimits { cache_dir: Some(cache), compile_threads: 1, ..limits() };
    let start = || WasmPlugins::start(limits.clone(), std::slice::from_ref(&path), &[]);
    start().await.unwrap().all_compiled().await;

    let (said, says) = (&br#""version":"1.0""#[..], &br#""version":"2.0""#[..]);
    let at = old.windows(said.len()).position(|bytes| bytes == said).expect("the guest says its version");
    let mut new = old;
    new[at..at + says.len()].copy_from_slice(says);
    fs::write(path.join("new.wasm"), new).unwrap();
    fs::write(path.join("other.wasm"), b"\0asm\x0d\0\x01\0rubbish").unwrap();

    let plugins = start().await.unwrap();
    let version = || plugins.find_connector(&"OddSource".into()).unwrap().version.clone();
    assert_eq!((version().as_str(), plugins.compiling().len()), ("1.0", 2));
    let new = [path.join("new.wasm").display().to_string()];
    assert_eq!(plugins.awaited(&["OddSource"]), new);
    assert_eq!(plugins.awaited(&["OddConverter", "OddSource"]), new);
    plugins.await_names(&["OddSource"]).await;
    assert_eq!(version(), "2.0");
    assert!(plugins.awaited(&["OddSource"]).is_empty());
}

#[tokio::test]
async fn versions_of_one_plugin_are_all_kept_and_each_can_be_had() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["1.0", "1.9", "2.0"] {
        fs::write(folder.path().join(format!("odd-{version}.wasm")), hostile_of(version)).unwrap();
    }
    let plugins = found(limits(), folder.path()).await;
    let of = |class: &str| -> Vec<String> {
        let all = plugins.list().into_iter().filter(|plugin| plugin.class == class);
        all.map(|plugin| plugin.version.clone()).collect()
    };
    assert_eq!(of(SOURCE), ["1.0", "1.9", "2.0"]);
    for (asked, beside, expected) in
        [("latest", None, "2.0"), ("1.0", None, "1.0"), ("[1.0,2.0)", None, "1.9"), ("latest", Some("1.9"), "1.9")]
    {
        let beside = beside.map(|version| folder.path().join(format!("odd-{version}.wasm")).display().to_string());
        let wanted = |name: &str| Wanted {
            name: name.to_owned(),
            versions: Versions::parse(Some(asked)).unwrap(),
            beside: beside.clone(),
        };
        let found = plugins.find_connector(&wanted("OddSource")).unwrap();
        assert!(found.version == expected && found.location.contains(expected), "{asked}: {found:?}");
        assert_eq!(plugins.find(PluginKind::Transform, &wanted("Suffix")).unwrap().version, expected, "{asked}");
        plugins.source_task(&wanted("OddSource"), &task(), Worker::new()).await.unwrap();
        let link = Link { class: wanted("Suffix"), config: config(&[("suffix", "!")]), condition: None };
        plugins.chain(&task(), &[link]).await.ok().unwrap();
    }
    let missing = Wanted { versions: Versions::parse(Some("(2.0,)")).unwrap(), ..SOURCE.into() };
    let Err(error) = plugins.source_task(&missing, &task(), Worker::new()).await else { panic!("there is no such") };
    let said = "Plugin org.millstream.odd.OddSourceConnector not found that matches the version range (2.0,), available versions: [1.0, 1.9, 2.0]";
    assert_eq!(error.failure().message, said);
}

/// The hostile guest, which says that it is of this version, of three letters.
fn hostile_of(version: &str) -> Vec<u8> {
    let mut guest = fs::read(hostile()).unwrap();
    let (said, says) = (br#""version":"1.0""#, format!(r#""version":"{version}""#));
    let places: Vec<usize> = (0..guest.len() - said.len()).filter(|at| guest[*at..].starts_with(said)).collect();
    assert!(!places.is_empty(), "the guest says its version");
    for at in places {
        guest[at..at + says.len()].copy_from_slice(says.as_bytes());
    }
    guest
}
