//! `?` in a statement, as JDBC has it.

use super::url::Product;

/// A statement taken apart: text, and between two texts a placeholder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Placeholders {
    pub(super) texts: Vec<String>,
}

impl Placeholders {
    /// Finds the placeholders: those outside of quotes and comments. `??` is a question mark.
    pub(super) fn of(sql: &str, product: Product) -> Self {
        let bytes = sql.as_bytes();
        let (mut texts, mut text, mut at) = (Vec::new(), String::new(), 0);
        while at < bytes.len() {
            let end = match bytes[at] {
                b'?' if bytes.get(at + 1) == Some(&b'?') => {
                    text.push('?');
                    at += 2;
                    continue;
                }
                b'?' => {
                    texts.push(std::mem::take(&mut text));
                    at += 1;
                    continue;
                }
                quote @ (b'\'' | b'"' | b'`') => {
                    let escapes = (product.is_mysql() && quote != b'`')
                        || (product == Product::Postgres && quote == b'\'' && is_escape_string(bytes, at));
                    end_of_quote(bytes, at, quote, escapes)
                }
                b'-' if bytes.get(at + 1) == Some(&b'-') => end_of_line(bytes, at),
                b'#' if product.is_mysql() => end_of_line(bytes, at),
                b'/' if bytes.get(at + 1) == Some(&b'*') => end_of_comment(bytes, at, product == Product::Postgres),
                b'$' if product == Product::Postgres => end_of_dollar_quote(bytes, at).unwrap_or(at + 1),
                _ => at + 1,
            };
            // Every end is behind an ASCII character or at the end of the text, or in the middle of nothing.
            let end = (end..=bytes.len()).find(|&end| sql.is_char_boundary(end)).unwrap_or(bytes.len());
            text.push_str(&sql[at..end]);
            at = end;
        }
        texts.push(text);
        Self { texts }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.texts.len() - 1
    }

    /// The statement with the database's own placeholders.
    pub(super) fn written(&self, product: Product) -> String {
        let mut sql = String::new();
        for (number, text) in self.texts.iter().enumerate() {
            if number != 0 {
                match product {
                    Product::Postgres => sql.push_str(&format!("${number}")),
                    _ => sql.push('?'),
                }
            }
            sql.push_str(text);
        }
        sql
    }
}

/// `E'…'`: a backslash escapes what follows.
fn is_escape_string(bytes: &[u8], at: usize) -> bool {
    let letter = at.checked_sub(1).map(|before| bytes[before]);
    let before = at.checked_sub(2).map(|before| bytes[before]);
    matches!(letter, Some(b'e' | b'E')) && !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn end_of_quote(bytes: &[u8], begin: usize, quote: u8, escapes: bool) -> usize {
    let mut at = begin + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 1,
            byte if byte == quote => {
                if bytes.get(at + 1) != Some(&quote) {
                    return at + 1;
                }
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn end_of_line(bytes: &[u8], begin: usize) -> usize {
    bytes[begin..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| begin + at)
}

fn end_of_comment(bytes: &[u8], begin: usize, nests: bool) -> usize {
    let (mut depth, mut at) = (1, begin + 2);
    while at + 1 < bytes.len() {
        match [bytes[at], bytes[at + 1]] {
            [b'*', b'/'] => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            [b'/', b'*'] if nests => {
                depth += 1;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// `$tag$ … $tag$`.
fn end_of_dollar_quote(bytes: &[u8], begin: usize) -> Option<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || 0x80 <= *byte;
    if begin.checked_sub(1).is_some_and(|before| is_word(&bytes[before])) {
        return None;
    }
    let len = bytes[begin + 1..].iter().take_while(|byte| is_word(byte)).count();
    let end = begin + 1 + len;
    if bytes.get(end) != Some(&b'$') || bytes.get(begin + 1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let tag = &bytes[begin..=end];
    let close = bytes[end + 1..].windows(tag.len()).position(|window| window == tag);
    Some(close.map_or(bytes.len(), |at| end + 1 + at + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_outside_of_quotes_and_comments() {
        let written = |sql: &str, product| Placeholders::of(sql, product).written(product);
        for (sql, expected) in [
            ("a = ? AND b = ?", "a = $1 AND b = $2"),
            ("'?' \"?\" ? -- ?\n?", "'?' \"?\" $1 -- ?\n$2"),
            ("'it''s ?' ?", "'it''s ?' $1"),
            (r"E'\'?' ? '\' ?", r"E'\'?' $1 '\' $2"),
            ("/* /* ? */ ? */ ?", "/* /* ? */ ? */ $1"),
            ("$x$ ? $y$ ? $x$ ? $1", "$x$ ? $y$ ? $x$ $1 $1"),
            ("a ?? b = ?", "a ? b = $1"),
            ("'ü?' ü?", "'ü?' ü$1"),
            ("'open ?", "'open ?"),
            ("", ""),
        ] {
            assert_eq!(written(sql, Product::Postgres), expected);
        }
        assert_eq!(Placeholders::of(r"'\'?' ? # ?", Product::MySql).count(), 1);
        assert_eq!(Placeholders::of("`?` ?", Product::Sqlite).count(), 1);
    }
}
