//! Which versions of a plugin will do: what `….plugin.version` says, read as Connect reads it.

use std::{cmp::Ordering, fmt};

use crate::version::Version;

/// Versions of which any will do, the newest first: all of them, or those within ranges.
///
/// A version by itself means exactly that one; `latest` means all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Versions(Option<Vec<Range>>);

/// A text that is no range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidVersions(String);

/// Versions between two bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Range {
    lower: Option<String>,
    with_lower: bool,
    upper: Option<String>,
    with_upper: bool,
}

impl Versions {
    /// All versions.
    pub const ANY: Self = Self(None);

    /// Reads what a configuration says; nothing means all.
    ///
    /// # Errors
    ///
    /// It is no version and no list of ranges in ascending order. The texts are Connect's.
    pub fn parse(text: Option<&str>) -> Result<Self, InvalidVersions> {
        let Some(text) = text.filter(|text| *text != "latest") else { return Ok(Self::ANY) };
        let text = text.trim();
        let ranges = match ranges(text)? {
            ranges if ranges.is_empty() => ranges_of_one(text)?,
            ranges => ranges,
        };
        Ok(Self(Some(ranges)))
    }

    /// Whether all versions will do.
    pub fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// Whether this version will do.
    pub fn contain(&self, version: &str) -> bool {
        let Some(ranges) = &self.0 else { return true };
        let version = Version::parse(version);
        ranges.iter().any(|range| range.contains(&version))
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ranges) = &self.0 else { return f.write_str("latest") };
        let texts: Vec<String> = ranges.iter().map(Range::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |bound: &Option<String>| bound.clone().unwrap_or_default();
        f.write_str(if self.with_lower { "[" } else { "(" })?;
        write!(f, "{},{}", bound(&self.lower), bound(&self.upper))?;
        f.write_str(if self.with_upper { "]" } else { ")" })
    }
}

/// A version without brackets, with them.
fn ranges_of_one(version: &str) -> Result<Vec<Range>, InvalidVersions> {
    ranges(&format!("[{version}]"))
}

/// The ranges at the beginning of a text; none if it begins with something else.
fn ranges(text: &str) -> Result<Vec<Range>, InvalidVersions> {
    let refused = |what: &str| InvalidVersions(format!("{what}: {text}"));
    let mut ranges: Vec<Range> = Vec::new();
    let mut rest = text;
    while rest.starts_with(['[', '(']) {
        let end = rest.find([']', ')']).ok_or_else(|| refused("Unbounded range"))?;
        let range = Range::parse(&rest[..=end])?;
        if let Some(upper) = ranges.last().and_then(|last| last.upper.as_deref()) {
            let above = |lower: &str| Version::parse(lower).order(&Version::parse(upper)) != Ordering::Less;
            if !range.lower.as_deref().is_some_and(above) {
                return Err(refused("Ranges overlap"));
            }
        }
        ranges.push(range);
        rest = rest[end + 1..].trim();
        rest = rest.strip_prefix(',').map_or(rest, str::trim);
    }
    if !rest.is_empty() && !ranges.is_empty() {
        return Err(refused("Only fully-qualified sets allowed in multiple set scenario"));
    }
    Ok(ranges)
}

impl Range {
    /// Reads a text in brackets.
    fn parse(text: &str) -> Result<Self, InvalidVersions> {
        let refused = |what: &str| InvalidVersions(format!("{what}: {text}"));
        let (with_lower, with_upper) = (text.starts_with('['), text.ends_with(']'));
        let inner = text[1..text.len() - 1].trim();
        let Some((lower, upper)) = inner.split_once(',') else {
            if !with_lower || !with_upper {
                return Err(refused("Single version must be surrounded by []"));
            }
            let bound = Some(inner.to_owned());
            return Ok(Self { lower: bound.clone(), with_lower, upper: bound, with_upper });
        };
        let bound = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let range = Self { lower: bound(lower), with_lower, upper: bound(upper), with_upper };
        if let (Some(lower), Some(upper)) = (&range.lower, &range.upper) {
            let order = Version::parse(upper).order(&Version::parse(lower));
            if order == Ordering::Less || order == Ordering::Equal && !(with_lower && with_upper) {
                return Err(refused("Range defies version ordering"));
            }
        }
        Ok(range)
    }

    fn contains(&self, version: &Version) -> bool {
        let above = self.lower.as_ref().is_none_or(|lower| match Version::parse(lower).order(version) {
            Ordering::Less => true,
            Ordering::Equal => self.with_lower,
            Ordering::Greater => false,
        });
        above
            && self.upper.as_ref().is_none_or(|upper| match Version::parse(upper).order(version) {
                Ordering::Greater => true,
                Ordering::Equal => self.with_upper,
                Ordering::Less => false,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_hold_what_they_do_in_java() {
        let recorded = include_str!("../testdata/maven-versions.tsv");
        let of = |kind| recorded.lines().filter_map(move |line| line.strip_prefix(kind));
        let probes: Vec<&str> = of("probes\t").flat_map(|line| line.split('\t')).collect();
        let mut rows = 0;
        for row in of("range\t") {
            rows += 1;
            let columns: Vec<&str> = row.split('\t').collect();
            let found = match Versions::parse(Some(columns[0])) {
                Err(error) => vec!["error".to_owned(), format!("InvalidVersionSpecificationException: {error}")],
                Ok(versions) if versions.is_any() => vec!["any".to_owned()],
                Ok(versions) => {
                    let holds = |probe: &&str| if versions.contain(probe) { 'y' } else { 'n' };
                    vec!["range".to_owned(), versions.to_string(), probes.iter().map(holds).collect()]
                }
            };
            assert_eq!(found, columns[1..].iter().take(3).copied().collect::<Vec<_>>(), "{:?}", columns[0]);
        }
        assert!(50 < rows);
        assert!(Versions::parse(None).expect("nothing is no range").contain("anything"));
    }
}
