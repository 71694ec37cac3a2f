//! Why a text is not a pattern.

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

pub(super) type Parse<T> = Result<T, InvalidRegex>;
