//! Who a certificate stands for: `ssl.principal.mapping.rules`, as Kafka reads them.

use millstream_values::{JavaError, JavaRegex};

/// A list of rules; the first that fits says the name.
#[derive(Debug)]
pub struct PrincipalMapping {
    rules: Vec<Rule>,
}

#[derive(Debug)]
enum Rule {
    /// `DEFAULT`: the subject as it is.
    Default,
    Replace {
        pattern: JavaRegex,
        replacement: String,
        case: Case,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Case {
    Same,
    Lower,
    Upper,
}

/// Why rules cannot be read.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidMapping {
    /// Neither of the two forms.
    #[error("'{rule}' is neither DEFAULT nor RULE:pattern/replacement/ with L, U or nothing behind it")]
    Rule { rule: String },
    /// The pattern is none of Java's.
    #[error("the pattern '{pattern}' cannot be read: {reason}")]
    Pattern {
        pattern: String,
        /// In Java's words.
        reason: String,
    },
}

/// Why a subject has no name.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MapError {
    /// Kafka refuses such a client.
    #[error("no rule of ssl.principal.mapping.rules fits the subject '{subject}'; add DEFAULT as the last rule")]
    NoRule { subject: String },
    /// A pattern takes too long, or its replacement names no group.
    #[error("a rule of ssl.principal.mapping.rules cannot be applied to '{subject}': {reason}")]
    Rule {
        subject: String,
        /// In Java's words.
        reason: String,
    },
}

impl PrincipalMapping {
    /// Reads the key's value; empty means `DEFAULT`.
    ///
    /// # Errors
    ///
    /// Names the rule that cannot be read.
    pub fn parse(text: &str) -> Result<Self, InvalidMapping> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, after) = match rest.strip_prefix("RULE:") {
                Some(body) => parse_rule(body).ok_or_else(|| InvalidMapping::Rule { rule: rest.to_owned() })??,
                None => {
                    let (word, after) = rest.split_once(',').unwrap_or((rest, ""));
                    if word.trim() != "DEFAULT" {
                        return Err(InvalidMapping::Rule { rule: word.to_owned() });
                    }
                    (Rule::Default, after)
                }
            };
            rules.push(rule);
            rest = after.trim();
        }
        if rules.is_empty() {
            rules.push(Rule::Default);
        }
        Ok(Self { rules })
    }

    /// The user's name for a certificate's subject, as [`crate::Certificate::subject`] has it.
    ///
    /// # Errors
    ///
    /// No rule fits.
    pub fn name(&self, subject: &str) -> Result<String, MapError> {
        let failed = |error: JavaError| MapError::Rule { subject: subject.to_owned(), reason: error.to_string() };
        for rule in &self.rules {
            match rule {
                Rule::Default => return Ok(subject.to_owned()),
                Rule::Replace { pattern, replacement, case } => {
                    if pattern.matches_whole(subject).map_err(failed)? {
                        let name = pattern.replace_all(subject, replacement).map_err(failed)?;
                        return Ok(match case {
                            Case::Same => name,
                            Case::Lower => name.to_lowercase(),
                            Case::Upper => name.to_uppercase(),
                        });
                    }
                }
            }
        }
        Err(MapError::NoRule { subject: subject.to_owned() })
    }
}

/// A rule behind `RULE:`, and what follows its comma. `None` if it has not its form.
fn parse_rule(body: &str) -> Option<Result<(Rule, &str), InvalidMapping>> {
    let (pattern, rest) = split_at_slash(body)?;
    let (replacement, rest) = split_at_slash(rest)?;
    let (letter, after) = rest.split_once(',').unwrap_or((rest, ""));
    let case = match letter.trim() {
        "" => Case::Same,
        "L" => Case::Lower,
        "U" => Case::Upper,
        _ => return None,
    };
    Some(match JavaRegex::compile(pattern) {
        Ok(compiled) => {
            let replacement = escape_unknown_groups(replacement, compiled.group_count());
            Ok((Rule::Replace { pattern: compiled, replacement, case }, after))
        }
        Err(error) => Err(InvalidMapping::Pattern { pattern: pattern.to_owned(), reason: error.to_string() }),
    })
}

/// Cuts at the first slash that no backslash escapes.
fn split_at_slash(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let at = text.char_indices().find(|&(_, c)| {
        let found = c == '/' && !escaped;
        escaped = c == '\\' && !escaped;
        found
    })?;
    Some((&text[..at.0], &text[at.0 + 1..]))
}

/// A reference to a group that does not exist is literal text, as in Kafka.
fn escape_unknown_groups(replacement: &str, groups: usize) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let digits: String = rest[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        let first_group = digits.chars().next().and_then(|digit| digit.to_digit(10));
        if first_group.is_some_and(|group| groups < group as usize) {
            out.push('\\');
        }
        out.push('$');
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the documentation of Kafka, and its tests.
    #[test]
    fn the_first_rule_that_fits_says_the_name() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/, RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/\
                     $1@$2/L,RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U,DEFAULT";
        let mapping = PrincipalMapping::parse(rules).unwrap();
        for (subject, expected) in [
            ("CN=Duke,OU=ServiceUsers,O=Org,C=US", "Duke"),
            ("CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US", "duke@sme"),
            ("cn=duke,OU=JavaSoft", "DUKE"),
            ("OU=JavaSoft", "OU=JavaSoft"),
        ] {
            assert_eq!(mapping.name(subject).as_deref(), Ok(expected), "{subject}");
        }
        assert_eq!(PrincipalMapping::parse("").unwrap().name("CN=a").as_deref(), Ok("CN=a"));
    }

    #[test]
    fn without_a_rule_that_fits_there_is_no_name() {
        let mapping = PrincipalMapping::parse("RULE:^CN=(.*),O=x$/$1/").unwrap();
        assert!(matches!(mapping.name("CN=a,O=y"), Err(MapError::NoRule { .. })));
    }

    #[test]
    fn slashes_may_be_escaped_and_unknown_groups_are_text() {
        let mapping = PrincipalMapping::parse("RULE:^CN=a\\/(.*)$/$1$2/").unwrap();
        assert_eq!(mapping.name("CN=a/b").as_deref(), Ok("b$2"));
    }

    #[test]
    fn what_is_no_rule_is_named() {
        for bad in ["default", "RULE:a", "RULE:a/b", "RULE:a/b/X", "RULE:(/b/"] {
            let error = PrincipalMapping::parse(bad).unwrap_err().to_string();
            assert!(error.contains(bad.trim_start_matches("RULE:").split('/').next().unwrap()), "{error}");
        }
    }
}
