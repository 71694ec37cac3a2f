//! Chains of transforms, in guests and natively.

use std::path::PathBuf;

use millstream_config::ConfigMap;
use millstream_connector::{Link, LinkedTransforms, Plugins, TaskId};
use millstream_plugin::{PluginLimits, WasmPlugins, guest_build::GuestBuild};
use millstream_transforms::MillstreamComponent;

/// The plugins of the bench: its own and the bundled transforms.
pub struct Guests {
    plugins: WasmPlugins,
}

impl Guests {
    /// Builds and loads the guests.
    pub async fn prepare() -> Self {
        let (root, target) = (root(), target_folder());
        let built = |folder: PathBuf, packages: &[&str], target_dir: &str| {
            let packages = packages.iter().map(|&package| package.to_owned()).collect();
            let build = GuestBuild { folder, packages, target_dir: target.join(target_dir), locked: false };
            build.run().unwrap_or_else(|error| panic!("{error}"))
        };
        let folder = target.join("bench-plugins");
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let guests = [
            (built(root.join("tests/guests/measure"), &[], "bench-guests"), "measure.wasm"),
            (built(root, &["millstream-transforms"], "guests"), "millstream_transforms.wasm"),
        ];
        for (from, name) in guests {
            std::fs::copy(from.join(name), folder.join(name)).expect("the component was built");
        }
        let limits = PluginLimits { cache_dir: Some(target.join("bench-cache")), ..PluginLimits::default() };
        let plugins = WasmPlugins::start(limits, &[folder], &[]).await.expect("the plugins start");
        plugins.all_compiled().await;
        assert!(plugins.problems().is_empty(), "{:?}", plugins.problems());
        Self { plugins }
    }

    /// A chain in guests.
    pub async fn chain(&self, links: &[Link]) -> Box<dyn LinkedTransforms> {
        let task = TaskId { connector: "bench".into(), number: 0 };
        let chain = self.plugins.chain(&task, links).await;
        chain.unwrap_or_else(|(link, error)| panic!("link {link}: {error}"))
    }
}

/// A chain of the bundled transforms without a guest: the same code, compiled for the host.
pub fn native_chain(links: &[Link]) -> millstream_sdk::Chain {
    let spec = |link: &Link| millstream_sdk::LinkSpec {
        class: link.class.name.clone(),
        config: settings(&link.config),
        condition: link
            .condition
            .as_ref()
            .map(|condition| (condition.class.name.clone(), settings(&condition.config), condition.negate)),
    };
    let specs: Vec<_> = links.iter().map(spec).collect();
    let chain = millstream_sdk::Chain::create::<MillstreamComponent>(&specs);
    chain.unwrap_or_else(|(link, error)| panic!("link {link}: {error}"))
}

/// A link without a condition.
pub fn link(class: &str, settings: &[(&str, &str)]) -> Link {
    let config = settings.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    Link { class: class.into(), config, condition: None }
}

/// A link that is one of Connect's own transforms.
pub fn smt(name: &str, settings: &[(&str, &str)]) -> Link {
    link(&format!("org.apache.kafka.connect.transforms.{name}"), settings)
}

/// Folder of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder that this program was built below.
pub fn target_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let target = own.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.expect("cargo builds below a target folder").to_owned()
}

fn settings(config: &ConfigMap) -> millstream_sdk::config::ConfigMap {
    let pairs: Vec<(String, Option<String>)> = config.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    pairs.into()
}
