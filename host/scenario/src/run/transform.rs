//! Steps of transforms and predicates.

use millstream_connector::{Condition, Link, LinkedTransforms, PluginKind, Plugins};
use serde_json::{Value as Json, json};

use super::{Done, Run, Stopped, found, shown};
use crate::expect::Found;
use crate::record::{self, Record};
use crate::scenario::{LinkSpec, PredicateSpec};

/// Leaves out the records for which its predicate holds: what shows what a predicate says of each.
const FILTER: &str = "org.apache.kafka.connect.transforms.Filter";

impl Run<'_> {
    fn links(&self) -> Vec<Link> {
        let condition = |PredicateSpec { class, config, negate }: &PredicateSpec| Condition {
            class: class.as_str().into(),
            config: self.filled_in(config),
            negate: *negate,
        };
        let link = |LinkSpec { class, config, predicate }: &LinkSpec| Link {
            class: class.as_str().into(),
            config: self.filled_in(config),
            condition: predicate.as_ref().map(condition),
        };
        if !self.scenario.chain.is_empty() {
            return self.scenario.chain.iter().map(link).collect();
        }
        match self.plugin.kind {
            PluginKind::Predicate => {
                let condition = Condition { class: self.class(), config: self.own_config(), negate: false };
                vec![Link { class: FILTER.into(), config: Default::default(), condition: Some(condition) }]
            }
            _ => vec![Link { class: self.class(), config: self.own_config(), condition: None }],
        }
    }

    async fn chain(&mut self) -> Result<&mut Box<dyn LinkedTransforms>, Stopped> {
        if self.chain.is_none() {
            let links = self.links();
            let made = self.plugins.chain(&self.task(), &links).await;
            self.chain = Some(made.map_err(|(link, error)| Stopped::Plugin(Some(link), error))?);
        }
        Ok(self.chain.as_mut().expect("it was just made"))
    }

    /// Makes the plugin's instance, and nothing more.
    pub(super) async fn configure(&mut self) -> Done {
        match self.plugin.kind {
            PluginKind::Converter => {
                self.converter().await?;
            }
            PluginKind::HeaderConverter => {
                self.header_converter().await?;
            }
            _ => {
                self.chain().await?;
            }
        }
        Ok(Found::new())
    }

    pub(super) async fn apply(&mut self, records: &[Record]) -> Done {
        let batch = record::batch(records)?;
        let outcome = self.chain().await?.apply(&batch).await?;
        let named = &self.scenario.schemas;
        let records = record::records(&outcome.batch).iter().map(|(_, record)| record.write(named)).collect();
        Ok(found([
            ("records", records),
            ("errors", self.without_paths(shown::row_errors(&outcome.errors))),
            ("filtered", json!(record::filtered(&batch, &outcome))),
        ]))
    }

    /// What a predicate says of each record; null where it has failed.
    pub(super) async fn test(&mut self, records: &[Record]) -> Done {
        if self.plugin.kind != PluginKind::Predicate || !self.scenario.chain.is_empty() {
            return Err("only a predicate by itself can be tested; use apply".to_owned().into());
        }
        let batch = record::batch(records)?;
        let outcome = self.chain().await?.apply(&batch).await?;
        let filtered = record::filtered(&batch, &outcome);
        let holds = |row: usize| match outcome.errors.iter().any(|error| error.row as usize == row) {
            true => Json::Null,
            false => filtered.contains(&row).into(),
        };
        let holds: Vec<Json> = (0..records.len()).map(holds).collect();
        Ok(found([("holds", holds.into()), ("errors", shown::row_errors(&outcome.errors))]))
    }
}
