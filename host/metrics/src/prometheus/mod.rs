//! The text that Prometheus scrapes, in its two formats: 0.0.4 and OpenMetrics 1.0.0.
//!
//! Names follow one rule from those of the table, see [`name`]. A group is shown whole or, where the limit of series is
//! reached, not at all; how much is missing is said by two series of its own.

mod custom;
mod names;
mod text;

use std::sync::Arc;

use crate::custom::Custom;
use crate::registry::Labels;
use crate::shown::{Shown, ShownGroup};
use crate::table::Group;
use crate::{Exposition, MetricsCount, all_groups};

use names::label;
pub use names::name;
use text::Text;

/// How a page is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// What every version of Prometheus reads.
    Plain,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The media type to announce.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The one that a caller with these `Accept` headers likes better; plain text if it says nothing of either.
    pub fn accepted<'a>(headers: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut plain, mut open) = (0.0_f32, 0.0_f32);
        for range in headers.into_iter().flat_map(|header| header.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<(&str, &str)> = parts.filter_map(|parameter| parameter.split_once('=')).collect();
            let of = |name: &str| parameters.iter().find(|(known, _)| known.trim().eq_ignore_ascii_case(name));
            let quality = of("q").map_or(Some(1.0), |(_, value)| value.trim().parse().ok()).unwrap_or(0.0);
            match media.as_str() {
                // An older version, 0.0.1, is another format.
                "application/openmetrics-text" if of("version").is_none_or(|(_, value)| value.trim() == "1.0.0") => {
                    open = open.max(quality);
                }
                "text/plain" | "text/*" | "*/*" => plain = plain.max(quality),
                _ => {}
            }
        }
        if 0.0 < open && plain <= open { Self::OpenMetrics } else { Self::Plain }
    }
}

/// How many series an attribute takes.
fn series(shown: &Shown) -> usize {
    match shown {
        // One more for all, the sum and the count.
        Shown::Buckets { up_to, .. } => up_to.len() + 3,
        _ => 1,
    }
}

/// What the plugins of connectors and tasks count themselves, by labels.
pub type Plugins = Vec<(Labels, Arc<Custom>)>;

/// Leaves out whole groups beyond `max_series`, those of the kinds that come last in the table first; before them what plugins
/// count themselves. How many series are left, and how many are not, is added, and how many metrics there are.
pub fn limited(mut groups: Vec<ShownGroup>, plugins: &mut Plugins, max_series: usize) -> Vec<ShownGroup> {
    let order = |group: &ShownGroup| {
        let is_it = |known: &&crate::GroupDefinition| std::ptr::eq(*known, group.definition);
        all_groups().iter().position(is_it).unwrap_or(usize::MAX)
    };
    groups.sort_by_key(order);
    let (mut kept, mut left_out) = (0, 0);
    groups.retain(|group| {
        let more: usize = group.attributes.iter().map(|(_, shown)| series(shown)).sum();
        let fits = kept + more <= max_series;
        *(if fits { &mut kept } else { &mut left_out }) += more;
        fits
    });
    plugins.retain(|(_, custom)| {
        let more = custom.metrics().len() + 2 * custom.progress().len();
        let fits = kept + more <= max_series;
        *(if fits { &mut kept } else { &mut left_out }) += more;
        fits
    });
    // With those that are added here.
    let own = Exposition::DEFINITION.attributes.len() + MetricsCount::DEFINITION.attributes.len();
    let metrics = own + groups.iter().map(|group| group.attributes.len()).sum::<usize>();
    let count = MetricsCount::DEFINITION.attributes.iter().map(|attribute| (attribute, Shown::Whole(metrics as i128)));
    groups.push(ShownGroup {
        definition: MetricsCount::DEFINITION,
        labels: Labels::none(),
        attributes: count.collect(),
    });
    let values = [kept, left_out].map(|count| Shown::Whole(count as i128));
    let attributes = Exposition::DEFINITION.attributes.iter().zip(values).collect();
    groups.push(ShownGroup { definition: Exposition::DEFINITION, labels: Labels::none(), attributes });
    groups
}

/// The page of these groups, and of what plugins count themselves.
pub fn page(groups: &[ShownGroup], plugins: &Plugins, format: Format) -> String {
    let mut text = Text::new(format);
    // The format wants all series of a name in one place, and groups of several kinds may have a name in common.
    for definition in all_groups() {
        for attribute in definition.attributes {
            let of_kind = groups.iter().filter(|group| std::ptr::eq(group.definition, definition));
            let mut shown = of_kind
                .filter_map(|group| {
                    let (_, shown) = group.attributes.iter().find(|(known, _)| std::ptr::eq(*known, attribute))?;
                    Some((&group.labels, shown))
                })
                .peekable();
            if shown.peek().is_some() {
                let name = name(definition, attribute);
                text.family(&name, attribute.statistic, attribute.help);
                shown.for_each(|(labels, shown)| text.series(&name, attribute.name, labels, shown));
            }
        }
    }
    custom::write(plugins, &mut text);
    text.end()
}

#[cfg(test)]
mod tests;
