//! One line of the log: what it says, without secrets, and how it looks, plain or as JSON.

use std::{
    borrow::Cow,
    fmt::{Debug, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use millstream_config::secrets;
use serde_json::{Map, Value};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime, SystemTime as Rfc3339},
};

use super::{
    context::Context,
    loggers::{PLUGINS, logger_of},
};

/// What a line is made of has these names in JSON; a field of the same name is written with `field.` in front.
const OWN: [&str; 8] = ["timestamp", "level", "logger", "thread", "context", "connector", "task", "message"];

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) context: Option<Context>,
    /// The connector that a line without context names.
    connector: Option<String>,
    logger: Cow<'static, str>,
    thread: String,
    pub(super) message: String,
    fields: Vec<(&'static str, Text)>,
}

/// The value of a field.
#[derive(Clone, Debug)]
enum Text {
    /// A text, which is quoted in plain lines.
    Quoted(String),
    /// What is shown as it is.
    Shown(String),
    /// A number or a truth value.
    Value(Value),
}

impl Line {
    /// What an event says, in its context, without the secrets of the connector that it is about.
    pub(super) fn of(event: &Event<'_>, context: Option<Context>) -> Self {
        let metadata = event.metadata();
        let mut found = Found::default();
        event.record(&mut found);
        let Found { mut message, mut fields } = found;
        let named = |name: &str| {
            let field = fields.iter().find(|(field, _)| *field == name);
            field.and_then(|(_, text)| match text {
                Text::Quoted(text) | Text::Shown(text) => Some(text.clone()),
                Text::Value(_) => None,
            })
        };
        let class = (metadata.target() == PLUGINS).then(|| named("plugin")).flatten();
        let logger = class.map_or_else(|| logger_of(metadata.target()), Cow::Owned);
        let connector = named("connector").filter(|name| !name.is_empty());
        let of = context.as_ref().map(|context| &*context.connector).or(connector.as_deref());
        hide(of, &mut message);
        for (_, field) in &mut fields {
            if let Text::Quoted(text) | Text::Shown(text) = field {
                hide(of, text);
            }
        }
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let level = *metadata.level();
        Self { level, context, connector, logger, thread, message, fields }
    }

    /// Says that lines like this one were left out.
    pub(super) fn repeated(mut self, times: u64, seconds: u64) -> Self {
        let _ = write!(self.message, " … repeated {} times in {seconds} s", with_commas(times));
        self.fields.push(("repeated", Text::Value(times.into())));
        self
    }

    /// The connector that it is about.
    pub(super) fn connector(&self) -> Option<&str> {
        self.context.as_ref().map(|context| &*context.connector).or(self.connector.as_deref())
    }

    /// As people read it, with its end.
    pub(super) fn plain(&self, time: &str) -> String {
        let mut line = format!("{time} {:>5} ", self.level.as_str());
        if let Some(context) = &self.context {
            line.push_str(&context.shown());
            line.push(' ');
        }
        push_visible(&mut line, &self.message);
        for (name, text) in &self.fields {
            if self.context.is_some() && ["connector", "task", "of"].contains(name) {
                continue;
            }
            let _ = match text {
                Text::Quoted(text) => write!(line, " {name}={text:?}"),
                Text::Value(value) => write!(line, " {name}={value}"),
                Text::Shown(text) => {
                    let _ = write!(line, " {name}=");
                    push_visible(&mut line, text);
                    Ok(())
                }
            };
        }
        line.push('\n');
        line
    }

    /// As an object.
    pub(super) fn json(&self, time: &str) -> Map<String, Value> {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
        put("timestamp", time.into());
        put("level", self.level.as_str().into());
        put("logger", (*self.logger).into());
        put("thread", self.thread.clone().into());
        if let Some(context) = &self.context {
            put("context", context.shown().into());
        }
        if let Some(connector) = self.connector() {
            put("connector", connector.into());
        }
        if let Some(task) = self.context.as_ref().and_then(|context| context.task) {
            put("task", task.into());
        }
        put("message", self.message.clone().into());
        for (name, text) in &self.fields {
            let value = match text {
                Text::Quoted(text) | Text::Shown(text) => Value::from(text.clone()),
                Text::Value(value) => value.clone(),
            };
            match *name {
                // Said already.
                "connector" => {}
                "task" | "of" if self.context.is_some() => {}
                name if OWN.contains(&name) => put(&format!("field.{name}"), value),
                name => put(name, value),
            }
        }
        line
    }
}

/// A time as lines have it.
pub(super) fn now() -> String {
    let mut time = String::new();
    // A string takes everything.
    let _ = Rfc3339.format_time(&mut Writer::new(&mut time));
    time
}

/// Milliseconds of Unix time.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn hide(connector: Option<&str>, text: &mut String) {
    if let Cow::Owned(hidden) = secrets::hide(connector, text) {
        *text = hidden;
    }
}

/// Appends a text of which nothing can change what stands on a terminal before it.
fn push_visible(line: &mut String, text: &str) {
    if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return line.push_str(text);
    }
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[derive(Default)]
struct Found {
    message: String,
    fields: Vec<(&'static str, Text)>,
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), Text::Quoted(value.to_owned())));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), Text::Value(value.into())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), Text::Value(value.into())));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), Text::Value(value.into())));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push((field.name(), Text::Shown(format!("{value:?}"))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_groups_of_three_digits() {
        for (number, expected) in [(0, "0"), (999, "999"), (4211, "4,211"), (1_234_567, "1,234,567")] {
            assert_eq!(with_commas(number), expected);
        }
    }

    #[test]
    fn what_would_steer_a_terminal_is_escaped() {
        let mut line = String::new();
        push_visible(&mut line, "a\u{1b}[2Jb\r\nc\td");
        assert_eq!(line, "a\\u{1b}[2Jb\\r\nc\td");
    }
}
