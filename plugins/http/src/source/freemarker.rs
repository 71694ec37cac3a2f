//! The part of FreeMarker's templates that requests are made with: `${offset.name}` with a few of its operators. Everything
//! else is refused when it is read, by name.

use std::collections::BTreeMap;

use super::timestamp;

/// Values by name, all text.
pub type Values = BTreeMap<String, String>;

/// A template that was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Value { name: String, or: Option<String>, built_ins: Vec<BuiltIn>, shown: String },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum BuiltIn {
    /// `?datetime.iso`, `?datetime`: text as a moment.
    Moment,
    /// `?long`: a moment in milliseconds, a number as it is.
    Long,
    /// `?c`, `?string`, `?number`: nothing changes, since everything is text.
    Same,
    Url,
    Upper,
    Lower,
    Trim,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// What of FreeMarker is not known here.
    pub fn parse(text: &str) -> Result<Self, String> {
        for directive in ["<#", "</#", "<@", "#{", "[#"] {
            if text.contains(directive) {
                return Err(format!(
                    "{directive} begins what is not known here: only ${{offset.NAME}} is, with ?datetime.iso?long, ?c, ?string, ?number, ?url, ?trim, ?upper_case, ?lower_case and !\"default\""
                ));
            }
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if at != 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let (inner, behind) =
                rest[at + 2..].split_once('}').ok_or_else(|| format!("{} has no end", &rest[at..]))?;
            parts.push(value(inner)?);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text with values.
    ///
    /// # Errors
    ///
    /// A name without value or default, or a value that is no moment.
    pub fn expand(&self, values: &Values) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.0 {
            let (name, or, built_ins, shown) = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Value { name, or, built_ins, shown } => (name, or, built_ins, shown),
            };
            let found = values.get(name).or(or.as_ref());
            let mut value = found.ok_or_else(|| format!("${{{shown}}} has no value (http.offset.initial)"))?.clone();
            for built_in in built_ins {
                value = match built_in {
                    BuiltIn::Moment => {
                        let ms = timestamp::parse_iso(&value);
                        ms.ok_or_else(|| format!("${{{shown}}}: {value} is no moment such as 2024-05-01T12:00:00Z"))?
                            .to_string()
                    }
                    BuiltIn::Long | BuiltIn::Same => value,
                    BuiltIn::Url => millstream_sdk::http::encode(&value),
                    BuiltIn::Upper => value.to_uppercase(),
                    BuiltIn::Lower => value.to_lowercase(),
                    BuiltIn::Trim => value.trim().to_owned(),
                };
            }
            out.push_str(&value);
        }
        Ok(out)
    }
}

fn value(inner: &str) -> Result<Part, String> {
    let unknown = |what: &str| format!("${{{inner}}}: {what} is not known here");
    let mut rest = inner.trim();
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
    let name = rest[..end].strip_prefix("offset.").unwrap_or(&rest[..end]);
    if name.is_empty() || name.contains('.') {
        return Err(unknown(if name.is_empty() { "an expression" } else { &rest[..end] }));
    }
    rest = rest[end..].trim_start();
    let (mut or, mut built_ins) = (None, Vec::new());
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('!') {
            let behind = behind.trim_start();
            let quote = behind
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\''))
                .ok_or_else(|| unknown("a default without quotes"))?;
            let (text, behind) = behind[1..].split_once(quote).ok_or_else(|| unknown("a text without an end"))?;
            or = Some(text.to_owned());
            rest = behind.trim_start();
        } else if let Some(behind) = rest.strip_prefix('?') {
            let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(behind.len());
            built_ins.push(match &behind[..end] {
                "datetime.iso" | "datetime" | "datetime.xs" => BuiltIn::Moment,
                "long" => BuiltIn::Long,
                "c" | "string" | "number" => BuiltIn::Same,
                "url" => BuiltIn::Url,
                "upper_case" => BuiltIn::Upper,
                "lower_case" => BuiltIn::Lower,
                "trim" => BuiltIn::Trim,
                other => return Err(unknown(&format!("?{other}"))),
            });
            rest = behind[end..].trim_start();
        } else {
            return Err(unknown(rest));
        }
    }
    Ok(Part::Value { name: name.to_owned(), or, built_ins, shown: inner.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: Result<&str, &str>) {
        let values = Values::from([
            ("id".to_owned(), "7".to_owned()),
            ("timestamp".to_owned(), "2024-05-01T12:00:00Z".to_owned()),
        ]);
        let found = Template::parse(template).and_then(|template| template.expand(&values));
        match expected {
            Ok(text) => assert_eq!(found.as_deref(), Ok(text)),
            Err(part) => assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{found:?}"),
        }
    }

    #[test]
    fn offsets_are_filled_in_and_what_is_not_known_is_named() {
        check("/a?id=${offset.id}&x=${id}", Ok("/a?id=7&x=7"));
        check("${offset.timestamp?datetime.iso?long}", Ok("1714564800000"));
        check("${offset.timestamp?url}", Ok("2024-05-01T12%3A00%3A00Z"));
        check("${offset.other!'none'} ${offset.other!\"\"?c}|", Ok("none |"));
        check("${offset.other}", Err("has no value (http.offset.initial)"));
        check("${offset.id?datetime.iso?long}", Err("7 is no moment"));
        check("<#if offset.id??>x</#if>", Err("<# begins what is not known here"));
        check("${offset.id?html}", Err("?html is not known here"));
        check("${offset.id + 1}", Err("+ 1 is not known here"));
        check("${.now}", Err("is not known here"));
        check("${offset.id", Err("has no end"));
    }
}
