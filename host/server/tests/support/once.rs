//! The SDK's example of sinks that write each record once, as a plugin of a worker.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use millstream_plugin::guest_build::GuestBuild;

/// A folder with the component.
pub fn once() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sdk/rust/examples");
        let packages = vec!["example-once".to_owned()];
        let build = GuestBuild { folder, packages, target_dir: tmp.join("guests"), locked: false };
        let built = build.component("example-once").unwrap_or_else(|error| panic!("{error}"));
        let folder = tmp.join(format!("once-plugins-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(built, folder.join("once.wasm")).unwrap();
        folder
    })
}
