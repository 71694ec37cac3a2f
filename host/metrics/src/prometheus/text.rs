//! Lines of a page.

use std::fmt::Write;

use super::{Format, label};
use crate::registry::Labels;
use crate::shown::Shown;
use crate::table::Statistic;

/// A page that is being written.
pub(super) struct Text {
    format: Format,
    page: String,
}

/// The format's word for what an attribute is.
fn kind(name: &str, statistic: Statistic, format: Format) -> &'static str {
    match statistic {
        Statistic::Total if name.ends_with("_total") => "counter",
        // Names of Connect's that do not end as a counter's have to.
        Statistic::Total if format == Format::OpenMetrics => "unknown",
        Statistic::Total => "untyped",
        Statistic::Buckets => "histogram",
        _ => "gauge",
    }
}

/// A number as both formats have it.
fn number(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number < 0.0 { "-Inf".to_owned() } else { "+Inf".to_owned() }
    } else {
        number.to_string()
    }
}

fn push_escaped(page: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => page.push_str("\\\\"),
            '\n' => page.push_str("\\n"),
            '"' if quotes => page.push_str("\\\""),
            c => page.push(c),
        }
    }
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self { format, page: String::new() }
    }

    /// What is said once of all series of a name.
    pub(super) fn family(&mut self, name: &str, statistic: Statistic, help: &str) {
        let kind = kind(name, statistic, self.format);
        // OpenMetrics names a counter without the end that its series have.
        let name = match (self.format, kind) {
            (Format::OpenMetrics, "counter") => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let page = &mut self.page;
        page.push_str("# HELP ");
        page.push_str(name);
        page.push(' ');
        push_escaped(page, help, self.format == Format::OpenMetrics);
        writeln!(page, "\n# TYPE {name} {kind}").expect("writing to a string cannot fail");
    }

    /// The series of one group.
    pub(super) fn series(&mut self, name: &str, attribute: &str, labels: &Labels, shown: &Shown) {
        match shown {
            Shown::Number(value) => self.line(name, "", labels, None, &number(*value)),
            Shown::Whole(value) => self.line(name, "", labels, None, &value.to_string()),
            Shown::Text(text) => self.line(name, "", labels, Some((attribute, text)), "1"),
            Shown::Buckets { up_to, count, sum } => {
                for (bound, count) in up_to {
                    self.line(name, "_bucket", labels, Some(("le", &bound_text(*bound))), &count.to_string());
                }
                self.line(name, "_bucket", labels, Some(("le", "+Inf")), &count.to_string());
                self.line(name, "_sum", labels, None, &number(*sum));
                self.line(name, "_count", labels, None, &count.to_string());
            }
        }
    }

    fn line(&mut self, name: &str, end: &str, labels: &Labels, more: Option<(&str, &str)>, value: &str) {
        let page = &mut self.page;
        page.push_str(name);
        page.push_str(end);
        let own = labels.pairs().iter().map(|(name, value)| (*name, value.as_str()));
        for (place, (name, value)) in own.chain(more).enumerate() {
            page.push(if place == 0 { '{' } else { ',' });
            page.push_str(&label(name));
            page.push_str("=\"");
            push_escaped(page, value, true);
            page.push('"');
        }
        if !labels.pairs().is_empty() || more.is_some() {
            page.push('}');
        }
        page.push(' ');
        page.push_str(value);
        page.push('\n');
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.page.push_str("# EOF\n");
        }
        self.page
    }
}

/// A bound always has a decimal point, as OpenMetrics wants it.
fn bound_text(bound: f64) -> String {
    format!("{bound:?}")
}
