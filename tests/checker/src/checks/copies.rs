//! Where each record is to be copied once, it is.

use std::collections::BTreeMap;

use crate::{
    anomaly::{Anomaly, Kind},
    history::Value,
    model::Model,
};

use super::{Rules, logs::Logs};

pub fn check(model: &Model, logs: &Logs, rules: &Rules, found: &mut Vec<Anomaly>) {
    let mut copies: BTreeMap<Value, Vec<u64>> = BTreeMap::new();
    for write in model.writes.iter().filter(|write| logs.is_in_effect(write)) {
        if let Some(original) = write.copy_of {
            copies.entry(original).or_default().push(write.value.0);
        }
    }
    for (original, copies) in &copies {
        if 1 < copies.len() {
            let detail = format!("value {} was copied as {copies:?}", original.0);
            found.push(Anomaly { kind: Kind::CopiedTwice, detail });
        }
    }
    for write in &model.writes {
        let (partition, value) = (write.partition, write.value);
        if rules.copied.contains(&partition) && logs.is_in_effect(write) && !copies.contains_key(&value) {
            let detail = format!("value {} of partition {} has no copy", value.0, partition.0);
            found.push(Anomaly { kind: Kind::NotCopied, detail });
        }
    }
}
