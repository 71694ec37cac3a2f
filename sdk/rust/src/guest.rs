//! The contract's exports, for whatever a component carries.
//!
//! Functions take the contract's types, turn them into the SDK's own, call the plugin and turn back
//! what it says. A panic goes to the log first and then ends the instance.

use std::{cell::RefCell, marker::PhantomData};

use crate::{
    ConverterRole, Error, PollLimits, Records, RowError, Support, Verdict,
    batch::{Batch, Rewrite},
    bindings::{self, types},
    chain::{Chain, LinkSpec, predicate},
    component::{AnyConverter, AnyPredicate, AnySink, AnySource, Component, Made, describe, make},
    config::ConfigMap,
    convert::row_error,
    json,
    prepare::prepare,
};

use bindings::{
    converter::exports::millstream::connect::converter_api as converter, plugin::exports::millstream::connect::plugin,
    predicate::exports::millstream::connect::predicate_api, sink::exports::millstream::connect::sink_api as sink,
    source::exports::millstream::connect::source_api as source,
    transform::exports::millstream::connect::transform_api as transform,
};

type Config = Vec<(String, Option<String>)>;

/// The exports of a component.
pub struct Exports<C>(PhantomData<C>);

fn batch(bytes: Vec<u8>) -> Batch {
    // SAFETY: the host has checked what it passes in, and keeps the contract that it is a batch.
    unsafe { Batch::trusted(bytes.into()) }
}

fn problems(problems: Vec<(String, String)>) -> String {
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    for (key, text) in problems {
        match keys.iter_mut().find(|(other, _)| *other == key) {
            Some((_, texts)) => texts.push(text),
            None => keys.push((key, vec![text])),
        }
    }
    let keys = keys.into_iter().map(|(name, errors)| serde_json::json!({ "name": name, "errors": errors }));
    serde_json::Value::Array(keys.collect()).to_string()
}

fn configs(configs: Vec<ConfigMap>) -> Vec<Config> {
    configs.into_iter().map(ConfigMap::into_entries).collect()
}

impl<C: Component> plugin::Guest for Exports<C> {
    fn describe() -> String {
        prepare();
        describe::<C>()
    }
}

// ---- sources

/// A source connector as the host holds it.
pub struct SourceConnector<C>(RefCell<Box<dyn AnySource>>, PhantomData<C>);

/// A source task as the host holds it.
pub struct SourceTask<C>(RefCell<Box<dyn AnySource>>, PhantomData<C>);

fn make_source<C: Component>(class: &str) -> Result<RefCell<Box<dyn AnySource>>, types::Error> {
    prepare();
    Ok(RefCell::new(make::<C, _>(class, |made| match made {
        Made::Source(source) => Some(source),
        _ => None,
    })?))
}

impl<C: Component> source::Guest for Exports<C> {
    type SourceConnector = SourceConnector<C>;
    type SourceTask = SourceTask<C>;
}

fn support(support: Support) -> source::Support {
    match support {
        Support::Supported => source::Support::Supported,
        Support::Unsupported => source::Support::Unsupported,
        Support::Unknown => source::Support::Unknown,
    }
}

impl<C: Component> source::GuestSourceConnector for SourceConnector<C> {
    fn create(class: String) -> Result<source::SourceConnector, types::Error> {
        Ok(source::SourceConnector::new(Self(make_source::<C>(&class)?, PhantomData)))
    }

    fn validate(&self, config: Config) -> Result<String, types::Error> {
        Ok(problems(self.0.borrow().validate(&config.into())?))
    }

    fn start(&self, config: Config) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().start(&config.into())?)
    }

    fn task_configs(&self, max_tasks: u32) -> Result<Vec<Config>, types::Error> {
        Ok(configs(self.0.borrow_mut().task_configs(max_tasks)?))
    }

    fn stop(&self) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().stop()?)
    }

    fn exactly_once_support(&self, config: Config) -> Result<source::Support, types::Error> {
        Ok(support(self.0.borrow().exactly_once_support(&config.into())?))
    }

    fn can_define_transaction_boundaries(&self, config: Config) -> Result<source::Support, types::Error> {
        Ok(support(self.0.borrow().can_define_transaction_boundaries(&config.into())?))
    }

    fn alter_offsets(&self, config: Config, offsets: Vec<(String, Option<String>)>) -> Result<bool, types::Error> {
        let lift = |(partition, offset): (String, Option<String>)| -> Result<_, Error> {
            Ok((json::from_json(&partition)?, offset.as_deref().map(json::from_json).transpose()?))
        };
        let offsets = offsets.into_iter().map(lift).collect::<Result<Vec<_>, _>>()?;
        Ok(self.0.borrow().alter_offsets(&config.into(), &offsets)?)
    }
}

impl<C: Component> source::GuestSourceTask for SourceTask<C> {
    fn create(class: String) -> Result<source::SourceTask, types::Error> {
        Ok(source::SourceTask::new(Self(make_source::<C>(&class)?, PhantomData)))
    }

    fn start(&self, config: Config) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().start_task(&config.into())?)
    }

    fn poll(&self, limits: source::PollLimits) -> Result<Option<Vec<u8>>, types::Error> {
        let source::PollLimits { max_records, max_bytes, max_wait_ms } = limits;
        let mut task = self.0.borrow_mut();
        let table = task.poll(&PollLimits { max_records, max_bytes, max_wait_ms })?;
        Ok(table.filter(|table| table.rows != 0).map(|table| table.write()))
    }

    fn committed(&self, rows: Vec<u8>) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().committed(&batch(rows).open())?)
    }

    fn commit(&self) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().commit()?)
    }

    fn stop(&self) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().stop_task()?)
    }
}

// ---- sinks

/// A sink connector as the host holds it.
pub struct SinkConnector<C>(RefCell<Box<dyn AnySink>>, PhantomData<C>);

/// A sink task as the host holds it.
pub struct SinkTask<C>(RefCell<Box<dyn AnySink>>, PhantomData<C>);

fn make_sink<C: Component>(class: &str) -> Result<RefCell<Box<dyn AnySink>>, types::Error> {
    prepare();
    Ok(RefCell::new(make::<C, _>(class, |made| match made {
        Made::Sink(sink) => Some(sink),
        _ => None,
    })?))
}

impl<C: Component> sink::Guest for Exports<C> {
    type SinkConnector = SinkConnector<C>;
    type SinkTask = SinkTask<C>;
}

impl<C: Component> sink::GuestSinkConnector for SinkConnector<C> {
    fn create(class: String) -> Result<sink::SinkConnector, types::Error> {
        Ok(sink::SinkConnector::new(Self(make_sink::<C>(&class)?, PhantomData)))
    }

    fn validate(&self, config: Config) -> Result<String, types::Error> {
        Ok(problems(self.0.borrow().validate(&config.into())?))
    }

    fn start(&self, config: Config) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().start(&config.into())?)
    }

    fn task_configs(&self, max_tasks: u32) -> Result<Vec<Config>, types::Error> {
        Ok(configs(self.0.borrow_mut().task_configs(max_tasks)?))
    }

    fn stop(&self) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().stop()?)
    }

    fn alter_offsets(
        &self,
        config: Config,
        offsets: Vec<(types::TopicPartition, Option<types::TopicOffset>)>,
    ) -> Result<bool, types::Error> {
        let offsets = offsets.into_iter().map(|(partition, offset)| (partition.into(), offset.map(Into::into)));
        Ok(self.0.borrow().alter_offsets(&config.into(), &offsets.collect::<Vec<_>>())?)
    }
}

fn partitions(partitions: Vec<types::TopicPartition>) -> Vec<crate::TopicPartition> {
    partitions.into_iter().map(Into::into).collect()
}

impl<C: Component> sink::GuestSinkTask for SinkTask<C> {
    fn create(class: String) -> Result<sink::SinkTask, types::Error> {
        Ok(sink::SinkTask::new(Self(make_sink::<C>(&class)?, PhantomData)))
    }

    fn start(&self, config: Config) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().start_task(&config.into())?)
    }

    fn open(&self, assigned: Vec<types::TopicPartition>) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().open(&partitions(assigned))?)
    }

    fn put(&self, records: Vec<u8>) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().put(&batch(records).open())?)
    }

    fn pre_commit(&self, offsets: Vec<types::TopicOffset>) -> Result<Option<Vec<types::TopicOffset>>, types::Error> {
        let offsets: Vec<_> = offsets.into_iter().map(Into::into).collect();
        let safe = self.0.borrow_mut().pre_commit(&offsets)?;
        Ok(safe.map(|offsets| offsets.into_iter().map(Into::into).collect()))
    }

    fn close(&self, revoked: Vec<types::TopicPartition>) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().close(&partitions(revoked))?)
    }

    fn stop(&self) -> Result<(), types::Error> {
        Ok(self.0.borrow_mut().stop_task()?)
    }
}

// ---- transforms, predicates, converters

/// A chain of transforms as the host holds it.
pub struct TransformChain<C>(RefCell<Chain>, PhantomData<C>);

impl<C: Component> transform::Guest for Exports<C> {
    type Chain = TransformChain<C>;
}

fn outcome(changed: Option<Rewrite>, errors: Vec<(u32, RowError)>, batch: Batch) -> types::Outcome {
    let errors = errors.into_iter().map(|(link, error)| row_error(error, link)).collect();
    types::Outcome { changed: changed.map(|rewrite| rewrite.into_bytes(batch)), errors }
}

impl<C: Component> transform::GuestChain for TransformChain<C> {
    fn create(links: Vec<transform::Link>) -> Result<transform::Chain, transform::LinkError> {
        prepare();
        let spec = |transform::Link { class, config, condition }: transform::Link| LinkSpec {
            class,
            config: config.into(),
            condition: condition.map(|transform::Condition { class, config, negate }| (class, config.into(), negate)),
        };
        let specs: Vec<LinkSpec> = links.into_iter().map(spec).collect();
        let chain =
            Chain::create::<C>(&specs).map_err(|(link, error)| transform::LinkError { link, error: error.into() })?;
        Ok(transform::Chain::new(Self(RefCell::new(chain), PhantomData)))
    }

    fn apply(&self, records: Vec<u8>, only: Option<Vec<u8>>) -> Result<types::Outcome, types::Error> {
        let batch = batch(records);
        let (changed, errors) = self.0.borrow_mut().apply(batch.open(), only.as_deref())?;
        let changed = changed.map(|table| table.rewrite(&batch));
        Ok(outcome(changed, errors, batch))
    }
}

/// A predicate as the host holds it.
pub struct OnePredicate<C>(RefCell<Box<dyn AnyPredicate>>, PhantomData<C>);

impl<C: Component> predicate_api::Guest for Exports<C> {
    type Predicate = OnePredicate<C>;
}

impl<C: Component> predicate_api::GuestPredicate for OnePredicate<C> {
    fn create(class: String, config: Config) -> Result<predicate_api::Predicate, types::Error> {
        prepare();
        let made = predicate::<C>(&class, &config.into())?;
        Ok(predicate_api::Predicate::new(Self(RefCell::new(made), PhantomData)))
    }

    fn test(&self, records: Vec<u8>) -> Result<predicate_api::Verdict, types::Error> {
        let batch = batch(records);
        let table = batch.open();
        let mut verdict = Verdict::new(table.rows);
        self.0.borrow_mut().test(&table, &mut verdict)?;
        let errors = verdict.errors.into_iter().map(|error| row_error(error, 0)).collect();
        Ok(predicate_api::Verdict { holds: verdict.holds, errors })
    }
}

/// A converter as the host holds it.
pub struct OneConverter<C>(RefCell<Box<dyn AnyConverter>>, PhantomData<C>);

impl<C: Component> converter::Guest for Exports<C> {
    type Converter = OneConverter<C>;
}

impl<C: Component> converter::GuestConverter for OneConverter<C> {
    fn create(class: String, config: Config, role: converter::Role) -> Result<converter::Converter, types::Error> {
        prepare();
        let role = match role {
            converter::Role::Key => ConverterRole::Key,
            converter::Role::Value => ConverterRole::Value,
            converter::Role::Header => ConverterRole::Header,
        };
        let configure = make::<C, _>(&class, |made| match made {
            Made::Converter(configure) => Some(configure),
            _ => None,
        })?;
        let made = configure(&config.into(), role)?;
        Ok(converter::Converter::new(Self(RefCell::new(made), PhantomData)))
    }

    fn to_connect(&self, records: Vec<u8>) -> Result<types::Outcome, types::Error> {
        let batch = batch(records);
        let mut records = Records::new(batch.open());
        self.0.borrow_mut().to_connect(&mut records)?;
        let (changed, errors) = records.finish();
        let changed = changed.map(|table| table.rewrite(&batch));
        Ok(outcome(changed, errors, batch))
    }

    fn from_connect(&self, records: Vec<u8>) -> Result<types::Outcome, types::Error> {
        let batch = batch(records);
        let mut records = Records::new(batch.open());
        self.0.borrow_mut().from_connect(&mut records)?;
        let (changed, errors) = records.finish();
        let changed = changed.map(|table| table.rewrite(&batch));
        Ok(outcome(changed, errors, batch))
    }
}
