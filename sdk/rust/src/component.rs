//! What a component carries: the list behind [`plugin!`](crate::plugin!).
//!
//! Plugins of one kind but of different types become trait objects here, so that the exported
//! functions are the same code whatever the component carries.

use crate::{
    ConnectorContext, Converter, ConverterRole, Error, Info, PluginKind, PollLimits, Predicate, Records, Result, Sink,
    SinkContext, SinkTask, Source, SourceContext, SourceTask, Support, TopicOffset, TopicPartition, Transform, Value,
    Verdict,
    batch::Table,
    config::{ConfigDef, ConfigMap, PluginConfig},
    describe::Described,
    transaction,
};

/// A component: every plugin it carries.
pub trait Component: 'static {
    /// The plugins, in the order they are described.
    fn plugins() -> Vec<Plugin>;
}

/// What `describe` returns for a component.
pub fn describe<C: Component>() -> String {
    let described = |Plugin { kind, info, definition, .. }: Plugin| Described { kind, info, config: definition() };
    crate::describe::document(C::plugins().into_iter().map(described))
}

/// A plugin of a component.
pub struct Plugin {
    kind: PluginKind,
    info: Info,
    definition: fn() -> ConfigDef,
    made: Made,
}

/// How an instance of the plugin is made.
pub(crate) enum Made {
    Source(Box<dyn AnySource>),
    Sink(Box<dyn AnySink>),
    Transform(fn(&ConfigMap) -> Result<Box<dyn AnyTransform>>),
    Predicate(fn(&ConfigMap) -> Result<Box<dyn AnyPredicate>>),
    Converter(fn(&ConfigMap, ConverterRole) -> Result<Box<dyn AnyConverter>>),
}

impl Plugin {
    fn new(kind: PluginKind, info: Info, definition: fn() -> ConfigDef, made: Made) -> Self {
        Self { kind, info, definition, made }
    }

    /// A source.
    pub fn source<S: Source>() -> Self {
        let made = Made::Source(Box::new(SourceOf::<S>(None, None)));
        Self::new(PluginKind::Source, S::INFO, S::Config::definition, made)
    }

    /// A sink.
    pub fn sink<S: Sink>() -> Self {
        let made = Made::Sink(Box::new(SinkOf::<S>(None, None)));
        Self::new(PluginKind::Sink, S::INFO, S::Config::definition, made)
    }

    /// A transform.
    pub fn transform<T: Transform>() -> Self {
        let made = Made::Transform(|config| Ok(Box::new(T::configure(T::Config::parse(config)?)?)));
        Self::new(PluginKind::Transform, T::INFO, T::Config::definition, made)
    }

    /// A predicate.
    pub fn predicate<P: Predicate>() -> Self {
        let made = Made::Predicate(|config| Ok(Box::new(P::configure(P::Config::parse(config)?)?)));
        Self::new(PluginKind::Predicate, P::INFO, P::Config::definition, made)
    }

    /// A converter.
    pub fn converter<C: Converter>() -> Self {
        let made = Made::Converter(|config, role| Ok(Box::new(C::configure(C::Config::parse(config)?, role)?)));
        Self::new(C::KIND, C::INFO, C::Config::definition, made)
    }
}

/// Finds a plugin by its class name and makes something of it.
pub(crate) fn make<C: Component, T>(class: &str, of: impl Fn(Made) -> Option<T>) -> Result<T> {
    let named = C::plugins().into_iter().filter(|plugin| plugin.info.class == class);
    named
        .filter_map(|plugin| of(plugin.made))
        .next()
        .ok_or_else(|| Error::fatal(format!("this component has no class {class} of the kind asked for")))
}

/// A source, connector and task alike.
pub(crate) trait AnySource {
    fn validate(&self, config: &ConfigMap) -> Result<Vec<(String, String)>>;
    fn start(&mut self, config: &ConfigMap) -> Result<()>;
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>>;
    fn stop(&mut self) -> Result<()>;
    fn exactly_once_support(&self, config: &ConfigMap) -> Result<Support>;
    fn can_define_transaction_boundaries(&self, config: &ConfigMap) -> Result<Support>;
    fn alter_offsets(&self, config: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool>;
    fn start_task(&mut self, config: &ConfigMap) -> Result<()>;
    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>>;
    fn committed(&mut self, rows: &Table<'_>) -> Result<()>;
    fn commit(&mut self) -> Result<()>;
    fn stop_task(&mut self) -> Result<()>;
}

struct SourceOf<S: Source>(Option<S>, Option<S::Task>);

fn started<T>(task: &mut Option<T>) -> Result<&mut T> {
    task.as_mut().ok_or_else(|| Error::fatal("called before it was started").class("java.lang.IllegalStateException"))
}

impl<S: Source> AnySource for SourceOf<S> {
    fn validate(&self, config: &ConfigMap) -> Result<Vec<(String, String)>> {
        let mut problems = S::Config::definition().run_checks(config);
        problems.extend(S::validate(config)?);
        Ok(problems)
    }

    fn start(&mut self, config: &ConfigMap) -> Result<()> {
        self.0 = Some(S::start(S::Config::parse(config)?, ConnectorContext(()))?);
        Ok(())
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        started(&mut self.0)?.task_configs(max_tasks)
    }

    fn stop(&mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), |mut connector| connector.stop())
    }

    fn exactly_once_support(&self, config: &ConfigMap) -> Result<Support> {
        S::exactly_once_support(config)
    }

    fn can_define_transaction_boundaries(&self, config: &ConfigMap) -> Result<Support> {
        S::can_define_transaction_boundaries(config)
    }

    fn alter_offsets(&self, config: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool> {
        S::alter_offsets(config, offsets)
    }

    fn start_task(&mut self, config: &ConfigMap) -> Result<()> {
        let config = <S::Task as SourceTask>::Config::parse(config)?;
        self.1 = Some(S::Task::start(config, SourceContext(()))?);
        Ok(())
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        let polled = started(&mut self.1)?.poll(limits);
        transaction::hand_over(polled.is_ok());
        polled
    }

    fn committed(&mut self, rows: &Table<'_>) -> Result<()> {
        started(&mut self.1)?.committed(rows)
    }

    fn commit(&mut self) -> Result<()> {
        started(&mut self.1)?.commit()
    }

    fn stop_task(&mut self) -> Result<()> {
        self.1.take().map_or(Ok(()), |mut task| task.stop())
    }
}

/// A sink, connector and task alike.
pub(crate) trait AnySink {
    fn validate(&self, config: &ConfigMap) -> Result<Vec<(String, String)>>;
    fn start(&mut self, config: &ConfigMap) -> Result<()>;
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>>;
    fn stop(&mut self) -> Result<()>;
    fn alter_offsets(&self, config: &ConfigMap, offsets: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool>;
    fn start_task(&mut self, config: &ConfigMap) -> Result<()>;
    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()>;
    fn put(&mut self, records: &Table<'_>) -> Result<()>;
    fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>>;
    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()>;
    fn stop_task(&mut self) -> Result<()>;
}

struct SinkOf<S: Sink>(Option<S>, Option<S::Task>);

impl<S: Sink> AnySink for SinkOf<S> {
    fn validate(&self, config: &ConfigMap) -> Result<Vec<(String, String)>> {
        let mut problems = S::Config::definition().run_checks(config);
        problems.extend(S::validate(config)?);
        Ok(problems)
    }

    fn start(&mut self, config: &ConfigMap) -> Result<()> {
        self.0 = Some(S::start(S::Config::parse(config)?, ConnectorContext(()))?);
        Ok(())
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        started(&mut self.0)?.task_configs(max_tasks)
    }

    fn stop(&mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), |mut connector| connector.stop())
    }

    fn alter_offsets(&self, config: &ConfigMap, offsets: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        S::alter_offsets(config, offsets)
    }

    fn start_task(&mut self, config: &ConfigMap) -> Result<()> {
        let config = <S::Task as SinkTask>::Config::parse(config)?;
        self.1 = Some(S::Task::start(config, SinkContext(()))?);
        Ok(())
    }

    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        started(&mut self.1)?.open(partitions)
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        started(&mut self.1)?.put(records)
    }

    fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>> {
        started(&mut self.1)?.pre_commit(offsets)
    }

    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        started(&mut self.1)?.close(partitions)
    }

    fn stop_task(&mut self) -> Result<()> {
        self.1.take().map_or(Ok(()), |mut task| task.stop())
    }
}

/// A configured transform.
pub(crate) trait AnyTransform {
    fn apply(&mut self, records: &mut Records<'_>) -> Result<()>;
}

impl<T: Transform> AnyTransform for T {
    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        Transform::apply(self, records)
    }
}

/// A configured predicate.
pub(crate) trait AnyPredicate {
    fn test(&mut self, records: &Table<'_>, verdict: &mut Verdict) -> Result<()>;
}

impl<P: Predicate> AnyPredicate for P {
    fn test(&mut self, records: &Table<'_>, verdict: &mut Verdict) -> Result<()> {
        Predicate::test(self, records, verdict)
    }
}

/// A configured converter.
pub(crate) trait AnyConverter {
    fn to_connect(&mut self, records: &mut Records<'_>) -> Result<()>;
    #[expect(clippy::wrong_self_convention, reason = "the name is Connect's")]
    fn from_connect(&mut self, records: &mut Records<'_>) -> Result<()>;
}

impl<C: Converter> AnyConverter for C {
    fn to_connect(&mut self, records: &mut Records<'_>) -> Result<()> {
        Converter::to_connect(self, records)
    }

    fn from_connect(&mut self, records: &mut Records<'_>) -> Result<()> {
        Converter::from_connect(self, records)
    }
}
