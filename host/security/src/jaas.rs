//! `sasl.jaas.config` as Java reads it: `class flag name=value … ;`, once or several times.
//!
//! The rules are those of `java.io.StreamTokenizer` as Kafka sets it up: values in single or double quotes with
//! Java's escapes, words of letters, digits, `-`, `_`, `$` and `.`, comments after `//`, `/` and between `/*` and `*/`.
//! A word that looks like a number is none of these, as in Java.

use std::{collections::BTreeMap, iter::Peekable, str::Chars};

/// What `java.security.auth.login.config` names: login modules by the name of their section.
pub type JaasFile = BTreeMap<String, Vec<JaasEntry>>;

/// A login module with what is set for it; the control flag makes no difference and is not kept.
#[derive(Clone, Eq, PartialEq)]
pub struct JaasEntry {
    /// The class of the login module, whole.
    pub login_module: String,
    /// Its options, such as `username` and `password`.
    pub options: BTreeMap<String, String>,
}

/// Names options only: their values are secrets.
impl std::fmt::Debug for JaasEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.options.keys().collect();
        f.debug_struct("JaasEntry").field("login_module", &self.login_module).field("options", &names).finish()
    }
}

/// Why a text is no JAAS configuration, without any of its values.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidJaas {
    /// Nothing is there.
    #[error("it names no login module")]
    Empty,
    /// The text begins with something that is no class.
    #[error("a login module's class was expected")]
    LoginModule,
    /// The word behind the class is missing or unknown.
    #[error("'required' (or another control flag) was expected after {module}")]
    Flag { module: String },
    /// An option without a value.
    #[error("the option '{name}' has no value; write {name}=\"…\"")]
    Value { name: String },
    /// Something between options that is none.
    #[error("the name of an option was expected, or a semicolon")]
    OptionName,
    /// A file that is not made of sections.
    #[error("a section was expected, as in KafkaConnect {{ … }};")]
    Section,
    /// The end is missing.
    #[error("it does not end with a semicolon")]
    Semicolon,
}

/// Reads all entries.
///
/// # Errors
///
/// Says what was expected; never shows a value.
///
/// ```
/// let entries = millstream_security::jaas::parse(
///     r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password='a"b';"#,
/// )?;
/// assert_eq!(entries[0].options["password"], "a\"b");
/// # Ok::<(), millstream_security::jaas::InvalidJaas>(())
/// ```
pub fn parse(text: &str) -> Result<Vec<JaasEntry>, InvalidJaas> {
    let mut tokens = Tokens { chars: text.chars().peekable() };
    let mut entries = Vec::new();
    while let Some(token) = tokens.next() {
        let Token::Word(login_module) = token else { return Err(InvalidJaas::LoginModule) };
        entries.push(parse_entry(&mut tokens, login_module)?);
    }
    if entries.is_empty() { Err(InvalidJaas::Empty) } else { Ok(entries) }
}

/// Reads a file of sections: `Name { class flag name=value … ; … };`.
///
/// # Errors
///
/// Says what was expected; never shows a value.
pub fn parse_file(text: &str) -> Result<JaasFile, InvalidJaas> {
    let mut tokens = Tokens { chars: text.chars().peekable() };
    let mut sections = JaasFile::new();
    while let Some(token) = tokens.next() {
        let (Token::Word(name), Some(Token::Other('{'))) = (token, tokens.next()) else {
            return Err(InvalidJaas::Section);
        };
        let mut entries = Vec::new();
        loop {
            match tokens.next() {
                Some(Token::Word(login_module)) => entries.push(parse_entry(&mut tokens, login_module)?),
                Some(Token::Other('}')) => break,
                _ => return Err(InvalidJaas::LoginModule),
            }
        }
        match tokens.next() {
            Some(Token::Other(';')) => sections.insert(name, entries),
            _ => return Err(InvalidJaas::Semicolon),
        };
    }
    Ok(sections)
}

fn parse_entry(tokens: &mut Tokens<'_>, login_module: String) -> Result<JaasEntry, InvalidJaas> {
    const FLAGS: [&str; 4] = ["REQUIRED", "REQUISITE", "SUFFICIENT", "OPTIONAL"];
    match tokens.next() {
        Some(Token::Word(flag)) if FLAGS.contains(&flag.to_ascii_uppercase().as_str()) => {}
        _ => return Err(InvalidJaas::Flag { module: login_module }),
    }
    let mut options = BTreeMap::new();
    loop {
        let name = match tokens.next() {
            None => return Err(InvalidJaas::Semicolon),
            Some(Token::Other(';')) => return Ok(JaasEntry { login_module, options }),
            Some(Token::Word(name)) => name,
            Some(Token::Number | Token::Other(_)) => return Err(InvalidJaas::OptionName),
        };
        match (tokens.next(), tokens.next()) {
            (Some(Token::Other('=')), Some(Token::Word(value))) => {
                options.insert(name, value);
            }
            _ => return Err(InvalidJaas::Value { name }),
        }
    }
}

enum Token {
    /// A word or a quoted text.
    Word(String),
    /// What Java takes for a number, which has no text.
    Number,
    /// Any other character.
    Other(char),
}

struct Tokens<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Tokens<'_> {
    fn next(&mut self) -> Option<Token> {
        loop {
            let c = self.chars.next()?;
            return Some(match c {
                '\0'..=' ' => continue,
                '"' | '\'' => Token::Word(self.quoted(c)),
                '/' => {
                    self.comment();
                    continue;
                }
                '0'..='9' | '.' | '-' => self.number_or_word(c),
                c if is_word(c) => Token::Word(self.word(String::from(c))),
                c => Token::Other(c),
            });
        }
    }

    fn word(&mut self, mut word: String) -> String {
        while let Some(c) = self.chars.next_if(|&c| is_word(c) || matches!(c, '0'..='9' | '.')) {
            word.push(c);
        }
        word
    }

    /// A minus sign begins a word unless a digit or dot follows it; digits begin a number.
    fn number_or_word(&mut self, first: char) -> Token {
        let digit_follows = self.chars.peek().is_some_and(|&c| matches!(c, '0'..='9' | '.'));
        if first == '-' && !digit_follows {
            // Java takes it for a sign on its own.
            return Token::Other('-');
        }
        if first == '.' && !self.chars.peek().is_some_and(char::is_ascii_digit) {
            return Token::Other('.');
        }
        while self.chars.next_if(|&c| matches!(c, '0'..='9' | '.')).is_some() {}
        Token::Number
    }

    fn comment(&mut self) {
        if self.chars.next_if_eq(&'*').is_some() {
            while let Some(c) = self.chars.next() {
                if c == '*' && self.chars.next_if_eq(&'/').is_some() {
                    return;
                }
            }
            return;
        }
        while self.chars.next_if(|&c| c != '\n' && c != '\r').is_some() {}
    }

    /// Up to the closing quote; a line break ends it too.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(c) = self.chars.next_if(|&c| c != '\n' && c != '\r') {
            match c {
                _ if c == quote => break,
                '\\' => {
                    let Some(escaped) = self.chars.next() else { break };
                    text.push(match escaped {
                        'a' => '\u{7}',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        'v' => '\u{b}',
                        '0'..='7' => self.octal(escaped),
                        other => other,
                    });
                }
                c => text.push(c),
            }
        }
        text
    }

    /// Up to three digits; a third one only after `0` to `3`.
    fn octal(&mut self, first: char) -> char {
        let mut value = first.to_digit(8).unwrap_or(0);
        let longest = if first <= '3' { 2 } else { 1 };
        for _ in 0..longest {
            match self.chars.next_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8)) {
                Some(digit) => value = value * 8 + digit,
                None => break,
            }
        }
        char::from_u32(value).unwrap_or('\0')
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '$') || '\u{a0}' <= c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_sections_with_entries() {
        let text = "/* of the worker */ KafkaConnect {\n  a.b.LoginModule required\n  file=\"/p/credentials\"\n  x='1';\n};\n\
                    KafkaClient { c.D optional; e.F required; };";
        let file = parse_file(text).unwrap();
        assert_eq!(file["KafkaConnect"][0].login_module, "a.b.LoginModule");
        assert_eq!(file["KafkaConnect"][0].options["file"], "/p/credentials");
        assert_eq!(file["KafkaClient"].len(), 2);
        assert!(parse_file("").unwrap().is_empty());
        for (text, error) in [
            ("a.b.LoginModule required;", InvalidJaas::Section),
            ("S { a.B required; }", InvalidJaas::Semicolon),
            ("S { a.B required;", InvalidJaas::LoginModule),
            ("S { a.B maybe; };", InvalidJaas::Flag { module: "a.B".to_owned() }),
        ] {
            assert_eq!(parse_file(text).unwrap_err(), error, "{text}");
        }
    }

    fn options(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().remove(0).options.into_iter().collect()
    }

    #[test]
    fn quotes_escapes_comments_and_words_are_read_as_java_does() {
        for (text, expected) in [
            (r#"a.B required;"#, vec![]),
            (r#"a.B required u="x y" p='it"s';"#, vec![("p", "it\"s"), ("u", "x y")]),
            (r#"a.B REQUIRED u = word-1_$.x ;"#, vec![("u", "word-1_$.x")]),
            ("a.B required // no\n u=\"\\\"\\\\\\n\\101\\7\\400\"; /* end */", vec![("u", "\"\\\nA\u{7} 0")]),
            (r#"a.B required u=true u="two";"#, vec![("u", "two")]),
            (r#"a.B required user_alice="pässwörd";"#, vec![("user_alice", "pässwörd")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(options(text), expected, "{text}");
        }
    }

    #[test]
    fn several_entries_may_follow_each_other() {
        let entries = parse("a required x='1'; b optional y='2';").unwrap();
        assert_eq!(entries.iter().map(|entry| entry.login_module.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_java_refuses_is_refused_without_a_value_in_the_message() {
        let module = || "a.B".to_owned();
        for (text, expected) in [
            ("", InvalidJaas::Empty),
            ("// only", InvalidJaas::Empty),
            ("= required;", InvalidJaas::LoginModule),
            ("a.B", InvalidJaas::Flag { module: module() }),
            ("a.B maybe;", InvalidJaas::Flag { module: module() }),
            ("a.B required u;", InvalidJaas::Value { name: "u".to_owned() }),
            ("a.B required p=12345;", InvalidJaas::Value { name: "p".to_owned() }),
            ("a.B required p=", InvalidJaas::Value { name: "p".to_owned() }),
            ("a.B required =;", InvalidJaas::OptionName),
            ("a.B required u='x'", InvalidJaas::Semicolon),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn values_do_not_show_in_debug_output() {
        assert!(!format!("{:?}", parse("a required p='secret';").unwrap()).contains("secret"));
    }
}
