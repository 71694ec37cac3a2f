//! What the members want: topics by name and by pattern. Whatever changes that begins another epoch of the group.

use std::collections::{BTreeMap, BTreeSet};

use millstream_values::JavaRegex;
use millstream_wire::error_code::ErrorCode;
use uuid::Uuid;

use super::{ConsumerGroup, Moment, Refused, member::ConsumerMember, xxh3::xxh3_64};
use crate::groups::{coordinator::topology::Topology, records::StoredRegex};

/// Steps that matching one topic's name may take. A pattern that takes more stands for no topic.
const MAX_STEPS: u64 = 100_000;

impl ConsumerGroup {
    /// Puts a member in its place, in that of `displaced` if it takes over from another, and begins another epoch if it
    /// wants something else than `before`. True if it does.
    pub(super) fn subscribe(
        &mut self,
        member: ConsumerMember,
        before: Option<&ConsumerMember>,
        displaced: Option<&str>,
        moment: &Moment<'_>,
    ) -> Result<bool, Refused> {
        let regex_changed = before.map_or("", |before| before.regex.as_str()) != member.regex;
        if regex_changed && !member.regex.is_empty() && !self.regexes.contains_key(&member.regex) {
            compile(&member.regex)?;
        }
        let names_changed = before.is_none_or(|before| before.topics != member.topics) && {
            // Somebody new without a topic changes nothing that others have.
            before.is_some() || !member.topics.is_empty()
        };
        if let Some(displaced) = displaced {
            let target = self.targets.get(displaced).cloned().unwrap_or_default();
            self.take(displaced);
            self.set_target(&member.id, target);
        }
        self.put(member);
        let patterns_changed = self.resolve_patterns(moment);
        self.begin_epoch_if(names_changed || regex_changed || patterns_changed, moment);
        Ok(names_changed || regex_changed)
    }

    /// Begins another epoch if there is a reason, or if the topics are others than they were.
    pub(super) fn begin_epoch_if(&mut self, reason: bool, moment: &Moment<'_>) {
        let version = moment.topics.version();
        if !reason && self.seen == Some(version) {
            return;
        }
        let patterns_changed = self.resolve_patterns(moment);
        self.seen = Some(version);
        let hash = self.hash_of_topics(moment.topics);
        if reason || patterns_changed || hash != self.metadata_hash {
            self.metadata_hash = hash;
            self.epoch += 1;
            self.unwritten.epoch = true;
        }
    }

    /// Looks up which topics the patterns stand for, if that may have changed. True if it has.
    fn resolve_patterns(&mut self, moment: &Moment<'_>) -> bool {
        let wanted: BTreeSet<&str> =
            self.members.values().map(|member| member.regex.as_str()).filter(|regex| !regex.is_empty()).collect();
        let version = moment.topics.version();
        let known = wanted.iter().all(|regex| self.regexes.contains_key(*regex));
        if known && wanted.len() == self.regexes.len() && (wanted.is_empty() || self.seen == Some(version)) {
            return false;
        }
        let names = moment.topics.names();
        let resolved: BTreeMap<String, StoredRegex> = wanted
            .into_iter()
            .map(|regex| {
                if let Some(known) = self.regexes.get(regex).filter(|_| self.seen == Some(version)) {
                    return (regex.to_owned(), known.clone());
                }
                let topics = matching(regex, &names);
                let known = self.regexes.get(regex).filter(|known| known.topics == topics);
                let resolved = known.cloned().unwrap_or_else(|| StoredRegex {
                    topics,
                    version: i64::try_from(version).unwrap_or(i64::MAX),
                    resolved_at_ms: moment.wall_ms,
                });
                (regex.to_owned(), resolved)
            })
            .collect();
        let topics_of = |all: &BTreeMap<String, StoredRegex>| -> BTreeSet<(String, BTreeSet<String>)> {
            all.iter().map(|(regex, resolved)| (regex.clone(), resolved.topics.clone())).collect()
        };
        let changed = topics_of(&resolved) != topics_of(&self.regexes);
        let gone = self.regexes.keys().filter(|regex| !resolved.contains_key(*regex)).cloned();
        let new = resolved.iter().filter(|(regex, new)| self.regexes.get(*regex) != Some(*new));
        self.unwritten.regexes.extend(gone.chain(new.map(|(regex, _)| regex.clone())));
        self.regexes = resolved;
        changed
    }

    /// Tells the subscribed topics, those that exist, from others, as Kafka does (KIP-1101); 0 for none.
    pub(super) fn hash_of_topics(&self, topics: &dyn Topology) -> i64 {
        let by_name = self.members.values().flat_map(|member| &member.topics);
        let by_regex = self.regexes.values().flat_map(|resolved| &resolved.topics);
        let names: BTreeSet<&String> = by_name.chain(by_regex).collect();
        let known = names.into_iter().filter_map(|name| topics.topic(name).map(|(id, count)| hash_of(id, name, count)));
        let hashes: Vec<u8> = known.flat_map(u64::to_le_bytes).collect();
        if hashes.is_empty() { 0 } else { xxh3_64(&hashes).cast_signed() }
    }
}

/// Kafka's hash of a topic whose brokers say no rack: a version, the id, the name with its length, and the partitions.
fn hash_of(id: Uuid, name: &str, partitions: i32) -> u64 {
    let (high, low) = id.as_u64_pair();
    let mut bytes = vec![0];
    bytes.extend(high.to_le_bytes());
    bytes.extend(low.to_le_bytes());
    let mut length = 0_i32;
    for unit in name.encode_utf16() {
        bytes.extend(unit.to_le_bytes());
        length += 1;
    }
    bytes.extend(length.to_le_bytes());
    bytes.extend(partitions.to_le_bytes());
    bytes.extend((0..partitions).flat_map(i32::to_le_bytes));
    xxh3_64(&bytes)
}

/// Whether a pattern can be resolved.
pub(super) fn check_regex(regex: &str) -> Result<(), Refused> {
    compile(regex).map(drop)
}

fn compile(regex: &str) -> Result<JavaRegex, Refused> {
    let compiled = JavaRegex::compile(regex).map(|compiled| compiled.limited(MAX_STEPS));
    compiled.map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().next().unwrap_or_default();
        Refused::new(
            ErrorCode::INVALID_REGULAR_EXPRESSION,
            format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {reason}."),
        )
    })
}

fn matching(regex: &str, names: &[String]) -> BTreeSet<String> {
    let Ok(compiled) = compile(regex) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for name in names {
        match compiled.matches_whole(name) {
            Ok(true) => drop(found.insert(name.clone())),
            Ok(false) => {}
            // It took too many steps, and would with the next name, too: all groups wait for this.
            Err(_) => return BTreeSet::new(),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_the_hash_that_kafka_4_3_gives_them() {
        let id = Uuid::from_u64_pair(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        let hashes =
            [hash_of(id, "t", 1), hash_of(id, "orders.eu", 3), hash_of(Uuid::from_u64_pair(1, 2), "many", 200)];
        assert_eq!(
            hashes.map(u64::cast_signed),
            [-293_094_115_513_245_642, 8_397_975_251_549_928_116, 6_607_997_527_239_982_171]
        );
    }
}
