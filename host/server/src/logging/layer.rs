//! Where lines go: to standard error, and those about a connector to what is kept of it.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use millstream_rest::{LogLines, LogQuery};
use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    layer::{Context as Spans, Layer},
    registry::LookupSpan,
};

use super::{
    context::{self, Context},
    line::{Line, now, now_ms},
    loggers::PLUGINS,
    repeats::{RepeatLimit, Repeated, Repeats},
    rings::{RingLimits, Rings},
};

/// Until a configuration says otherwise.
const REPEATS: RepeatLimit = RepeatLimit { lines: 10, window: Duration::from_secs(30) };

/// As [`REPEATS`].
const RINGS: RingLimits = RingLimits { each: 64 << 10, total: 16 << 20 };

/// Records that failed: whoever wants them in the log (`errors.log.enable`) wants each.
const FAILED_RECORDS: &str = "org.apache.kafka.connect.runtime.errors.LogReporter";

/// Tells lines apart: the place in the code, whom it is about, and of a plugin's lines, which come from one place, what
/// they say.
type Kind = (Identifier, Option<String>, Option<Context>, u64);

/// Where the text of lines goes.
type Out = dyn Fn(&str) + Send + Sync;

/// What is written, how, and what is kept of it.
pub(super) struct Lines {
    json: AtomicBool,
    repeats: Mutex<Repeats<Kind, Line>>,
    /// Those of plugins, which would leave no room for others.
    repeats_of_plugins: Mutex<Repeats<Kind, Line>>,
    rings: Mutex<Rings>,
    out: Box<Out>,
}

/// Nothing panics while they are held; were it so, a line might be lost.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lines {
    /// Lines on standard error.
    pub(super) fn on_standard_error() -> Self {
        // Nothing can be done about a closed terminal.
        Self::to(|text| drop(std::io::stderr().lock().write_all(text.as_bytes())))
    }

    pub(super) fn to(out: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let [repeats, repeats_of_plugins] = [REPEATS; 2].map(|limit| Mutex::new(Repeats::new(limit)));
        let rings = Mutex::new(Rings::new(RINGS));
        Self { json: AtomicBool::new(false), repeats, repeats_of_plugins, rings, out: Box::new(out) }
    }

    pub(super) fn set_json(&self, json: bool) {
        self.json.store(json, Ordering::Relaxed);
    }

    pub(super) fn set_repeats(&self, limit: RepeatLimit) {
        for repeats in [&self.repeats, &self.repeats_of_plugins] {
            held(repeats).set_limit(limit);
        }
    }

    pub(super) fn set_rings(&self, limits: RingLimits) {
        held(&self.rings).set_limits(limits);
    }

    /// Forgets the lines about a connector.
    pub(super) fn forget(&self, connector: &str) {
        held(&self.rings).forget(connector);
    }

    /// The lines about a connector that are kept.
    pub(super) fn read(&self, connector: &str, query: &LogQuery) -> LogLines {
        held(&self.rings).read(connector, query)
    }

    /// Says how many lines were left out in windows that have ended, or in all.
    pub(super) fn tell_repeats(&self, all: bool) {
        let mut text = String::new();
        for repeats in [&self.repeats, &self.repeats_of_plugins] {
            let told = held(repeats).take(Instant::now(), all);
            for Repeated { sample, times, window } in told {
                text.push_str(&self.take(&sample.repeated(times, window.as_secs())));
            }
        }
        if !text.is_empty() {
            (self.out)(&text);
        }
    }

    /// Keeps a line and gives back its text.
    fn take(&self, line: &Line) -> String {
        let (time, json) = (now(), self.json.load(Ordering::Relaxed));
        let kept = line.context.as_ref().filter(|_| held(&self.rings).keeps());
        let object = (json || kept.is_some()).then(|| Value::Object(line.json(&time)).to_string());
        let text = match &object {
            Some(object) if json => format!("{object}\n"),
            _ => line.plain(&time),
        };
        if let (Some(context), Some(object)) = (kept, object) {
            held(&self.rings).keep(&context.connector, now_ms(), line.level, context.task, object);
        }
        text
    }

    fn admits(&self, event: &Event<'_>, line: &Line) -> bool {
        let metadata = event.metadata();
        if Level::WARN < *metadata.level() || metadata.target() == FAILED_RECORDS {
            return true;
        }
        let (mut repeats, mut said) = (&self.repeats, DefaultHasher::new());
        if metadata.target() == PLUGINS {
            repeats = &self.repeats_of_plugins;
            line.message.hash(&mut said);
        }
        let kind = (metadata.callsite(), line.connector().map(str::to_owned), line.context.clone(), said.finish());
        held(repeats).admit(kind, Instant::now(), || line.clone())
    }
}

/// [`Lines`] as what tracing writes to.
pub(super) struct Written(pub(super) Arc<Lines>);

impl<S> Layer<S> for Written
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, spans: Spans<'_, S>) {
        if context::is_context(attributes.metadata())
            && let Some(span) = spans.span(id)
        {
            span.extensions_mut().insert(Context::of(attributes));
        }
    }

    fn on_event(&self, event: &Event<'_>, spans: Spans<'_, S>) {
        let context = spans
            .event_scope(event)
            .and_then(|mut scope| scope.find_map(|span| span.extensions().get::<Context>().cloned()));
        let line = Line::of(event, context);
        self.0.tell_repeats(false);
        if self.0.admits(event, &line) {
            (self.0.out)(&self.0.take(&line));
        }
    }
}

#[cfg(test)]
mod tests;
