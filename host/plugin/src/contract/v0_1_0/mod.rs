//! `millstream:connect@0.1.0`, as published below `wit/`.

mod connectors;
mod fast;
mod host;
mod lift;
mod tasks;
mod transforms;

#[allow(clippy::all, reason = "generated from the contract")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/millstream-connect@0.1.0",
        world: "bundle",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "millstream:connect/host-files.file": crate::capability::OpenFile,
            "millstream:connect/host-sql.database": crate::capability::OpenDatabase,
            "millstream:connect/host-sql.rows": crate::capability::OpenRows,
            "millstream:connect/host-sql.statement": crate::capability::OpenStatement,
        },
    });
}

use async_trait::async_trait;
use generated::exports::millstream::connect as exports;
use generated::millstream::connect as imports;
use millstream_config::ConfigMap;
use millstream_connector::{ConverterRole, PluginError, PluginKind};
use wasmtime::component::{HasSelf, InstancePre};

use super::{
    ContractVersion, Exports, GuestChain, GuestConnector, GuestConverter, GuestLink, GuestPredicate, GuestSinkTask,
    GuestSourceTask, PACKAGE,
};
use crate::instance::{FaultCause, Guest, GuestFault, GuestState, call};

type State = HasSelf<GuestState>;

pub(super) const VERSION: ContractVersion = ContractVersion {
    number: "0.1.0",
    types: |linker| imports::types::add_to_linker::<_, State>(linker, |state| state),
    imports: &[
        ("host-log", |linker| imports::host_log::add_to_linker::<_, State>(linker, |state| state)),
        ("host-metrics", |linker| imports::host_metrics::add_to_linker::<_, State>(linker, |state| state)),
        ("host-columns", |linker| imports::host_columns::add_to_linker::<_, State>(linker, |state| state)),
        ("host-wait", |linker| imports::host_wait::add_to_linker::<_, State>(linker, |state| state)),
        ("host-files", |linker| imports::host_files::add_to_linker::<_, State>(linker, |state| state)),
        ("host-lease", |linker| imports::host_lease::add_to_linker::<_, State>(linker, |state| state)),
        ("host-sql", |linker| imports::host_sql::add_to_linker::<_, State>(linker, |state| state)),
        ("host-report", |linker| imports::host_report::add_to_linker::<_, State>(linker, |state| state)),
        ("host-source", |linker| imports::host_source::add_to_linker::<_, State>(linker, |state| state)),
        ("host-transaction", |linker| imports::host_transaction::add_to_linker::<_, State>(linker, |state| state)),
        ("host-connector", |linker| imports::host_connector::add_to_linker::<_, State>(linker, |state| state)),
        ("host-sink", |linker| imports::host_sink::add_to_linker::<_, State>(linker, |state| state)),
    ],
    exports: |component| Ok(Box::new(Exported::of(component)?)),
};

/// What a component of this version exports: the indices of those interfaces that it has.
struct Exported {
    plugin: exports::plugin::GuestIndices,
    source: Option<exports::source_api::GuestIndices>,
    sink: Option<exports::sink_api::GuestIndices>,
    transform: Option<exports::transform_api::GuestIndices>,
    predicate: Option<exports::predicate_api::GuestIndices>,
    converter: Option<exports::converter_api::GuestIndices>,
}

impl Exported {
    fn of(component: &InstancePre<GuestState>) -> wasmtime::Result<Self> {
        let has = |interface: &str| {
            let name = format!("{PACKAGE}/{interface}@{}", VERSION.number);
            component.component().get_export_index(None, name).is_some()
        };
        Ok(Self {
            plugin: exports::plugin::GuestIndices::new(component)?,
            source: has("source-api").then(|| exports::source_api::GuestIndices::new(component)).transpose()?,
            sink: has("sink-api").then(|| exports::sink_api::GuestIndices::new(component)).transpose()?,
            transform: has("transform-api")
                .then(|| exports::transform_api::GuestIndices::new(component))
                .transpose()?,
            predicate: has("predicate-api")
                .then(|| exports::predicate_api::GuestIndices::new(component))
                .transpose()?,
            converter: has("converter-api")
                .then(|| exports::converter_api::GuestIndices::new(component))
                .transpose()?,
        })
    }
}

/// The functions of an exported interface, in a guest. That it is missing was refused when the plugin was found.
macro_rules! load {
    ($guest:expr, $indices:expr, $name:literal) => {
        match &$indices {
            Some(indices) => $guest.load(|store, instance| indices.load(store, instance)).map_err(PluginError::from),
            None => Err(PluginError::from($guest.fault(FaultCause::Missing($name), None))),
        }
    };
}

#[async_trait]
impl Exports for Exported {
    fn missing(&self, kind: PluginKind) -> Option<&'static str> {
        let (there, interface) = match kind {
            PluginKind::Source => (self.source.is_some(), "source-api"),
            PluginKind::Sink => (self.sink.is_some(), "sink-api"),
            PluginKind::Transform => (self.transform.is_some(), "transform-api"),
            PluginKind::Predicate => (self.predicate.is_some(), "predicate-api"),
            PluginKind::Converter | PluginKind::HeaderConverter => (self.converter.is_some(), "converter-api"),
        };
        (!there).then_some(interface)
    }

    async fn describe(&self, guest: &mut Guest) -> Result<String, GuestFault> {
        let api = guest.load(|store, instance| self.plugin.load(store, instance))?;
        call!(guest, "describe", |store| api.call_describe(store))
    }

    async fn source_connector(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestConnector>, PluginError> {
        let api = load!(guest, self.source, "source-api")?;
        Ok(Box::new(connectors::SourceConnector::create(api, guest, class).await?))
    }

    async fn sink_connector(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestConnector>, PluginError> {
        let api = load!(guest, self.sink, "sink-api")?;
        Ok(Box::new(connectors::SinkConnector::create(api, guest, class).await?))
    }

    async fn source_task(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestSourceTask>, PluginError> {
        let api = load!(guest, self.source, "source-api")?;
        Ok(Box::new(tasks::SourceTask::create(api, guest, class).await?))
    }

    async fn sink_task(&self, guest: &mut Guest, class: &str) -> Result<Box<dyn GuestSinkTask>, PluginError> {
        let api = load!(guest, self.sink, "sink-api")?;
        Ok(Box::new(tasks::SinkTask::create(api, guest, class).await?))
    }

    async fn chain(&self, guest: &mut Guest, links: &[GuestLink]) -> Result<Box<dyn GuestChain>, (usize, PluginError)> {
        let api = load!(guest, self.transform, "transform-api").map_err(|error| (0, error))?;
        Ok(Box::new(transforms::Chain::create(api, guest, links).await?))
    }

    async fn predicate(
        &self,
        guest: &mut Guest,
        class: &str,
        config: &ConfigMap,
    ) -> Result<Box<dyn GuestPredicate>, PluginError> {
        let api = load!(guest, self.predicate, "predicate-api")?;
        Ok(Box::new(transforms::Predicate::create(api, guest, class, config).await?))
    }

    async fn converter(
        &self,
        guest: &mut Guest,
        class: &str,
        config: &ConfigMap,
        role: ConverterRole,
    ) -> Result<Box<dyn GuestConverter>, PluginError> {
        let api = load!(guest, self.converter, "converter-api")?;
        Ok(Box::new(transforms::Converter::create(api, guest, class, config, role).await?))
    }
}
