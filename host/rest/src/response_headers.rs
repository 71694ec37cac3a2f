//! Headers that the worker adds to every response (`response.http.headers.config`).

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Why a rule is refused. The texts are Connect's where it has one.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderRuleError {
    /// No action before the header.
    #[error("Invalid format of header config '{rule}'. Expected: '[action] [header name]:[header value]'")]
    Format { rule: String },
    /// Not one colon.
    #[error("Invalid format of header name and header value pair '{pair}'. Expected: '[header name]:[header value]'")]
    Pair { pair: String },
    /// White space in the name.
    #[error("Invalid header name '{name}'. The '[header name]' cannot contain whitespace")]
    Name { name: String },
    /// No such action.
    #[error("Invalid header config action: '{action}'. Expected one of [set, add, setDate, addDate]")]
    Action { action: String },
    /// Characters that a header cannot have, or a date's offset that is no number.
    #[error("header '{pair}' has a name or value that HTTP does not allow")]
    Value { pair: String },
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(HeaderValue),
    /// Milliseconds from now.
    Date(i64),
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeaderRule {
    name: HeaderName,
    value: Value,
    replace: bool,
}

/// Parses the key's whole value: rules separated by commas, each in quotes if it holds one.
pub(crate) fn parse(text: &str) -> Result<Vec<HeaderRule>, HeaderRuleError> {
    split(text).iter().filter(|rule| !rule.trim().is_empty()).map(|rule| parse_rule(rule)).collect()
}

/// Adds the headers of all rules. `now` dates them.
pub(crate) fn apply(rules: &[HeaderRule], headers: &mut HeaderMap, now: SystemTime) {
    for rule in rules {
        let value = match &rule.value {
            Value::Text(text) => text.clone(),
            Value::Date(offset_ms) => match date(now, *offset_ms) {
                Some(date) => date,
                None => continue,
            },
        };
        if rule.replace {
            headers.insert(rule.name.clone(), value);
        } else {
            headers.append(rule.name.clone(), value);
        }
    }
}

/// `None` for a time that HTTP has no date for, which [`parse_rule`] keeps out.
fn date(now: SystemTime, offset_ms: i64) -> Option<HeaderValue> {
    let offset = Duration::from_millis(offset_ms.unsigned_abs());
    let time = if offset_ms < 0 { now.checked_sub(offset) } else { now.checked_add(offset) }?;
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

fn split(text: &str) -> Vec<String> {
    let mut rules = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => rules.push(String::new()),
            c => rules.last_mut().expect("there is always a rule").push(c),
        }
    }
    rules
}

fn parse_rule(rule: &str) -> Result<HeaderRule, HeaderRuleError> {
    let rule = rule.trim();
    let (action, pair) =
        rule.split_once(char::is_whitespace).ok_or_else(|| HeaderRuleError::Format { rule: rule.to_owned() })?;
    let pair = pair.trim();
    let (replace, is_date) = match action.to_ascii_lowercase().as_str() {
        "set" => (true, false),
        "add" => (false, false),
        "setdate" => (true, true),
        "adddate" => (false, true),
        _ => return Err(HeaderRuleError::Action { action: action.to_owned() }),
    };
    let (name, value) = pair
        .split_once(':')
        .filter(|(_, value)| !value.contains(':'))
        .ok_or_else(|| HeaderRuleError::Pair { pair: pair.to_owned() })?;
    let (name, value) = (name.trim(), value.trim());
    if name.contains(char::is_whitespace) {
        return Err(HeaderRuleError::Name { name: name.to_owned() });
    }
    let invalid = || HeaderRuleError::Value { pair: pair.to_owned() };
    let value = if is_date {
        // A hundred years either way keep the date within what HTTP can write.
        let offset_ms = value.parse().ok().filter(|ms: &i64| ms.unsigned_abs() < 3_155_760_000_000);
        Value::Date(offset_ms.ok_or_else(invalid)?)
    } else {
        Value::Text(value.parse().map_err(|_| invalid())?)
    };
    Ok(HeaderRule { name: name.parse().map_err(|_| invalid())?, value, replace })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_set_add_and_date_headers() {
        let rules = parse(r#"add Cache-Control: no-cache, "set X-List: a, b", setDate Expires: 1000"#).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", HeaderValue::from_static("private"));
        headers.insert("expires", HeaderValue::from_static("never"));
        apply(&rules, &mut headers, SystemTime::UNIX_EPOCH);
        assert_eq!(headers.get_all("cache-control").iter().count(), 2);
        assert_eq!(headers["x-list"], "a, b");
        assert_eq!(headers["expires"], "Thu, 01 Jan 1970 00:00:01 GMT");
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_rule_is_refused_in_connects_words() {
        for (text, expected) in [
            ("set", "Invalid format of header config 'set'. Expected: '[action] [header name]:[header value]'"),
            ("put A:b", "Invalid header config action: 'put'. Expected one of [set, add, setDate, addDate]"),
            (
                "set A",
                "Invalid format of header name and header value pair 'A'. Expected: '[header name]:[header value]'",
            ),
            (
                "set A:b:c",
                "Invalid format of header name and header value pair 'A:b:c'. Expected: '[header name]:[header value]'",
            ),
            ("set A b:c", "Invalid header name 'A b'. The '[header name]' cannot contain whitespace"),
            ("setDate A:x", "header 'A:x' has a name or value that HTTP does not allow"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
    }
}
