//! What changes batches on their way: chains of transforms, predicates, converters.

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{Condition, ConverterRole, PluginError};
use wasmtime::component::ResourceAny;

use super::exports::{converter_api, predicate_api, transform_api};
use super::fast;
use super::lift::{self, answer};
use crate::contract::{Changes, GuestChain, GuestConverter, GuestLink, GuestPredicate, Verdict};
use crate::instance::{Guest, call};

pub(super) struct Chain {
    api: transform_api::Guest,
    chain: ResourceAny,
}

pub(super) struct Predicate {
    api: predicate_api::Guest,
    predicate: ResourceAny,
}

pub(super) struct Converter {
    api: converter_api::Guest,
    converter: ResourceAny,
}

impl Chain {
    pub(super) async fn create(
        api: transform_api::Guest,
        guest: &mut Guest,
        links: &[GuestLink],
    ) -> Result<Self, (usize, PluginError)> {
        let theirs: Vec<transform_api::Link> = links.iter().map(lowered).collect();
        match call!(guest, "create", |store| api.chain().call_create(store, &theirs)) {
            Ok(Ok(chain)) => Ok(Self { api, chain }),
            Ok(Err(transform_api::LinkError { link, error })) => {
                let link = (link as usize).min(links.len().saturating_sub(1));
                Err((link, PluginError::Reported(lift::failure(error))))
            }
            Err(fault) => Err((0, fault.into())),
        }
    }
}

fn lowered(GuestLink { class, config, condition }: &GuestLink) -> transform_api::Link {
    let condition = condition.as_ref().map(|Condition { class, config, negate }| transform_api::Condition {
        class: class.name.clone(),
        config: lift::config(config),
        negate: *negate,
    });
    transform_api::Link { class: class.clone(), config: lift::config(config), condition }
}

#[async_trait]
impl GuestChain for Chain {
    async fn apply(&self, guest: &mut Guest, batch: &[u8], only: Option<&[u8]>) -> Result<Changes, PluginError> {
        answer(call!(guest, "apply", |store| fast::apply(&self.api, store, self.chain, batch, only))).map(lift::changes)
    }
}

impl Predicate {
    pub(super) async fn create(
        api: predicate_api::Guest,
        guest: &mut Guest,
        class: &str,
        config: &ConfigMap,
    ) -> Result<Self, PluginError> {
        let config = lift::config(config);
        let predicate = answer(call!(guest, "create", |store| api.predicate().call_create(store, class, &config)))?;
        Ok(Self { api, predicate })
    }
}

#[async_trait]
impl GuestPredicate for Predicate {
    async fn test(&self, guest: &mut Guest, batch: &[u8]) -> Result<Verdict, PluginError> {
        let verdict = answer(call!(guest, "test", |store| fast::test(&self.api, store, self.predicate, batch)))?;
        let predicate_api::Verdict { holds, errors } = verdict;
        Ok(Verdict { holds, errors: errors.into_iter().map(lift::row_error).collect() })
    }
}

impl Converter {
    pub(super) async fn create(
        api: converter_api::Guest,
        guest: &mut Guest,
        class: &str,
        config: &ConfigMap,
        role: ConverterRole,
    ) -> Result<Self, PluginError> {
        let config = lift::config(config);
        let role = match role {
            ConverterRole::Key => converter_api::Role::Key,
            ConverterRole::Value => converter_api::Role::Value,
            ConverterRole::Header => converter_api::Role::Header,
        };
        let converter =
            answer(call!(guest, "create", |store| api.converter().call_create(store, class, &config, role)))?;
        Ok(Self { api, converter })
    }
}

#[async_trait]
impl GuestConverter for Converter {
    async fn to_connect(&self, guest: &mut Guest, batch: &[u8]) -> Result<Changes, PluginError> {
        answer(call!(guest, "to-connect", |store| fast::to_connect(&self.api, store, self.converter, batch)))
            .map(lift::changes)
    }

    async fn from_connect(&self, guest: &mut Guest, batch: &[u8]) -> Result<Changes, PluginError> {
        answer(call!(guest, "from-connect", |store| fast::from_connect(&self.api, store, self.converter, batch)))
            .map(lift::changes)
    }
}
