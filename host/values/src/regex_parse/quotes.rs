//! Literal text: `\Q…\E`.

/// Replaces `\Q…\E` by single escapes. An unclosed `\Q` reaches to the end.
pub(super) fn write_out_quotes(pattern: Vec<char>) -> Vec<char> {
    if !pattern.windows(2).any(|pair| pair == ['\\', 'Q']) {
        return pattern;
    }
    let mut at = 0;
    let mut out = Vec::with_capacity(pattern.len() * 2);
    let mut quoted = false;
    while at < pattern.len() {
        let pair = (pattern[at], pattern.get(at + 1).copied());
        match pair {
            ('\\', Some('E')) if quoted => {
                quoted = false;
                at += 2;
            }
            (c, _) if quoted => {
                if c.is_ascii() && !c.is_ascii_alphanumeric() {
                    out.push('\\');
                }
                out.push(c);
                at += 1;
            }
            ('\\', Some('Q')) => {
                quoted = true;
                at += 2;
            }
            ('\\', Some(next)) => {
                out.extend(['\\', next]);
                at += 2;
            }
            (c, _) => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_written_out_as_single_escapes() {
        for (pattern, expected) in
            [("a.b", "a.b"), (r"\Qa.b\E+", r"a\.b+"), (r"\Q[é", r"\[é"), (r"\Qa\b\E", r"a\\b"), (r"\\Qa.", r"\\Qa.")]
        {
            let written = write_out_quotes(pattern.chars().collect());
            assert_eq!(written.into_iter().collect::<String>(), expected, "{pattern}");
        }
    }
}
