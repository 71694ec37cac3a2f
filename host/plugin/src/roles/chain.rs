//! A chain of transforms, in as many guests as its links come from.
//!
//! Neighbouring links of one component run in one call, with their predicates if those are in the same
//! component. A predicate of another component is asked first, and its link runs alone over the rows that
//! it chose. Chains keep no state but their configuration, so an instance that broke or has grown is
//! replaced by a new one.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_connector::{Chain, Condition, Link, Outcome, PluginError, RowError};
use millstream_record::batch::{Batch, Limits, Role, Table, bits};
use wasmtime::component::ResourceAny;

use super::outcome::{BadOutcome, Failed, LOOKED_AT, check, origin};
use super::{Origin, answer, batch, broken, missing};
use crate::capability::Worker;
use crate::contract::v0_1_0::{
    exports::{predicate_api, transform_api},
    fast,
    imports::types,
    lift,
};
use crate::instance::{Guest, GuestFault, call};

/// A configured chain.
pub(crate) struct WasmChain {
    segments: Vec<Segment>,
}

/// Links that run in one call.
struct Segment {
    /// Number of the first link in the whole chain.
    first: u32,
    chain: ChainGuest,
    /// A predicate of another component, which chooses the rows of the one link.
    foreign: Option<(PredicateGuest, bool)>,
}

/// A link with its plugins found.
pub(crate) struct PlannedLink {
    pub(crate) origin: Origin,
    pub(crate) link: Link,
    /// The predicate's plugin; the condition in `link` says how it is configured.
    pub(crate) predicate: Option<Origin>,
}

impl WasmChain {
    /// Makes the guests, and has them take their configuration.
    pub(crate) async fn create(links: Vec<PlannedLink>) -> Result<Self, (usize, PluginError)> {
        let mut segments = Vec::new();
        let mut links = links.into_iter().enumerate().peekable();
        while let Some((first, link)) = links.next() {
            let foreign = link.foreign_predicate();
            let origin = link.origin.clone();
            let mut members = vec![link.in_component()];
            if foreign.is_none() {
                while let Some((_, next)) =
                    links.next_if(|(_, next)| next.foreign_predicate().is_none() && origin.same_component(&next.origin))
                {
                    members.push(next.in_component());
                }
            }
            let foreign = match foreign {
                None => None,
                Some((origin, condition)) => {
                    let negate = condition.negate;
                    let predicate = PredicateGuest::create(origin, condition).await.map_err(|error| (first, error))?;
                    Some((predicate, negate))
                }
            };
            let chain = ChainGuest::create(origin, members).await;
            let chain = chain.map_err(|(link, error)| (first + link, error))?;
            segments.push(Segment { first: first as u32, chain, foreign });
        }
        Ok(Self { segments })
    }
}

impl PlannedLink {
    fn foreign_predicate(&self) -> Option<(Origin, Condition)> {
        let predicate = self.predicate.as_ref().filter(|predicate| !predicate.same_component(&self.origin))?;
        Some((predicate.clone(), self.link.condition.clone()?))
    }

    /// The link as its component gets it. Classes are names that the component gave, not users' aliases.
    fn in_component(&self) -> transform_api::Link {
        let condition = match (&self.predicate, &self.link.condition) {
            (Some(predicate), Some(condition)) if predicate.same_component(&self.origin) => {
                Some(transform_api::Condition {
                    class: predicate.plugin.info.class.clone(),
                    config: lift::config(&condition.config),
                    negate: condition.negate,
                })
            }
            _ => None,
        };
        transform_api::Link {
            class: self.origin.plugin.info.class.clone(),
            config: lift::config(&self.link.config),
            condition,
        }
    }
}

impl Origin {
    fn same_component(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plugin.component, &other.plugin.component)
    }

    /// Bytes above which a guest that keeps no state is replaced between two calls: some languages leak.
    fn high_water(&self) -> usize {
        self.host.limits.memory_max / 4 * 3
    }
}

#[async_trait]
impl Chain for WasmChain {
    async fn apply(&mut self, batch: &Batch) -> Result<Outcome, PluginError> {
        let mut current = batch.clone();
        let mut errors = Vec::new();
        for segment in &mut self.segments {
            let only = match &mut segment.foreign {
                None => None,
                Some((predicate, negate)) => {
                    let verdict = predicate.test(&current, *negate).await?;
                    if !verdict.errors.is_empty() {
                        let mut table = current.open();
                        table.deselect(verdict.errors.iter().map(|error| error.row as usize));
                        let without = table.into_batch();
                        errors.extend(in_terms_of(batch, &current, verdict.errors, segment.first));
                        current = without;
                    }
                    Some(verdict.holds)
                }
            };
            let outcome = segment.chain.apply(&current, only.as_deref()).await?;
            errors.extend(in_terms_of(batch, &current, outcome.errors, segment.first));
            current = outcome.batch;
        }
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.row);
            let mut siblings = false;
            errors.dedup_by(|later, first| {
                siblings |= later.row == first.row;
                later.row == first.row
            });
            // Of the records that one row became in an earlier component some may still be under way.
            if siblings || current.outline(&[Role::CHILD]).get(Role::CHILD).is_some() {
                current = without_siblings(batch, &current, &errors);
            }
        }
        Ok(Outcome { batch: current, errors })
    }
}

/// Errors of a segment, by the rows of the whole chain's input and the numbers of its links.
fn in_terms_of(first: &Batch, current: &Batch, mut errors: Vec<RowError>, first_link: u32) -> Vec<RowError> {
    if errors.is_empty() {
        return errors;
    }
    let (first, current) = (first.outline(&[Role::ORIGIN]), current.outline(&[Role::ORIGIN]));
    let same_rows =
        first.rows == current.rows && (0..first.rows as usize).all(|row| origin(&first, row) == origin(&current, row));
    for error in &mut errors {
        error.link += first_link;
        if !same_rows {
            let origin_of_row = origin(&current, error.row as usize);
            let row = (0..first.rows as usize).find(|&row| origin(&first, row) == origin_of_row);
            // Every outcome was checked: its origins are those of rows that went in.
            error.row = row.expect("an origin of a checked batch is one of the first batch") as u32;
        }
    }
    errors
}

/// Ends all rows that came from a row with an error.
fn without_siblings(first: &Batch, current: &Batch, errors: &[RowError]) -> Batch {
    let first = first.outline(&[Role::ORIGIN]);
    let mut failed: Vec<i64> = errors.iter().map(|error| origin(&first, error.row as usize)).collect();
    failed.sort_unstable();
    let mut table = current.open();
    let gone: Vec<usize> =
        (0..table.rows as usize).filter(|&row| failed.binary_search(&origin(&table, row)).is_ok()).collect();
    table.deselect(gone);
    table.into_batch()
}

/// Neighbouring links in one guest.
struct ChainGuest {
    origin: Origin,
    links: Vec<transform_api::Link>,
    live: Live<transform_api::Guest>,
}

/// A guest with a resource made in it.
struct Live<Api> {
    guest: Guest,
    api: Api,
    resource: ResourceAny,
}

impl ChainGuest {
    async fn create(origin: Origin, links: Vec<transform_api::Link>) -> Result<Self, (usize, PluginError)> {
        let live = Self::instance(&origin, &links).await?;
        Ok(Self { origin, links, live })
    }

    async fn instance(
        origin: &Origin,
        links: &[transform_api::Link],
    ) -> Result<Live<transform_api::Guest>, (usize, PluginError)> {
        let at_first = |error| (0, error);
        let (loaded, mut guest) = origin.instance(Worker::Nobody).await.map_err(at_first)?;
        let Some(indices) = &loaded.exports.transform else { return Err(at_first(missing(&guest, "transform-api"))) };
        let api = guest.load(|store, instance| indices.load(store, instance));
        let api = api.map_err(|fault| at_first(broken(fault)))?;
        match call!(guest, "create", |store| api.chain().call_create(store, links)) {
            Ok(Ok(resource)) => Ok(Live { guest, api, resource }),
            Ok(Err(transform_api::LinkError { link, error })) => {
                let link = (link as usize).min(links.len().saturating_sub(1));
                Err((link, PluginError::Reported(lift::failure(error))))
            }
            Err(fault) => Err(at_first(broken(fault))),
        }
    }

    async fn apply(&mut self, input: &Batch, only: Option<&[u8]>) -> Result<Outcome, PluginError> {
        if !self.live.guest.is_usable() || self.origin.high_water() < self.live.guest.held_bytes() {
            self.live.guest.discard();
            self.live = Self::instance(&self.origin, &self.links).await.map_err(|(_, error)| error)?;
        }
        let limits = self.origin.batch_limits();
        let Live { guest, api, resource } = &mut self.live;
        let bytes = input.as_bytes();
        let outcome = answer(call!(guest, "apply", |store| fast::apply(api, store, *resource, bytes, only)))?;
        checked(guest, input, outcome, self.links.len() as u32, &limits)
    }
}

/// A predicate in a guest of its own.
struct PredicateGuest {
    origin: Origin,
    condition: Condition,
    live: Live<predicate_api::Guest>,
}

/// Rows that a predicate chose.
struct Chosen {
    holds: Vec<u8>,
    errors: Vec<RowError>,
}

impl PredicateGuest {
    async fn create(origin: Origin, condition: Condition) -> Result<Self, PluginError> {
        let live = Self::instance(&origin, &condition).await?;
        Ok(Self { origin, condition, live })
    }

    async fn instance(origin: &Origin, condition: &Condition) -> Result<Live<predicate_api::Guest>, PluginError> {
        let (loaded, mut guest) = origin.instance(Worker::Nobody).await?;
        let Some(indices) = &loaded.exports.predicate else { return Err(missing(&guest, "predicate-api")) };
        let api = guest.load(|store, instance| indices.load(store, instance)).map_err(broken)?;
        let (class, config) = (&origin.plugin.info.class, lift::config(&condition.config));
        let resource = answer(call!(guest, "create", |store| api.predicate().call_create(store, class, &config)))?;
        Ok(Live { guest, api, resource })
    }

    async fn test(&mut self, input: &Batch, negate: bool) -> Result<Chosen, PluginError> {
        if !self.live.guest.is_usable() || self.origin.high_water() < self.live.guest.held_bytes() {
            self.live.guest.discard();
            self.live = Self::instance(&self.origin, &self.condition).await?;
        }
        let Live { guest, api, resource } = &mut self.live;
        let bytes = input.as_bytes();
        let verdict = answer(call!(guest, "test", |store| fast::test(api, store, *resource, bytes)))?;
        let predicate_api::Verdict { mut holds, errors } = verdict;
        let rows = input.rows() as usize;
        if holds.len() != bits::bytes_for(rows) {
            let what = format!("a verdict of {} bytes over {rows} rows", holds.len());
            return Err(broken(guest.violated(what)));
        }
        collect_failed(guest, &input.outline(&LOOKED_AT), &errors, 1).map_err(broken)?;
        if negate {
            holds.iter_mut().for_each(|byte| *byte = !*byte);
        }
        bits::clear_tail(&mut holds, rows);
        Ok(Chosen { holds, errors: errors.into_iter().map(lift::row_error).collect() })
    }
}

/// What a guest made of a batch, once it has proved to be sound.
pub(super) fn checked(
    guest: &mut Guest,
    input: &Batch,
    outcome: types::Outcome,
    links: u32,
    limits: &Limits,
) -> Result<Outcome, PluginError> {
    let types::Outcome { changed, errors } = outcome;
    let output = match changed {
        None => None,
        Some(bytes) => Some(batch(guest, bytes, limits)?),
    };
    let before = input.outline(&LOOKED_AT);
    let failed = collect_failed(guest, &before, &errors, links).map_err(broken)?;
    let after = output.as_ref().map(|output| output.outline(&LOOKED_AT));
    check(&before, after.as_ref(), &failed).map_err(|bad| broken(violated(guest, bad)))?;
    drop(after);
    let batch = match output {
        Some(output) => output,
        None if errors.is_empty() => input.clone(),
        None => {
            let mut table = input.open();
            table.deselect(errors.iter().map(|error| error.row as usize));
            table.into_batch()
        }
    };
    let mut errors: Vec<RowError> = errors.into_iter().map(lift::row_error).collect();
    errors.sort_by_key(|error| error.row);
    Ok(Outcome { batch, errors })
}

fn collect_failed(
    guest: &mut Guest,
    input: &Table<'_>,
    errors: &[types::RowError],
    links: u32,
) -> Result<Failed, GuestFault> {
    Failed::collect(input, errors.iter().map(|error| (error.row, error.link)), links)
        .map_err(|bad| violated(guest, bad))
}

fn violated(guest: &mut Guest, bad: BadOutcome) -> GuestFault {
    guest.violated(bad.to_string())
}
