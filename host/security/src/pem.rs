//! Cuts a text into its PEM sections. Words around them, such as openssl's "Bag Attributes", are passed over.

use base64::{Engine, engine::general_purpose::STANDARD};

/// One section: `-----BEGIN label-----` to its end.
#[derive(Debug, Eq, PartialEq)]
pub struct Section {
    pub label: String,
    /// Whether it has header lines, which traditional encrypted keys have.
    pub has_headers: bool,
    pub der: Vec<u8>,
}

/// Why a text is not PEM.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PemError {
    #[error("the section {label} has no end line")]
    NoEnd { label: String },
    #[error("the section {label} is not Base64")]
    Base64 { label: String },
}

/// All sections, in order. A text in one line, as `ssl.keystore.key` may be given, has blanks for line breaks.
pub fn sections(text: &str) -> Result<Vec<Section>, PemError> {
    const BEGIN: &str = "-----BEGIN ";
    let mut sections = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        rest = &rest[start + BEGIN.len()..];
        let Some((label, after)) = rest.split_once("-----") else { break };
        let label = label.trim().to_owned();
        let Some((body, after)) = after.split_once(&format!("-----END {label}-----")) else {
            return Err(PemError::NoEnd { label });
        };
        rest = after;
        let has_headers = body.contains(':');
        let der = if has_headers {
            Vec::new()
        } else {
            let digits: String = body.split_whitespace().collect();
            STANDARD.decode(digits).map_err(|_| PemError::Base64 { label: label.clone() })?
        };
        sections.push(Section { label, has_headers, der });
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_among_other_words_and_in_one_line() {
        let text = "Bag Attributes: x\n-----BEGIN A B-----\r\nAQ\r\nID\r\n-----END A B-----\nx -----BEGIN C----- BA== -----END C-----";
        let found = sections(text).unwrap();
        assert_eq!((found[0].label.as_str(), &found[0].der[..]), ("A B", &[1, 2, 3][..]));
        assert_eq!((found[1].label.as_str(), &found[1].der[..]), ("C", &[4][..]));
    }

    #[test]
    fn what_breaks_off_is_refused() {
        assert_eq!(sections("-----BEGIN A-----\nAQ"), Err(PemError::NoEnd { label: "A".to_owned() }));
        assert_eq!(sections("-----BEGIN A-----\n!\n-----END A-----"), Err(PemError::Base64 { label: "A".to_owned() }));
        assert_eq!(sections("nothing"), Ok(vec![]));
    }
}
