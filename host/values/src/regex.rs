//! Java regular expressions: `java.util.regex` as far as connector configurations reach it.
//!
//! The pattern is parsed by Java's rules and run by a backtracking matcher of our own, because the
//! meaning of a pattern (what `$`, `\b`, `(?i)`, `[a-z&&[^b]]` or a possessive loop mean, which of
//! several matches wins) must be Java's to the letter. Where Java would run without end, a bound on
//! the number of steps ends the match with an error.
//!
//! Refused with a message of our own, never read differently: blocks (`\p{InGreek}`), `\p{javaMirrored}`,
//! `\X`, `\b{g}`, `\N{name}`, nesting beyond 250 levels and patterns beyond 65,536 characters.

use crate::{
    JavaError,
    regex_match::{Groups, Matcher, Program},
    regex_parse::{InvalidRegex, parse},
};

/// A compiled pattern. Cheap to share: matching needs no lock and changes nothing.
#[derive(Debug)]
pub struct JavaRegex {
    program: Program,
    names: Vec<(String, usize)>,
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

    /// The same pattern with another bound on the steps of one search or match than the usual five million. A step takes
    /// nanoseconds; whoever compiles patterns of strangers may want fewer.
    #[must_use]
    pub fn limited(mut self, max_steps: u64) -> Self {
        self.program.limit(max_steps);
        self
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
    pub fn find(&self, text: &str) -> Result<Option<Groups>, JavaError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regex_work;

    #[track_caller]
    fn check_groups(pattern: &str, text: &str, expected: Option<&[Option<&str>]>) {
        let regex = JavaRegex::compile(pattern).expect("a pattern");
        let found = regex.find(text).expect("few steps");
        let groups = found.map(|groups| groups.into_iter().map(|g| g.map(|(a, b)| &text[a..b])).collect::<Vec<_>>());
        assert_eq!(groups.as_deref(), expected, "{pattern} on {text:?}");
    }

    #[test]
    fn constructs_of_java_have_javas_meaning() {
        check_groups("(a+)(b)?", "xaac", Some(&[Some("aa"), Some("aa"), None]));
        check_groups(r"(\w+)-\1", "ab-ab", Some(&[Some("ab-ab"), Some("ab")]));
        check_groups("[a-z&&[^b-y]]+", "bzab", Some(&[Some("za")]));
        check_groups(r"\Qa.b\E+", "aXb a.bb", Some(&[Some("a.bb")]));
        check_groups("(?i)É", "é", None);
        check_groups("(?iu)É", "é", Some(&[Some("é")]));
        check_groups(r"\w+", "é1", Some(&[Some("1")]));
        check_groups(r"(?U)\w+", "é1", Some(&[Some("é1")]));
        check_groups("a.b", "a\u{2028}b a\u{1F600}b", Some(&[Some("a\u{1F600}b")]));
        check_groups("x$", "x\r\n", Some(&[Some("x")]));
        check_groups("(?m)^b", "a\r\nb", Some(&[Some("b")]));
        check_groups("(?<=ab)c(?!d)", "abcd abc", Some(&[Some("c")]));
        check_groups("a++a", "aaa", None);
        check_groups("(?>a|ab)c", "abc", None);
        check_groups("(?:a|ab){2}+", "aba", None);
        check_groups("(?:a|ab){2}", "aba", Some(&[Some("aba")]));
        check_groups("(a|b)*?c", "abc", Some(&[Some("abc"), Some("b")]));
        check_groups(r"(?<y>\d{4})-\k<y>", "2020-2020", Some(&[Some("2020-2020"), Some("2020")]));
        check_groups(r"\p{Lu}\p{javaLowerCase}\P{IsLatin}", "Ab1", Some(&[Some("Ab1")]));
        check_groups("(?x) a # note\n b", "ab", Some(&[Some("ab")]));
        check_groups("(a*)*", "b", Some(&[Some(""), Some("")]));
    }

    #[test]
    fn a_whole_match_may_need_another_way_than_a_search() {
        let regex = JavaRegex::compile("a|ab").expect("a pattern");
        assert_eq!(regex.matches_whole("ab"), Ok(true));
        assert_eq!(regex.replace_first("ab", "<$0>"), Ok("<a>b".to_owned()));
        assert_eq!(regex.replace_all("abba", "<$0>"), Ok("<a>bb<a>".to_owned()));
    }

    #[test]
    fn endless_backtracking_ends_with_an_error() {
        let text = "a".repeat(100) + "b";
        let regex = JavaRegex::compile("(a*)*(a*)*(a*)*c").expect("a pattern");
        assert!(regex.matches_whole(&text).expect_err("too many steps").message().contains("too many steps"));
        let regex = JavaRegex::compile("a*b").expect("a pattern").limited(50);
        assert!(regex.find(&text).is_err());
        assert_eq!(regex.matches_whole("aaab"), Ok(true));
    }

    #[test]
    fn what_a_step_costs_does_not_grow_with_text_and_pattern() {
        #[track_caller]
        fn check_too_much(pattern: &str, text: &str) {
            const STEPS: u64 = 500_000;
            let regex = JavaRegex::compile(pattern).expect("a pattern").limited(STEPS);
            regex_work::allow(32 * STEPS as usize);
            let error = regex.find(text).expect_err("too many steps");
            assert!(error.message().contains("too many steps"));
            regex_work::allow(usize::MAX);
        }
        // A long run of marks is one word, whose boundaries are asked for at each of them.
        check_too_much(r"\b.\b.\bx", &"\u{300}".repeat(100_000));
        // A set of many parts, asked for each character.
        let parts: String = ('\u{4e00}'..'\u{9000}').collect();
        check_too_much(&format!("[{parts}]*x"), &"\u{8fff}".repeat(100_000));
        // Many groups, forgotten at each place.
        check_too_much(&format!("x{}", "(a)".repeat(10_000)), &"b".repeat(100_000));
    }

    #[test]
    fn a_property_that_is_named_often_is_made_once() {
        // A word's character has seven properties.
        regex_work::allow(7);
        JavaRegex::compile(&format!("(?U){}", r"\w".repeat(20_000))).expect("a pattern");
        regex_work::allow(usize::MAX);
    }

    #[test]
    fn replacements_follow_java() {
        let regex = JavaRegex::compile(r"(?<name>a)(b)?(c)").expect("a pattern");
        for (replacement, expected) in [
            ("$1", Ok("xay")),
            ("[$2]", Ok("x[]y")),
            ("$31", Ok("xc1y")),
            ("${name}!", Ok("xa!y")),
            (r"\$1\\", Ok(r"x$1\y")),
            ("$", Err("Illegal group reference: group index is missing")),
            ("$x", Err("Illegal group reference")),
            ("$4", Err("No group 4")),
            (r"\", Err("character to be escaped is missing")),
            ("${1}", Err("capturing group name {1} starts with digit character")),
            ("${nobody}", Err("No group with name {nobody}")),
            ("${name", Err("named capturing group is missing trailing '}'")),
        ] {
            let found = regex.replace_first("xacy", replacement);
            assert_eq!(found.as_deref().map_err(JavaError::message), expected, "{replacement}");
        }
        assert_eq!(regex.replace_first("none", "$9"), Ok("none".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn compiling_and_matching_are_total(pattern in "[ab(){}\\[\\]|*+?^$.\\\\dwQE1-9,:=!<>&-]{0,14}", text in "[ab\n]{0,8}") {
            if let Ok(regex) = JavaRegex::compile(&pattern) {
                let _ = (regex.matches_whole(&text), regex.replace_all(&text, "$0"));
            }
        }
    }
}
