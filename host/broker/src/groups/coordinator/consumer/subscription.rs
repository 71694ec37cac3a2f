//! What the members want: topics by name and by pattern. Whatever changes that begins another epoch of the group.

use std::collections::{BTreeMap, BTreeSet};

use millstream_values::JavaRegex;
use millstream_wire::error_code::ErrorCode;

use super::{ConsumerGroup, Moment, Refused, member::ConsumerMember};
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

    /// Tells the subscribed topics, those that exist, from others: 64-bit FNV-1a over ids, names and partition counts.
    /// (Kafka uses another hash, so that a group from its log gets one more epoch.)
    pub(super) fn hash_of_topics(&self, topics: &dyn Topology) -> i64 {
        let by_name = self.members.values().flat_map(|member| &member.topics);
        let by_regex = self.regexes.values().flat_map(|resolved| &resolved.topics);
        let names: BTreeSet<&String> = by_name.chain(by_regex).collect();
        let mut hash = 0_u64;
        for name in names {
            let Some((id, partitions)) = topics.topic(name) else { continue };
            if hash == 0 {
                hash = 0xcbf2_9ce4_8422_2325;
            }
            let bytes = id.as_bytes().iter().chain(name.as_bytes()).copied().chain([0]).chain(partitions.to_be_bytes());
            for byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash.cast_signed()
    }
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
