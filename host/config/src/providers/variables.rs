//! The grammar of variables: `${provider:key}` and `${provider:path:key}`.

use std::ops::Range;

/// A variable in a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Variable<'a> {
    /// Where it stands, from `$` to behind `}`.
    pub(super) place: Range<usize>,
    pub(super) provider: &'a str,
    /// Empty where none is given.
    pub(super) path: &'a str,
    /// All behind the second colon, further colons included.
    pub(super) key: &'a str,
}

/// The variables of a text, in order, as Connect's pattern `\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}` finds them: there is no
/// way to escape one, and none within another.
pub(super) fn variables(text: &str) -> impl Iterator<Item = Variable<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(start) = text[from..].find("${").map(|at| from + at) {
            let inner = start + 2;
            // Without a brace that closes, nothing that follows is a variable either.
            let end = inner + text[inner..].find('}')?;
            let Some((provider, rest)) = text[inner..end].split_once(':') else {
                from = inner;
                continue;
            };
            from = end + 1;
            let (path, key) = rest.split_once(':').unwrap_or(("", rest));
            return Some(Variable { place: start..from, provider, path, key });
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, &str, &str, &str)> {
        variables(text).map(|found| (&text[found.place.clone()], found.provider, found.path, found.key)).collect()
    }

    #[test]
    fn forms_of_a_variable() {
        assert_eq!(found("${env:HOME}"), [("${env:HOME}", "env", "", "HOME")]);
        assert_eq!(found("a${file:/x/y:pw}b"), [("${file:/x/y:pw}", "file", "/x/y", "pw")]);
        assert_eq!(found("${p:a:b:c}"), [("${p:a:b:c}", "p", "a", "b:c")]);
        assert_eq!(found("${:}"), [("${:}", "", "", "")]);
        assert_eq!(found("${p:a}${q:b:c}").len(), 2);
        assert_eq!(found("${p:a\nb}"), [("${p:a\nb}", "p", "", "a\nb")]);
    }

    #[test]
    fn what_is_none() {
        for text in ["", "$", "${", "${}", "${a}", "$a:b}", "${a:b", "{a:b}", "$ {a:b}", "}${"] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn what_is_none_hides_none_that_follows() {
        assert_eq!(found("${a}${p:b}"), [("${p:b}", "p", "", "b")]);
        // The first brace that opens counts, as for Java's matcher.
        assert_eq!(found("${a ${p:b}"), [("${a ${p:b}", "a ${p", "", "b")]);
        assert_eq!(found("ä${p:ö}ü"), [("${p:ö}", "p", "", "ö")]);
    }
}
