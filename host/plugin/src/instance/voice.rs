//! What a guest says: its log lines, its standard output and error. All of it goes to the host's log
//! under one rate limit; the last words of a call are kept, since a guest that panics leaves nothing else.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Longest line that is kept whole, in bytes.
const MAX_LINE: usize = 8 << 10;

/// Room in it for saying how much is missing.
const CUT_NOTE: usize = 64;

/// Last words that are kept, in bytes.
const MAX_LAST_WORDS: usize = 4 << 10;

/// Where the lines of an instance belong.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Speaker {
    pub(crate) connector: String,
    pub(crate) task: Option<u32>,
    pub(crate) plugin: String,
}

/// Levels as the contract has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Log of one instance.
pub(crate) struct Voice {
    speaker: Speaker,
    lines_per_second: u32,
    inner: Mutex<Inner>,
}

struct Inner {
    rate: RateLimit,
    last_words: VecDeque<String>,
    last_words_bytes: usize,
}

impl Voice {
    pub(crate) fn new(speaker: Speaker, lines_per_second: u32) -> Self {
        Self { speaker, lines_per_second, inner: Mutex::new(Inner::new(lines_per_second)) }
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
    pub(crate) fn say(&self, level: Level, line: &str) {
        let line = truncated(line);
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
            None => {}
            Some(dropped) => {
                self.confess(dropped);
                self.emit(level, &line);
            }
        }
    }

    /// Keeps a line for the report of a trap, as [`Self::say`] does with errors.
    fn remember(&self, line: &str) {
        self.inner().remember(&truncated(line));
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
    fn confess(&self, dropped: u64) {
        if 0 < dropped {
            let rate = self.lines_per_second;
            let what = format!(
                "{dropped} lines of this plugin were dropped here: it may log {rate} lines a second (plugin.log.rate)"
            );
            self.emit(Level::Warn, &what);
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

    fn emit(&self, level: Level, line: &str) {
        let Speaker { connector, task, plugin } = &self.speaker;
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

impl Drop for Voice {
    /// No line follows that could say how many were dropped before it.
    fn drop(&mut self) {
        let dropped = self.inner().rate.dropped;
        self.confess(dropped);
    }
}

impl Inner {
    fn new(lines_per_second: u32) -> Self {
        let rate = RateLimit::new(lines_per_second, Instant::now());
        Self { rate, last_words: VecDeque::new(), last_words_bytes: 0 }
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

/// So many lines a second, with a second's worth in advance.
struct RateLimit {
    per_second: f64,
    left: f64,
    at: Instant,
    dropped: u64,
}

impl RateLimit {
    fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.into(), left: per_second.into(), at: now, dropped: 0 }
    }

    /// Whether a line may pass, and how many were dropped before it.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let earned = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(self.per_second);
        self.at = now;
        if self.left < 1.0 {
            self.dropped += 1;
            return None;
        }
        self.left -= 1.0;
        Some(std::mem::take(&mut self.dropped))
    }
}

/// A standard stream of a guest, cut into lines.
pub(crate) struct StandardStream {
    voice: Arc<Voice>,
    level: Level,
    pending: Arc<Mutex<Pending>>,
}

/// A line under way: its beginning, and how much of it there is.
#[derive(Default)]
struct Pending {
    kept: Vec<u8>,
    len: usize,
}

impl StandardStream {
    pub(crate) fn new(voice: Arc<Voice>, level: Level) -> Self {
        Self { voice, level, pending: Arc::default() }
    }

    fn same(&self) -> Self {
        Self { voice: Arc::clone(&self.voice), level: self.level, pending: Arc::clone(&self.pending) }
    }

    fn take(&self, bytes: &[u8]) {
        let mut pending = self.pending.lock().expect("nothing in here panics");
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = (MAX_LINE - CUT_NOTE).saturating_sub(pending.kept.len());
            pending.kept.extend_from_slice(&piece[..piece.len().min(room)]);
            pending.len += piece.len();
            if piece.ends_with(b"\n") {
                let Pending { kept, len } = std::mem::take(&mut *pending);
                self.line(&kept, len - kept.len());
            }
        }
    }

    /// A line came to its end, or the beginning of one of which so many bytes more were not kept.
    fn line(&self, kept: &[u8], more: usize) {
        let line = String::from_utf8_lossy(kept);
        let line = match more {
            0 => line.trim_end().into(),
            _ => format!("{line} … ({more} more bytes)"),
        };
        if line.is_empty() {
            return;
        }
        // Rust's own advice after a panic, which nobody can follow here.
        if self.level == Level::Warn && !line.starts_with("note: run with `RUST_BACKTRACE=1`") {
            self.voice.remember(&line);
        }
        self.voice.say(self.level, &line);
    }
}

impl IsTerminal for StandardStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for StandardStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.same())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.same())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for StandardStream {
    async fn ready(&mut self) {}
}

impl OutputStream for StandardStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for StandardStream {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{self, Write as _};
    use std::time::Duration;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::subscriber::set_default;
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Lines of the host's log as `LEVEL message key=value`.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            let name = if field.name() == "message" { String::new() } else { format!("{}=", field.name()) };
            write!(self.0, " {name}{value:?}").unwrap();
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_line_says_how_many_lines_were_dropped_before_the_next_and_before_the_end() {
        let log = Log::default();
        let _guard = set_default(log.clone());
        let speaker = Speaker { connector: "orders".into(), task: Some(3), plugin: "Odd".into() };
        let voice = Voice::new(speaker, 2);
        let far = Instant::now() + Duration::from_secs(3600);
        let say = |lines: &[&str]| {
            for line in lines {
                // However long the test takes: a moment that lies ahead earns no lines.
                voice.inner().rate.at = far;
                voice.say(Level::Info, line);
            }
        };
        say(&["a", "b", "c", "d", "e"]);
        voice.inner().rate.left = 2.0;
        say(&["f", "g", "h"]);
        drop(voice);
        let by = r#"connector="orders" task=3 plugin="Odd""#;
        let dropped = |lines: u64| {
            let key = "it may log 2 lines a second (plugin.log.rate)";
            format!("WARN {lines} lines of this plugin were dropped here: {key} {by}")
        };
        let said = |line: &str| format!("INFO {line} {by}");
        let expected = [said("a"), said("b"), dropped(3), said("f"), said("g"), dropped(1)];
        assert_eq!(*log.0.lock().unwrap(), expected);
    }

    #[test]
    fn lines_beyond_the_rate_are_counted_until_one_passes() {
        let start = Instant::now();
        let mut rate = RateLimit::new(2, start);
        assert_eq!(rate.admit(start), Some(0));
        assert_eq!(rate.admit(start), Some(0));
        assert_eq!(rate.admit(start), None);
        assert_eq!(rate.admit(start), None);
        assert_eq!(rate.admit(start + Duration::from_millis(500)), Some(2));
        assert_eq!(rate.admit(start + Duration::from_millis(500)), None);
    }

    #[test]
    fn standard_error_is_cut_into_lines_and_its_end_is_kept() {
        let voice = Arc::new(Voice::new(Speaker::default(), 10));
        let stream = StandardStream::new(Arc::clone(&voice), Level::Warn);
        stream.take(b"thread panicked at ");
        stream.take(b"lib.rs:1\nboom\n\npartial");
        assert_eq!(voice.last_words().as_deref(), Some("thread panicked at lib.rs:1\nboom"));
        stream.take(&[b'x'; 100_000]);
        stream.take(b"\n");
        let words = voice.last_words().unwrap();
        assert!(words.len() <= MAX_LINE, "one long line replaces the rest, and is cut");
        assert!(words.ends_with("x … (91880 more bytes)"), "{}", &words[words.len() - 40..]);
        voice.forget_last_words();
        assert_eq!(voice.last_words(), None);
    }
}
