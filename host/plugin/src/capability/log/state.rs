//! What a guest says: its log lines, its standard output and error. All of it goes to the host's log
//! under one rate limit; the last words of a call are kept, since a guest that panics leaves nothing else.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use millstream_config::secrets;
use millstream_metrics::PluginInstance;

use super::rate::RateLimit;
use super::{InstanceName, Level};

/// Longest line that is kept whole, in bytes.
const MAX_LINE: usize = 8 << 10;

/// Room in it for saying how much is missing.
const CUT_NOTE: usize = 64;

/// Last words that are kept, in bytes.
const MAX_LAST_WORDS: usize = 4 << 10;

/// Log of one instance.
pub(crate) struct GuestLog {
    name: InstanceName,
    lines_per_second: u32,
    metrics: Arc<PluginInstance>,
    inner: Mutex<Inner>,
}

struct Inner {
    rate: RateLimit,
    /// Lines of standard output and error that have not come to their end.
    unfinished: [Unfinished; 2],
    last_words: VecDeque<String>,
    last_words_bytes: usize,
}

/// A standard stream of a guest, and the level that its lines have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// The beginning of a line, and how much of it there is.
#[derive(Default)]
struct Unfinished {
    kept: Vec<u8>,
    len: usize,
}

impl GuestLog {
    pub(crate) fn new(name: InstanceName, lines_per_second: u32, metrics: Arc<PluginInstance>) -> Self {
        Self { name, lines_per_second, metrics, inner: Mutex::new(Inner::new(lines_per_second)) }
    }

    /// Whether the host's log keeps lines of this level.
    pub(crate) fn enabled(level: Level) -> bool {
        match level {
            Level::Trace => tracing::enabled!(target: "plugin", tracing::Level::TRACE),
            Level::Debug => tracing::enabled!(target: "plugin", tracing::Level::DEBUG),
            Level::Info => tracing::enabled!(target: "plugin", tracing::Level::INFO),
            Level::Warn => tracing::enabled!(target: "plugin", tracing::Level::WARN),
            Level::Error => tracing::enabled!(target: "plugin", tracing::Level::ERROR),
        }
    }

    /// Logs a line, or counts it as dropped.
    pub(crate) fn log(&self, level: Level, line: &str) {
        // Before it is cut, or half a secret would be left.
        let line = secrets::hide(Some(&self.name.connector), line);
        let line = truncated(&line);
        let admitted = {
            let mut inner = self.inner();
            if level == Level::Error {
                inner.remember(&line);
            }
            if !Self::enabled(level) {
                return;
            }
            inner.rate.admit(Instant::now())
        };
        match admitted {
            None => self.metrics.lines_dropped.add(1),
            Some(dropped) => {
                self.report_dropped(dropped);
                self.write(level, &line);
            }
        }
    }

    /// Takes what a guest wrote to a standard stream, line by line.
    pub(super) fn take(&self, stream: Stream, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let ended = {
                let line = &mut self.inner().unfinished[stream as usize];
                let room = (MAX_LINE - CUT_NOTE).saturating_sub(line.kept.len());
                line.kept.extend_from_slice(&piece[..piece.len().min(room)]);
                line.len += piece.len();
                piece.ends_with(b"\n").then(|| std::mem::take(line))
            };
            if let Some(line) = ended {
                self.line(stream, &line);
            }
        }
    }

    /// The guest ends, and with it the lines that it has begun.
    pub(crate) fn end_lines(&self) {
        for stream in [Stream::Output, Stream::Error] {
            let line = std::mem::take(&mut self.inner().unfinished[stream as usize]);
            self.line(stream, &line);
        }
    }

    fn line(&self, stream: Stream, Unfinished { kept, len }: &Unfinished) {
        let line = String::from_utf8_lossy(kept);
        let line = match len - kept.len() {
            0 => line.trim_end().into(),
            more => {
                let shown = secrets::hide_cut(Some(&self.name.connector), &line);
                format!("{shown} … ({more} more bytes)")
            }
        };
        if line.is_empty() {
            return;
        }
        // Rust's own advice after a panic, which nobody can follow here.
        if stream == Stream::Error && !line.starts_with("note: run with `RUST_BACKTRACE=1`") {
            let line = secrets::hide(Some(&self.name.connector), &line);
            self.inner().remember(&truncated(&line));
        }
        self.log(if stream == Stream::Error { Level::Warn } else { Level::Info }, &line);
    }

    /// A call begins: what was said before does not explain what happens in it.
    pub(crate) fn forget_last_words(&self) {
        let mut inner = self.inner();
        if !inner.last_words.is_empty() {
            inner.last_words.clear();
            inner.last_words_bytes = 0;
        }
    }

    /// What the guest wrote to its standard error or logged as errors since the call began.
    pub(crate) fn last_words(&self) -> Option<String> {
        let inner = self.inner();
        let words: Vec<&str> = inner.last_words.iter().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join("\n"))
    }

    /// Says how many lines were dropped.
    fn report_dropped(&self, dropped: u64) {
        if 0 < dropped {
            let rate = self.lines_per_second;
            let what = format!(
                "{dropped} lines of this plugin were dropped here: it may log {rate} lines a second (plugin.log.rate)"
            );
            self.write(Level::Warn, &what);
        }
    }

    /// A panic between the two halves of a change would end the instance; its log is then of no more use than an empty
    /// one.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| {
            self.inner.clear_poison();
            let mut inner = poisoned.into_inner();
            *inner = Inner::new(self.lines_per_second);
            inner
        })
    }

    fn write(&self, level: Level, line: &str) {
        let InstanceName { connector, task, plugin } = &self.name;
        let task = task.map(tracing::field::display);
        match level {
            Level::Trace => tracing::trace!(target: "plugin", connector, task, plugin, "{line}"),
            Level::Debug => tracing::debug!(target: "plugin", connector, task, plugin, "{line}"),
            Level::Info => tracing::info!(target: "plugin", connector, task, plugin, "{line}"),
            Level::Warn => tracing::warn!(target: "plugin", connector, task, plugin, "{line}"),
            Level::Error => tracing::error!(target: "plugin", connector, task, plugin, "{line}"),
        }
    }
}

impl Drop for GuestLog {
    /// No line follows that could say how many were dropped before it.
    fn drop(&mut self) {
        self.end_lines();
        let dropped = self.inner().rate.dropped;
        self.report_dropped(dropped);
    }
}

impl Inner {
    fn new(lines_per_second: u32) -> Self {
        let rate = RateLimit::new(lines_per_second, Instant::now());
        Self { rate, unfinished: Default::default(), last_words: VecDeque::new(), last_words_bytes: 0 }
    }

    fn remember(&mut self, line: &str) {
        self.last_words.push_back(line.to_owned());
        self.last_words_bytes += line.len();
        while MAX_LAST_WORDS < self.last_words_bytes && 1 < self.last_words.len() {
            let oldest = self.last_words.pop_front().expect("there are at least two lines");
            self.last_words_bytes -= oldest.len();
        }
    }
}

/// A line that is not too long, or its beginning and how much is missing.
fn truncated(line: &str) -> Cow<'_, str> {
    if line.len() <= MAX_LINE {
        return line.into();
    }
    let kept = line.floor_char_boundary(MAX_LINE - CUT_NOTE);
    format!("{} … ({} more bytes)", &line[..kept], line.len() - kept).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_log::Log;

    #[test]
    fn a_line_says_how_many_lines_were_dropped_before_the_next_and_before_the_end() {
        let (written, _guard) = Log::of_this_thread();
        let name = InstanceName { connector: "orders".into(), task: Some(3), plugin: "Odd".into() };
        let metrics = Arc::<PluginInstance>::default();
        let log = GuestLog::new(name, 2, Arc::clone(&metrics));
        let far = Instant::now() + Duration::from_secs(3600);
        let say = |lines: &[&str]| {
            for line in lines {
                // However long the test takes: a moment that lies ahead earns no lines.
                log.inner().rate.at = far;
                log.log(Level::Info, line);
            }
        };
        say(&["a", "b", "c", "d", "e"]);
        log.inner().rate.left = 2.0;
        say(&["f", "g", "h"]);
        drop(log);
        assert_eq!(metrics.lines_dropped.total(), 4);
        let by = r#"connector="orders" task=3 plugin="Odd""#;
        let dropped = |lines: u64| {
            let key = "it may log 2 lines a second (plugin.log.rate)";
            format!("WARN {lines} lines of this plugin were dropped here: {key} {by}")
        };
        let said = |line: &str| format!("INFO {line} {by}");
        let expected = [said("a"), said("b"), dropped(3), said("f"), said("g"), dropped(1)];
        assert_eq!(written.lines(), expected);
    }

    #[test]
    fn a_line_that_the_guest_did_not_finish_reaches_the_log_when_it_ends() {
        let (written, _guard) = Log::of_this_thread();
        let log = GuestLog::new(InstanceName { plugin: "Odd".into(), ..InstanceName::default() }, 10, Arc::default());
        log.take(Stream::Output, b"one\ntwo");
        log.take(Stream::Error, b"abort");
        log.take(Stream::Error, b"ed");
        assert_eq!(written.lines().len(), 1);
        log.end_lines();
        assert_eq!(log.last_words().as_deref(), Some("aborted"));
        log.take(Stream::Output, b"three");
        drop(log);
        let by = r#"connector="" plugin="Odd""#;
        let expected = ["INFO one", "INFO two", "WARN aborted", "INFO three"].map(|line| format!("{line} {by}"));
        assert_eq!(written.lines(), expected);
    }

    #[test]
    fn standard_error_is_cut_into_lines_and_its_end_is_kept() {
        let log = GuestLog::new(InstanceName::default(), 10, Arc::default());
        let take = |bytes: &[u8]| log.take(Stream::Error, bytes);
        take(b"thread panicked at ");
        take(b"lib.rs:1\nboom\n\npartial");
        assert_eq!(log.last_words().as_deref(), Some("thread panicked at lib.rs:1\nboom"));
        take(&[b'x'; 100_000]);
        take(b"\n");
        let words = log.last_words().unwrap();
        assert!(words.len() <= MAX_LINE, "one long line replaces the rest, and is cut");
        assert!(words.ends_with("x … (91880 more bytes)"), "{}", &words[words.len() - 40..]);
        log.forget_last_words();
        assert_eq!(log.last_words(), None);
    }
}
