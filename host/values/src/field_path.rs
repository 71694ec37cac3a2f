//! Paths to fields, as `field.syntax.version` reads them.

use crate::JavaError;

/// How the text of a path is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PathSyntax {
    /// The whole text is one name.
    #[default]
    V1,
    /// Names separated by dots; backticks around a name with dots.
    V2,
}

impl PathSyntax {
    /// `V1` or `V2` in any case; nothing else, blanks included.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "V1" | "v1" => Some(Self::V1),
            "V2" | "v2" => Some(Self::V2),
            _ => None,
        }
    }
}

/// The names that lead to a field, outermost first. Empty only for the empty path under V2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldPath {
    text: String,
    steps: Vec<String>,
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// A ConfigException if a backtick under V2 has no partner.
    pub fn parse(text: &str, syntax: PathSyntax) -> Result<Self, JavaError> {
        let steps = match syntax {
            PathSyntax::V1 => vec![text.to_owned()],
            PathSyntax::V2 => scan(text)?,
        };
        Ok(Self { text: text.to_owned(), steps })
    }

    /// The names, outermost first.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn scan(path: &str) -> Result<Vec<String>, JavaError> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let after = if let Some(quoted) = rest.strip_prefix('`') {
            let (step, after) = quoted_step(quoted).ok_or_else(|| incomplete(path, path.len() - rest.len()))?;
            steps.push(step);
            after
        } else {
            let (step, after) = rest.split_once('.').map_or((rest, None), |(step, after)| (step, Some(after)));
            steps.push(step.to_owned());
            after
        };
        match after {
            // A dot at the end is followed by a nameless step.
            Some("") => {
                steps.push(String::new());
                break;
            }
            Some(after) => rest = after,
            None => break,
        }
    }
    Ok(steps)
}

/// Reads up to the closing backtick: the name, and what follows the dot after it. `None` if nothing closes it.
fn quoted_step(text: &str) -> Option<(String, Option<&str>)> {
    let mut step = String::new();
    let mut rest = text;
    loop {
        let at = rest.find('`')?;
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let escaped = before.ends_with('\\');
        if !after.is_empty() && !after.starts_with('.') {
            // Neither at the end of a name nor escaped: a backtick like any other character.
            step.push_str(before);
            step.push('`');
        } else if !escaped {
            step.push_str(before);
            return Some((step, after.strip_prefix('.')));
        } else if after.is_empty() {
            return None;
        } else {
            step.push_str(&before[..before.len() - 1]);
            step.push('`');
        }
        rest = after;
    }
}

fn incomplete(path: &str, at: usize) -> JavaError {
    let position = path[..at].encode_utf16().count();
    JavaError::config(format!(
        "Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position \
         {position} to escape it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_syntax_splits_at_dots_outside_backticks() {
        check("", &[]);
        check("a.b", &["a", "b"]);
        check("`a.b`.c", &["a.b", "c"]);
        check("a.`b.c`", &["a", "b.c"]);
        check("`x`y`", &["x`y"]);
        check("x`y", &["x`y"]);
        check("a.", &["a", ""]);
        check(".", &["", ""]);
        check("a..d", &["a", "", "d"]);
        check("````", &["``"]);
        check(r"a.`b\`.c`.d", &["a", "b`.c", "d"]);
    }

    #[track_caller]
    fn check(path: &str, expected: &[&str]) {
        let parsed = FieldPath::parse(path, PathSyntax::V2).map(|path| path.steps);
        assert_eq!(parsed, Ok(expected.iter().map(|step| (*step).to_owned()).collect()));
    }

    #[test]
    fn a_backtick_without_partner_is_named_by_its_place() {
        let error = FieldPath::parse("a.`b", PathSyntax::V2).expect_err("the backtick is open");
        assert_eq!(
            error.message(),
            "Incomplete backtick pair in path: [a.`b], consider adding a backslash before backtick at position 2 to escape it"
        );
        assert!(FieldPath::parse(r"`a\`", PathSyntax::V2).is_err());
    }

    #[test]
    fn the_first_syntax_takes_the_text_as_it_is() {
        let path = FieldPath::parse("a.`b", PathSyntax::V1).expect("any text is a name");
        assert_eq!(path.steps(), ["a.`b"]);
    }

    proptest::proptest! {
        #[test]
        fn scanning_is_total(path in "[a.`\\\\é]{0,12}") {
            let _ = FieldPath::parse(&path, PathSyntax::V2);
        }
    }
}
