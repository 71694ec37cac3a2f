//! The forms in which a secret may stand in a text: as it is, quoted, and encoded as programs pass such things on.

use std::{collections::BTreeSet, fmt::Write as _};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};

use super::search::SHORTEST;

/// Of a longer text, which can be a certificate or a key, no encoded forms are looked for: they are as long again, each.
const LONGEST_ENCODED: usize = 4096;

/// Adds the forms of one secret text, a few dozen at most. Those of less than four bytes are left out.
pub(super) fn add(text: &str, forms: &mut BTreeSet<String>) {
    if text.len() < SHORTEST {
        return;
    }
    add_quoted(text, forms);
    if text.len() <= LONGEST_ENCODED {
        add_in_json(text, forms);
        add_in_urls(text, forms);
        add_in_base64(text.as_bytes(), forms);
    }
}

/// Adds a text as it is, and as a log would quote it: what is looked for of a line of a longer secret.
pub(super) fn add_quoted(text: &str, forms: &mut BTreeSet<String>) {
    if SHORTEST <= text.len() {
        let debug = format!("{text:?}");
        forms.insert(debug[1..debug.len() - 1].to_owned());
        forms.insert(in_json(text, |_| false));
        forms.insert(text.to_owned());
    }
}

/// JSON strings, as the usual writers escape them: only what they have to, slashes too, what HTML would take amiss, all that
/// is not ASCII.
fn add_in_json(text: &str, forms: &mut BTreeSet<String>) {
    forms.insert(in_json(text, |_| false).replace('/', "\\/"));
    let in_html = |c| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    forms.insert(in_json(text, in_html));
    forms.insert(in_json(text, |c| in_html(c) || matches!(c, '=' | '\'')));
    forms.insert(in_json(text, |c| !c.is_ascii()));
}

/// The inside of a JSON string in which these characters are escaped by number, beside those that have to be.
fn in_json(text: &str, by_number: impl Fn(char) -> bool) -> String {
    let mut json = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            c if c < ' ' || by_number(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // A string takes everything.
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
            c => json.push(c),
        }
    }
    json
}

/// Parts of URLs, by who leaves which characters as they are: RFC 3986, forms, JavaScript, and URL parsers in a password.
fn add_in_urls(text: &str, forms: &mut BTreeSet<String>) {
    let kept: [&[u8]; 4] = [b"-._~", b"-._*", b"-._~!*'()", b"-._~!*'()$&+,%"];
    for kept in kept {
        for capital in [true, false] {
            let url = in_url(text, kept, capital);
            forms.insert(url.replace("%20", "+"));
            forms.insert(url);
        }
    }
}

fn in_url(text: &str, kept: &[u8], capital: bool) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        // A string takes everything.
        let _ = match (byte.is_ascii_alphanumeric() || kept.contains(&byte), capital) {
            (true, _) => url.write_char(char::from(byte)),
            (false, true) => write!(url, "%{byte:02X}"),
            (false, false) => write!(url, "%{byte:02x}"),
        };
    }
    url
}

/// Base64 of the text by itself, and what is the same in base64 of whatever it is part of, as of a user's name and password:
/// that depends on where among three bytes it begins.
fn add_in_base64(text: &[u8], forms: &mut BTreeSet<String>) {
    forms.extend([
        STANDARD.encode(text),
        STANDARD_NO_PAD.encode(text),
        URL_SAFE.encode(text),
        URL_SAFE_NO_PAD.encode(text),
    ]);
    for before in 0..3 {
        let bytes = [&[0; 2][..before], text].concat();
        // Of six bits each; those with a bit of something else are left out.
        let own = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for base64 in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.insert(base64[own.clone()].to_owned());
        }
    }
}

/// Passwords and secrets within the value of `sasl.jaas.config`: `password="…"`, with quotes or without.
pub(super) fn within_jaas(value: &str) -> impl Iterator<Item = &str> {
    value.match_indices('=').filter_map(|(at, _)| {
        let name = value[..at].trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?.to_ascii_lowercase();
        let given = value[at + 1..].trim_start();
        let given = match given.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => given.split(|c: char| c.is_whitespace() || c == ';').next(),
        };
        given.filter(|_| name.ends_with("password") || name.ends_with("secret"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> BTreeSet<String> {
        let mut forms = BTreeSet::new();
        add(text, &mut forms);
        forms
    }

    #[test]
    fn a_plain_password_has_few_forms_and_any_a_bounded_number() {
        // As it is, by itself in base64 with and without padding, and within more of it.
        let expected = ["aHVudGVyM", "aHVudGVyMg", "aHVudGVyMg==", "h1bnRlcj", "odW50ZXIy", "hunter2"];
        assert_eq!(forms("hunter2"), BTreeSet::from(expected.map(str::to_owned)));
        assert!(forms("abc").is_empty());
        let odd = forms("p/w \"ü\\<&='~!(%+é?>");
        assert!((20..=40).contains(&odd.len()), "{}", odd.len());
        // One that is very long is looked for as it is.
        assert_eq!(forms(&"x".repeat(LONGEST_ENCODED + 1)).len(), 1);
    }

    #[test]
    fn forms_are_those_of_the_usual_writers() {
        let odd = forms("a/b c\"<ü>=");
        for form in [
            // JSON: serde_json and Jackson, PHP, Go, Gson, Python.
            r#"a/b c\"<ü>="#,
            r#"a\/b c\"<ü>="#,
            r#"a/b c\"\u003cü\u003e="#,
            r#"a/b c\"\u003cü\u003e\u003d"#,
            r#"a/b c\"<\u00fc>="#,
            // URLs: RFC 3986, java.net.URLEncoder, lower case.
            "a%2Fb%20c%22%3C%C3%BC%3E%3D",
            "a%2Fb+c%22%3C%C3%BC%3E%3D",
            "a%2fb%20c%22%3c%c3%bc%3e%3d",
        ] {
            assert!(odd.contains(form), "{form} is not among {odd:#?}");
        }
        assert!(forms("it's!").contains("it's!") && forms("it's!").contains("it%27s%21"));
        assert!(forms("\u{1F600}pass").contains(r"\ud83d\ude00pass"));
    }

    #[test]
    fn within_base64_of_more_than_the_secret_a_form_of_it_stands_wherever_it_begins() {
        let secret = "pässword?>";
        let forms = forms(secret);
        for before in ["", "u", "us", "user:", "user:x"] {
            for behind in ["", "!", "!!", "!!!"] {
                let text = format!("{before}{secret}{behind}");
                for base64 in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                    let found = forms.iter().filter(|form| base64.contains(form.as_str())).map(String::len).max();
                    assert!(secret.len() * 8 / 6 - 1 <= found.unwrap_or(0), "{base64}");
                }
            }
        }
    }

    #[test]
    fn of_a_login_entry_passwords_and_secrets_are_taken_whether_quoted_or_not() {
        let jaas = "x.ScramLoginModule required username=\"u\" password = \"hunter 2\" clientSecret=abc1; y required Password=z;";
        assert_eq!(within_jaas(jaas).collect::<Vec<_>>(), ["hunter 2", "abc1", "z"]);
        assert_eq!(within_jaas("password").count() + within_jaas("=\"").count() + within_jaas("password=").count(), 1);
    }
}
