//! Exported functions that take a batch. What is generated asks for a `&Vec<u8>`, which would mean a copy of each
//! batch; these take the bytes where they are and lay them into the guest's memory.

use wasmtime::component::{Func, ResourceAny, TypedFunc};
use wasmtime::{Result, Store};

use super::exports::{converter_api, predicate_api, sink_api, source_api, transform_api};
use super::imports::types::{Error, Outcome};
use crate::instance::GuestState;

type Answer<T> = Result<std::result::Result<T, Error>>;

/// `chain.apply`.
pub(super) async fn apply(
    api: &transform_api::Guest,
    store: &mut Store<GuestState>,
    chain: ResourceAny,
    batch: &[u8],
    only: Option<&[u8]>,
) -> Answer<Outcome> {
    type Params<'a> = (ResourceAny, &'a [u8], Option<&'a [u8]>);
    let func: Func = *api.chain().func_apply().func();
    // SAFETY: the generated code has checked the function's type, in which a list of bytes is the same for
    // a vector and for a slice.
    let func = unsafe { TypedFunc::<Params<'_>, (std::result::Result<Outcome, Error>,)>::new_unchecked(func) };
    Ok(func.call_async(store, (chain, batch, only)).await?.0)
}

/// `source-task.committed`.
pub(super) async fn committed(
    api: &source_api::Guest,
    store: &mut Store<GuestState>,
    task: ResourceAny,
    rows: &[u8],
) -> Answer<()> {
    let func: Func = *api.source_task().func_committed().func();
    over_batch(func, store, task, rows).await
}

/// `predicate.test`.
pub(super) async fn test(
    api: &predicate_api::Guest,
    store: &mut Store<GuestState>,
    predicate: ResourceAny,
    batch: &[u8],
) -> Answer<predicate_api::Verdict> {
    let func: Func = *api.predicate().func_test().func();
    over_batch(func, store, predicate, batch).await
}

/// `sink-task.put`.
pub(super) async fn put(
    api: &sink_api::Guest,
    store: &mut Store<GuestState>,
    task: ResourceAny,
    batch: &[u8],
) -> Answer<()> {
    let func: Func = *api.sink_task().func_put().func();
    over_batch(func, store, task, batch).await
}

/// `converter.to-connect`.
pub(super) async fn to_connect(
    api: &converter_api::Guest,
    store: &mut Store<GuestState>,
    converter: ResourceAny,
    batch: &[u8],
) -> Answer<Outcome> {
    let func: Func = *api.converter().func_to_connect().func();
    over_batch(func, store, converter, batch).await
}

/// `converter.from-connect`.
pub(super) async fn from_connect(
    api: &converter_api::Guest,
    store: &mut Store<GuestState>,
    converter: ResourceAny,
    batch: &[u8],
) -> Answer<Outcome> {
    let func: Func = *api.converter().func_from_connect().func();
    over_batch(func, store, converter, batch).await
}

/// Calls a function of a resource whose only parameter is a batch: the type that the generated code has
/// checked for each caller of this.
async fn over_batch<T>(func: Func, store: &mut Store<GuestState>, resource: ResourceAny, batch: &[u8]) -> Answer<T>
where
    std::result::Result<T, Error>: wasmtime::component::Lift + Send + Sync + 'static,
{
    // SAFETY: as for `apply`.
    let func = unsafe { TypedFunc::<(ResourceAny, &[u8]), (std::result::Result<T, Error>,)>::new_unchecked(func) };
    Ok(func.call_async(store, (resource, batch)).await?.0)
}
