//! The hostile guest as a plugin of a worker.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use millstream_plugin::guest_build::GuestBuild;

/// A folder with the hostile guest, whose plugins are named Odd.
pub fn odd() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/hostile");
        let build = GuestBuild { folder, packages: Vec::new(), target_dir: tmp.join("guests"), locked: false };
        let built = build.component("hostile").unwrap_or_else(|error| panic!("{error}"));
        let folder = tmp.join(format!("server-plugins-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(built, folder.join("odd.wasm")).unwrap();
        folder
    })
}
