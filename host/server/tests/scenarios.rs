//! The scenarios of the bundled connectors, as `millstream plugin test` runs them for anybody's.

use std::{path::PathBuf, process::Command};

use harness::millstream;
use millstream_plugin::guest_build::GuestBuild;

#[test]
fn the_bundled_connectors_do_what_their_scenarios_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let connectors = ["http", "sql"];
    // The folder in which the build script of this crate has just made the same packages, so that nothing is left to do.
    let plugins = ["file", "datagen", "http", "sql"].map(|name| format!("millstream-plugin-{name}"));
    let packages = [vec!["millstream-transforms".to_owned()], plugins.to_vec()].concat();
    let target_dir = tmp.parent().expect("it lies in the target folder").join("guests");
    let build = GuestBuild { folder: folder.clone(), packages, target_dir, locked: true };
    let built = build.run().unwrap_or_else(|error| panic!("{error}"));
    for name in connectors {
        let mut command = Command::new(millstream());
        command.args(["plugin", "test", "--component"]).arg(built.join(format!("millstream_plugin_{name}.wasm")));
        command.arg("--plugin-cache-dir").arg(tmp.join("plugin-cache"));
        let output = command.arg(folder.join("plugins").join(name).join("scenarios")).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{name}: {}{}", text(&output.stdout), text(&output.stderr));
    }
}
