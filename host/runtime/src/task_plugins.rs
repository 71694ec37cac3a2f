//! What a task is made of, for its metrics: classes and versions of its connector, converters, transforms and predicates.

use std::sync::Arc;

use millstream_config::{ConfigMap, ParsedConfig, Wanted, connector_key_names as key};
use millstream_connector::{ConverterRole, PluginInfo, PluginKind, Plugins, TaskId};
use millstream_metrics::{Labels, Metrics, PredicatePlugin, Text, TransformPlugin};

use crate::{converters::choose, transform_chain::links};

/// The groups of one task; they are shown as long as this exists.
#[derive(Debug, Default)]
pub(crate) struct TaskPlugins {
    _task: Arc<millstream_metrics::TaskPlugins>,
    _transforms: Vec<Arc<TransformPlugin>>,
    _predicates: Vec<Arc<PredicatePlugin>>,
}

impl TaskPlugins {
    /// Of a task whose connector is `plugin`. What cannot be found is left out: the task will fail over it and say so.
    pub(crate) fn of(
        metrics: &Metrics,
        id: &TaskId,
        plugins: &dyn Plugins,
        plugin: &PluginInfo,
        worker: &ConfigMap,
        config: &ParsedConfig,
    ) -> Self {
        let labels = || Labels::task(&id.connector, id.number);
        let beside = Some(plugin.location.as_str());
        let task: Arc<millstream_metrics::TaskPlugins> = metrics.group(labels());
        task.connector_class.set(&plugin.class);
        task.connector_type.set(plugin.kind.name());
        task.connector_version.set(&plugin.version);
        task.task_class.set(&plugin.task_class);
        task.task_version.set(&plugin.version);
        for (role, kind, class, version) in [
            (ConverterRole::Key, PluginKind::Converter, &task.key_converter_class, &task.key_converter_version),
            (ConverterRole::Value, PluginKind::Converter, &task.value_converter_class, &task.value_converter_version),
            (
                ConverterRole::Header,
                PluginKind::HeaderConverter,
                &task.header_converter_class,
                &task.header_converter_version,
            ),
        ] {
            if let Ok(choice) = choose(role, worker, config.originals(), beside) {
                tell(plugins, kind, &choice.class, (class, version));
            }
        }
        let (mut transforms, mut predicates) = (Vec::new(), Vec::new());
        let named = |alias: &str| config.originals().get(&format!("transforms.{alias}.predicate")).cloned().flatten();
        for (alias, link) in key::TRANSFORMS.get(config).iter().zip(links(config, beside).unwrap_or_default()) {
            let group: Arc<TransformPlugin> = metrics.group(labels().and("transform", alias));
            tell(plugins, PluginKind::Transform, &link.class, (&group.class, &group.version));
            transforms.push(group);
            if let (Some(predicate), Some(condition)) = (named(alias), &link.condition) {
                let group: Arc<PredicatePlugin> = metrics.group(labels().and("predicate", predicate));
                tell(plugins, PluginKind::Predicate, &condition.class, (&group.class, &group.version));
                predicates.push(group);
            }
        }
        Self { _task: task, _transforms: transforms, _predicates: predicates }
    }
}

fn tell(plugins: &dyn Plugins, kind: PluginKind, wanted: &Wanted, (class, version): (&Text, &Text)) {
    if let Ok(plugin) = plugins.find(kind, wanted) {
        class.set(&plugin.class);
        version.set(&plugin.version);
    }
}
