//! Keys of ours about records that fail: what Connect has no word for. They stand apart from Connect's keys: where a
//! connector sets none of them, nothing shows them, and nothing of it happens.

use crate::{ConfigDef, ConfigMap, PluginKind};

/// The keys, to be read from a configuration parsed with [`sink_error_keys`] or [`source_error_keys`] beside Connect's.
pub mod names {
    use crate::{
        Importance::{Low, Medium},
        Key, Place, Width,
        connector_keys::names::{DLQ_REPLICATION_FACTOR, DLQ_TOPIC},
        keys,
    };

    const ERRORS: &str = "Error Handling";

    keys! {
        /// Keys of sinks.
        of_sinks:
        PUT_ISOLATE: bool = Key::boolean("errors.put.isolate")
            .default("false")
            .importance(Medium)
            .placed(Place::at(ERRORS, 9, Width::Short, "Isolate Records at Fault"))
            .doc("Whether a batch that the sink fails over is given to it again by halves, until the records at fault are found. Those follow `errors.tolerance`: with `all` they go to the dead letter queue, or are skipped, and everything else is delivered; with `none` the task fails and names the record. Each costs at most 2 log2(n) more calls of `put` for a batch of n records, and a batch never more than 2n. For sinks that may be given a record twice, as after every failure. A plugin that breaks, as by a trap, fails its task at once.");
        PUT_ISOLATE_MAX_IN_ROW: i32 = Key::int("errors.put.isolate.max.in.row")
            .default("10")
            .min(1)
            .importance(Low)
            .placed(Place::at(ERRORS, 10, Width::Short, "Most Records at Fault in a Row"))
            .doc("Records at fault one behind the other, with none between them that the sink has taken, after which the task fails: by then the fault is hardly theirs.");
        PUT_MAX_TRIES: i32 = Key::int("errors.put.max.tries")
            .default("0")
            .min(0)
            .importance(Medium)
            .placed(Place::at(ERRORS, 11, Width::Short, "Most Tries of a Batch"))
            .doc("How often a batch is given to a sink that wants it again, the first time included. After that it is divided (`errors.put.isolate`), each part with one try, or follows `errors.tolerance` as a whole. 0: without end, as in Connect.");
        PUT_RETRY_TIMEOUT: i64 = Key::long("errors.put.retry.timeout")
            .default("-1")
            .min(-1)
            .importance(Medium)
            .placed(Place::at(ERRORS, 12, Width::Short, "Retry Timeout of a Batch"))
            .doc("Milliseconds during which a batch is given to a sink that wants it again, with the same end. -1: without end, as in Connect.");
        DLQ_REPLAY_HEADERS: bool = Key::boolean("errors.deadletterqueue.replay.headers.enable")
            .default("false")
            .importance(Low)
            .placed(Place::at(ERRORS, 13, Width::Medium, "Enable Replay Headers"))
            .doc("Whether dead letters carry, beside Connect's context headers, which they have then too, headers that begin with `__millstream.errors.`: the plugin, its digest, the hash of the configuration, the record's timestamp.");
    }

    keys! {
        /// Keys of sources, beside those of Connect's sinks that they have too.
        of_sources:
        SOURCE_DLQ_HEADERS: bool = Key::boolean("errors.deadletterqueue.context.headers.enable")
            .default("true")
            .importance(Low)
            .placed(Place::at(ERRORS, 8, Width::Medium, "Enable Error Context Headers"))
            .doc("Whether dead letters carry headers, beginning with `__connect.errors.` and `__millstream.errors.`, that say what failed, where the record came from and was to go. Without them none can be replayed.");
    }

    /// Keys of sources in the order of the page.
    pub(super) fn all_of_sources() -> crate::ConfigDef {
        let mut def = crate::ConfigDef::of([DLQ_TOPIC.config_key(), DLQ_REPLICATION_FACTOR.config_key()]);
        def.define_all(&of_sources());
        def
    }
}

/// All of them that sinks have.
pub fn sink_error_keys() -> ConfigDef {
    names::of_sinks()
}

/// All of them that sources have.
pub fn source_error_keys() -> ConfigDef {
    names::all_of_sources()
}

/// All of them, for connectors of a kind.
pub(crate) fn record_error_keys(kind: PluginKind) -> ConfigDef {
    if kind == PluginKind::Sink { sink_error_keys() } else { source_error_keys() }
}

/// Whether a configuration of a connector of that kind sets one of them.
pub(crate) fn sets_record_errors(kind: PluginKind, config: &ConfigMap) -> bool {
    record_error_keys(kind).keys().iter().any(|key| config.contains_key(&key.name))
}
