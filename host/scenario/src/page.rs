//! JSON as it stands in a file: where a part of it is, and how it is written for people.

use serde_json::{Map, Value as Json};

/// Longest line of a document before it is broken.
const WIDTH: usize = 120;

/// The way from the outermost value to a part of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Name(String),
    Index(usize),
}

impl Path {
    /// A member of the object at this path.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        self.with(Step::Name(name.to_owned()))
    }

    /// An item of the list at this path.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// What stands there.
    pub fn find_mut<'j>(&self, json: &'j mut Json) -> Option<&'j mut Json> {
        self.0.iter().try_fold(json, |json, step| match step {
            Step::Name(name) => json.get_mut(name),
            Step::Index(index) => json.get_mut(index),
        })
    }

    /// The line of a text, from 1, in which the part begins; that of the nearest part around it if there is no such
    /// part. The text is JSON.
    pub fn line_in(&self, text: &str) -> usize {
        let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
        scanner.space();
        let mut found = scanner.at;
        for step in &self.0 {
            let Some(next) = scanner.enter(step) else { break };
            found = next;
        }
        1 + text.as_bytes()[..found.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
    }
}

/// Walks over JSON that has been parsed before, so that its form is known to be right.
struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while self.byte().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// Goes to a part of the value that begins here; where it begins, or its name.
    fn enter(&mut self, step: &Step) -> Option<usize> {
        let is_object = self.byte() == b'{';
        if !is_object && self.byte() != b'[' {
            return None;
        }
        self.at += 1;
        let mut index = 0;
        loop {
            self.space();
            if matches!(self.byte(), b'}' | b']' | 0) {
                return None;
            }
            let begin = self.at;
            let mut is_it = *step == Step::Index(index) && !is_object;
            if is_object {
                self.skip_text();
                let name = std::str::from_utf8(&self.bytes[begin..self.at]).unwrap_or_default();
                let name = serde_json::from_str::<String>(name).unwrap_or_default();
                is_it = *step == Step::Name(name);
                self.space();
                // The colon.
                self.at += 1;
                self.space();
            }
            if is_it {
                return Some(begin);
            }
            self.skip_value();
            self.space();
            if self.byte() == b',' {
                self.at += 1;
            }
            index += 1;
        }
    }

    fn skip_text(&mut self) {
        self.at += 1;
        while !matches!(self.byte(), b'"' | 0) {
            self.at += if self.byte() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.byte() {
                b'"' => self.skip_text(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                0 => return,
                _ => {
                    self.at += 1;
                    // A number or word ends where none of its letters follows.
                    if depth == 0 && !matches!(self.byte(), b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | 0) {
                        continue;
                    }
                }
            }
            if depth == 0 {
                return;
            }
        }
    }
}

/// A document for people: what fits into a line stands in one, and ends with one.
pub fn document(json: &Json) -> String {
    let mut text = lines(json, 0, 0, true);
    text.push('\n');
    text
}

/// JSON on one line, with spaces.
pub fn line(json: &Json) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match json {
        Json::Array(items) => format!("[{}]", joined(items.iter().map(line).collect())),
        Json::Object(members) => {
            let member = |(name, value): (&String, &Json)| format!("{}: {}", Json::from(name.as_str()), line(value));
            format!("{{{}}}", joined(members.iter().map(member).collect()))
        }
        other => other.to_string(),
    }
}

/// `taken` are the columns that stand before it in its line.
fn lines(json: &Json, indent: usize, taken: usize, broken: bool) -> String {
    let line = line(json);
    if !broken && indent + taken + line.chars().count() <= WIDTH {
        return line;
    }
    let pad = " ".repeat(indent + 2);
    let join = |parts: Vec<String>| parts.join(&format!(",\n{pad}"));
    match json {
        Json::Array(items) if !items.is_empty() => {
            let items = items.iter().map(|item| lines(item, indent + 2, 0, false)).collect();
            format!("[\n{pad}{}\n{}]", join(items), " ".repeat(indent))
        }
        Json::Object(members) if !members.is_empty() => {
            format!("{{\n{pad}{}\n{}}}", join(member_lines(members, indent)), " ".repeat(indent))
        }
        _ => line,
    }
}

fn member_lines(members: &Map<String, Json>, indent: usize) -> Vec<String> {
    let member = |(name, value): (&String, &Json)| {
        let name = Json::from(name.as_str()).to_string();
        format!("{name}: {}", lines(value, indent + 2, name.chars().count() + 2, false))
    };
    members.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_of_a_text_is_found_by_its_way() {
        let text = "{\"a\": [1, {\"x\": \"}\\\"\"},\n  {\"b\": -1.5e3,\n\"c\":\n true}],\n \"d\" : null}";
        let root = Path::default();
        let second = root.member("a").item(2);
        for (path, line) in [
            (root.clone(), 1),
            (root.member("a"), 1),
            (second.clone(), 2),
            (second.member("b"), 2),
            (second.member("c"), 3),
            (second.member("nowhere"), 2),
            (root.member("d"), 5),
            (root.member("d").member("e"), 5),
        ] {
            assert_eq!(path.line_in(text), line, "{path:?}");
        }
        let mut json: Json = serde_json::from_str(text).unwrap();
        *second.member("b").find_mut(&mut json).unwrap() = 7.into();
        assert_eq!(json["a"][2]["b"], 7);
    }

    #[test]
    fn a_document_is_broken_where_it_is_too_long() {
        let json = json!({"short": [1, 2], "long": ["x".repeat(70), "y".repeat(70)]});
        let (x, y) = ("x".repeat(70), "y".repeat(70));
        let expected = format!("{{\n  \"short\": [1, 2],\n  \"long\": [\n    \"{x}\",\n    \"{y}\"\n  ]\n}}\n");
        assert_eq!(document(&json), expected);
    }
}
