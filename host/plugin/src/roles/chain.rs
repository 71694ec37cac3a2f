//! A chain of transforms, in as many guests as its links come from.
//!
//! Neighbouring links of one component run in one call, with their predicates if those are in the same
//! component. A predicate of another component is asked first, and its link runs alone over the rows that
//! it chose. Chains keep no state but their configuration, so an instance that broke or has grown is
//! replaced by a new one.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_columns::{Answer, Subject};
use millstream_connector::{Condition, Link, LinkedTransforms, Outcome, PluginError, RowError};
use millstream_record::batch::{Batch, Limits, Role, Table, bits};

use super::outcome::{BadOutcome, Failed, LOOKED_AT, check, origin};
use super::recycling::Recycling;
use super::{InstanceFactory, batch, open_columns, passed, with_answer};
use crate::capability::Worker;
use crate::contract::{Changes, GuestChain, GuestLink, GuestPredicate, Verdict};
use crate::instance::{Guest, GuestFault};

/// A configured chain.
pub(crate) struct WasmChain {
    segments: Vec<Segment>,
}

/// Links that run in one call.
struct Segment {
    /// Number of the first link in the whole chain.
    first: u32,
    chain: LiveChain,
    /// A predicate of another component, which chooses the rows of the one link.
    foreign: Option<(LivePredicate, bool)>,
}

/// A link with its plugins found.
pub(crate) struct PlannedLink {
    pub(crate) transform: InstanceFactory,
    pub(crate) link: Link,
    /// The predicate's plugin; the condition in `link` says how it is configured.
    pub(crate) predicate: Option<InstanceFactory>,
}

impl WasmChain {
    /// Makes the guests, and has them take their configuration.
    pub(crate) async fn create(links: Vec<PlannedLink>) -> Result<Self, (usize, PluginError)> {
        let mut segments = Vec::new();
        let mut links = links.into_iter().enumerate().peekable();
        while let Some((first, link)) = links.next() {
            let foreign = link.foreign_predicate();
            let transform = link.transform.clone();
            let mut members = vec![link.in_component()];
            let mut by_columns = link.by_columns();
            if foreign.is_none() {
                while let Some((_, next)) = links.next_if(|(_, next)| {
                    next.foreign_predicate().is_none() && transform.same_component(&next.transform)
                }) {
                    members.push(next.in_component());
                    by_columns &= next.by_columns();
                }
            }
            let foreign = match foreign {
                None => None,
                Some((predicate, condition)) => {
                    let negate = condition.negate;
                    let predicate =
                        LivePredicate::create(predicate, condition).await.map_err(|error| (first, error))?;
                    Some((predicate, negate))
                }
            };
            let chain = LiveChain::create(transform, members, by_columns).await;
            let chain = chain.map_err(|(link, error)| (first + link, error))?;
            segments.push(Segment { first: first as u32, chain, foreign });
        }
        Ok(Self { segments })
    }
}

impl PlannedLink {
    fn foreign_predicate(&self) -> Option<(InstanceFactory, Condition)> {
        let predicate = self.predicate.as_ref().filter(|predicate| !predicate.same_component(&self.transform))?;
        Some((predicate.clone(), self.link.condition.clone()?))
    }

    /// Whether its plugins get their batches by columns alone.
    fn by_columns(&self) -> bool {
        let predicate = self.predicate.as_ref().filter(|predicate| predicate.same_component(&self.transform));
        self.transform.by_columns && predicate.is_none_or(|predicate| predicate.by_columns)
    }

    /// The link as its component gets it.
    fn in_component(&self) -> GuestLink {
        let condition = match (&self.predicate, &self.link.condition) {
            (Some(predicate), Some(condition)) if predicate.same_component(&self.transform) => {
                Some(Condition { class: predicate.class().into(), ..condition.clone() })
            }
            _ => None,
        };
        GuestLink { class: self.transform.class().to_owned(), config: self.link.config.clone(), condition }
    }
}

impl InstanceFactory {
    fn same_component(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.component, &other.component)
    }
}

#[async_trait]
impl LinkedTransforms for WasmChain {
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
struct LiveChain {
    factory: InstanceFactory,
    links: Vec<GuestLink>,
    /// Whether all plugins of the chain get their batches by columns alone.
    by_columns: bool,
    guest: Guest,
    chain: Box<dyn GuestChain>,
    recycling: Recycling,
}

impl LiveChain {
    async fn create(
        factory: InstanceFactory,
        links: Vec<GuestLink>,
        by_columns: bool,
    ) -> Result<Self, (usize, PluginError)> {
        let (guest, chain) = Self::instance(&factory, &links).await?;
        let recycling = factory.recycling(&guest);
        Ok(Self { factory, links, by_columns, guest, chain, recycling })
    }

    async fn instance(
        factory: &InstanceFactory,
        links: &[GuestLink],
    ) -> Result<(Guest, Box<dyn GuestChain>), (usize, PluginError)> {
        let (loaded, mut guest) = factory.instance(Worker::Nobody).await.map_err(|error| (0, error))?;
        let chain = loaded.exports.chain(&mut guest, links).await?;
        Ok((guest, chain))
    }

    async fn apply(&mut self, input: &Batch, only: Option<&[u8]>) -> Result<Outcome, PluginError> {
        let made = async { Self::instance(&self.factory, &self.links).await.map_err(|(_, error)| error) };
        self.recycling.before_call((&mut self.guest, &mut self.chain), &self.factory, made).await?;
        open_columns(&mut self.guest, input, only);
        let applied = self.chain.apply(&mut self.guest, passed(input, self.by_columns), only).await;
        let answer = self.guest.close_columns();
        let changes = with_answer(&mut self.guest, applied?, answer)?;
        checked(&mut self.guest, input, changes, self.links.len() as u32, &self.factory.batch_limits())
    }
}

/// A predicate in a guest of its own.
struct LivePredicate {
    factory: InstanceFactory,
    condition: Condition,
    guest: Guest,
    predicate: Box<dyn GuestPredicate>,
    recycling: Recycling,
}

impl LivePredicate {
    async fn create(factory: InstanceFactory, condition: Condition) -> Result<Self, PluginError> {
        let (guest, predicate) = Self::instance(&factory, &condition).await?;
        let recycling = factory.recycling(&guest);
        Ok(Self { factory, condition, guest, predicate, recycling })
    }

    async fn instance(
        factory: &InstanceFactory,
        condition: &Condition,
    ) -> Result<(Guest, Box<dyn GuestPredicate>), PluginError> {
        let (loaded, mut guest) = factory.instance(Worker::Nobody).await?;
        let predicate = loaded.exports.predicate(&mut guest, factory.class(), &condition.config).await?;
        Ok((guest, predicate))
    }

    /// The rows that it chose, once the guest's answer has proved to be sound.
    async fn test(&mut self, input: &Batch, negate: bool) -> Result<Verdict, PluginError> {
        let made = Self::instance(&self.factory, &self.condition);
        self.recycling.before_call((&mut self.guest, &mut self.predicate), &self.factory, made).await?;
        let subject = Subject { batch: Some(input.clone()), returns_verdict: true, ..Subject::default() };
        self.guest.open_columns(subject);
        let verdict = self.predicate.test(&mut self.guest, passed(input, self.factory.by_columns)).await;
        let answer = self.guest.close_columns();
        let Verdict { mut holds, mut errors } = verdict?;
        if let Some(Answer::Verdict { holds: by_columns, errors: failed }) = answer {
            if !holds.is_empty() {
                return Err(self.guest.violated("answered by columns, and returned a verdict besides").into());
            }
            let outline = input.outline(&[Role::SELECTION]);
            holds = by_columns;
            errors.extend(failed.into_iter().filter(|error| outline.is_selected(error.row as usize)));
        }
        let rows = input.rows() as usize;
        if holds.len() != bits::bytes_for(rows) {
            let what = format!("a verdict of {} bytes over {rows} rows", holds.len());
            return Err(self.guest.violated(what).into());
        }
        collect_failed(&mut self.guest, &input.outline(&LOOKED_AT), &errors, 1)?;
        if negate {
            holds.iter_mut().for_each(|byte| *byte = !*byte);
        }
        bits::clear_tail(&mut holds, rows);
        Ok(Verdict { holds, errors })
    }
}

/// What a guest made of a batch, once it has proved to be sound.
pub(super) fn checked(
    guest: &mut Guest,
    input: &Batch,
    changes: Changes,
    links: u32,
    limits: &Limits,
) -> Result<Outcome, PluginError> {
    let Changes { batch: changed, mut errors } = changes;
    let output = match changed {
        None => None,
        Some(bytes) => Some(batch(guest, bytes, limits)?),
    };
    let before = input.outline(&LOOKED_AT);
    let failed = collect_failed(guest, &before, &errors, links)?;
    let after = output.as_ref().map(|output| output.outline(&LOOKED_AT));
    check(&before, after.as_ref(), &failed).map_err(|bad| violated(guest, bad))?;
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
    errors.sort_by_key(|error| error.row);
    Ok(Outcome { batch, errors })
}

fn collect_failed(guest: &mut Guest, input: &Table<'_>, errors: &[RowError], links: u32) -> Result<Failed, GuestFault> {
    Failed::collect(input, errors.iter().map(|error| (error.row, error.link)), links)
        .map_err(|bad| violated(guest, bad))
}

fn violated(guest: &mut Guest, bad: BadOutcome) -> GuestFault {
    guest.violated(bad.to_string())
}
