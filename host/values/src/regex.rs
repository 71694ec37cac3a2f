//! Java regular expressions: `java.util.regex` as far as connector configurations reach it.
//!
//! The pattern is parsed by Java's rules and run by a backtracking matcher of our own, because the
//! meaning of a pattern (what `$`, `\b`, `(?i)`, `[a-z&&[^b]]` or a possessive loop mean, which of
//! several matches wins) must be Java's to the letter. Where Java would run without end, a bound on
//! the number of steps ends the match with an error.
//!
//! Refused with a message of our own, never read differently: blocks (`\p{InGreek}`), `\p{javaMirrored}`,
//! `\X`, `\b{g}`, `\N{name}`, nesting beyond [`MAX_DEPTH`] and patterns beyond [`MAX_PATTERN`].

use crate::{
    JavaError,
    regex_match::{Matcher, Program},
    regex_parse::parse,
};

/// Deepest nesting of groups and character classes.
pub const MAX_DEPTH: usize = 250;
/// Longest pattern, in characters.
pub const MAX_PATTERN: usize = 65_536;

/// A compiled pattern. Cheap to share: matching needs no lock and changes nothing.
#[derive(Debug)]
pub struct JavaRegex {
    program: Program,
    names: Vec<(String, usize)>,
}

/// Why a text is not a pattern, in the words of Java's `PatternSyntaxException`:
/// `Unclosed group near index 1`, a line break, the pattern, and on a third line the place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidRegex {
    message: String,
}

impl InvalidRegex {
    /// `index` counts characters of `pattern`; negative for none.
    pub(crate) fn new(description: &str, pattern: &[char], index: isize) -> Self {
        let mut message = description.to_owned();
        if 0 <= index {
            message.push_str(&format!(" near index {index}"));
        }
        message.push('\n');
        message.extend(pattern);
        if 0 <= index && (index as usize) < pattern.len() {
            message.push('\n');
            message.extend(std::iter::repeat_n(' ', index as usize));
            message.push('^');
        }
        Self { message }
    }
}

impl JavaRegex {
    /// Compiles `Pattern.compile(pattern)`.
    ///
    /// # Errors
    ///
    /// What Java refuses, and the constructs that the module's description lists.
    pub fn compile(pattern: &str) -> Result<Self, InvalidRegex> {
        let parsed = parse(pattern)?;
        Ok(Self { program: Program::new(&parsed.root, parsed.groups), names: parsed.names })
    }

    /// Number of capturing groups, not counting the whole match.
    pub fn group_count(&self) -> usize {
        self.program.groups() - 1
    }

    /// `Matcher.matches`: whether the pattern covers the whole text.
    ///
    /// # Errors
    ///
    /// The match took too many steps.
    pub fn matches_whole(&self, text: &str) -> Result<bool, JavaError> {
        Ok(Matcher::new(&self.program, text).matches()?.is_some())
    }

    /// `Matcher.find` from the start: byte ranges of the first match and its groups; group 0 is the
    /// whole match, a group that took no part is `None`.
    ///
    /// # Errors
    ///
    /// The search took too many steps.
    pub fn find(&self, text: &str) -> Result<Option<Vec<Option<(usize, usize)>>>, JavaError> {
        Matcher::new(&self.program, text).find(0)
    }

    /// `Matcher.replaceFirst`: the text with its first match replaced, or as it is without one.
    ///
    /// In the replacement `$n` is a group (as many digits as make an existing one), `${name}` a named
    /// group, `\` makes the next character literal; a group that took no part is empty.
    ///
    /// # Errors
    ///
    /// Only if there is a match: IllegalArgumentException or IndexOutOfBoundsException for a bad
    /// replacement. Also if the search took too many steps.
    pub fn replace_first(&self, text: &str, replacement: &str) -> Result<String, JavaError> {
        let Some(groups) = self.find(text)? else {
            return Ok(text.to_owned());
        };
        let (start, end) = groups[0].expect("a match has a place");
        let mut out = String::with_capacity(text.len() + replacement.len());
        out.push_str(&text[..start]);
        self.expand(&mut out, text, &groups, replacement)?;
        out.push_str(&text[end..]);
        Ok(out)
    }

    /// `Matcher.replaceAll`; see [`JavaRegex::replace_first`].
    ///
    /// # Errors
    ///
    /// As [`JavaRegex::replace_first`].
    pub fn replace_all(&self, text: &str, replacement: &str) -> Result<String, JavaError> {
        let mut matcher = Matcher::new(&self.program, text);
        let mut out = String::with_capacity(text.len() + replacement.len());
        let (mut copied, mut from) = (0, 0);
        while let Some(groups) = matcher.find(from)? {
            let (start, end) = groups[0].expect("a match has a place");
            out.push_str(&text[copied..start]);
            self.expand(&mut out, text, &groups, replacement)?;
            copied = end;
            // An empty match is followed by a search one character on.
            from = if start == end {
                match text[end..].chars().next() {
                    Some(c) => end + c.len_utf8(),
                    None => break,
                }
            } else {
                end
            };
        }
        out.push_str(&text[copied..]);
        Ok(out)
    }

    fn expand(
        &self,
        out: &mut String,
        text: &str,
        groups: &[Option<(usize, usize)>],
        replacement: &str,
    ) -> Result<(), JavaError> {
        let mut rest = replacement;
        while let Some(at) = rest.find(['\\', '$']) {
            out.push_str(&rest[..at]);
            let escape = rest.as_bytes()[at] == b'\\';
            rest = &rest[at + 1..];
            if escape {
                let Some(c) = rest.chars().next() else {
                    return Err(JavaError::illegal_argument("character to be escaped is missing"));
                };
                out.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
            let (group, taken) = self.group_reference(rest, groups.len() - 1)?;
            rest = &rest[taken..];
            match groups.get(group) {
                Some(Some((start, end))) => out.push_str(&text[*start..*end]),
                Some(None) => {}
                None => return Err(JavaError::index_out_of_bounds(format!("No group {group}"))),
            }
        }
        out.push_str(rest);
        Ok(())
    }

    /// Reads what follows a `$`: the group's number, and how many bytes named it.
    fn group_reference(&self, text: &str, last_group: usize) -> Result<(usize, usize), JavaError> {
        let Some(&first) = text.as_bytes().first() else {
            return Err(JavaError::illegal_argument("Illegal group reference: group index is missing"));
        };
        if first == b'{' {
            let name_len = text[1..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            let name = &text[1..1 + name_len];
            if name.is_empty() || text.as_bytes().get(1 + name_len) != Some(&b'}') {
                return Err(JavaError::illegal_argument("named capturing group is missing trailing '}'"));
            }
            if name.as_bytes()[0].is_ascii_digit() {
                let message = format!("capturing group name {{{name}}} starts with digit character");
                return Err(JavaError::illegal_argument(message));
            }
            return match self.names.iter().find(|(known, _)| known == name) {
                Some((_, group)) => Ok((*group, name_len + 2)),
                None => Err(JavaError::illegal_argument(format!("No group with name {{{name}}}"))),
            };
        }
        if !first.is_ascii_digit() {
            return Err(JavaError::illegal_argument("Illegal group reference"));
        }
        let mut group = usize::from(first - b'0');
        let mut taken = 1;
        for byte in text[1..].bytes().take_while(u8::is_ascii_digit) {
            let longer = group * 10 + usize::from(byte - b'0');
            if last_group < longer {
                break;
            }
            group = longer;
            taken += 1;
        }
        Ok((group, taken))
    }
}
