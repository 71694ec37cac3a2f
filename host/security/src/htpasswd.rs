//! Files of users as `htpasswd` of the Apache web server makes them: `user:hash`, a line each.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Users with the hashes of their passwords. Shows none.
pub struct Htpasswd {
    users: BTreeMap<String, Hash>,
}

enum Hash {
    Bcrypt(String),
    Sha1([u8; 20]),
}

/// What is wrong with a line.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidHtpasswd {
    /// No colon.
    #[error("line {line} is not of the form user:hash")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// Hashed in a way that is weak or not known.
    #[error(
        "line {line}: the password of user {user} is hashed in a way that is not supported; make it again with htpasswd -B"
    )]
    Hash {
        /// Counted from 1.
        line: usize,
        user: String,
    },
}

impl std::fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.users.keys()).finish()
    }
}

impl Htpasswd {
    /// Reads a file: bcrypt (`htpasswd -B`) and, though it is weak, SHA-1 (`htpasswd -s`). Blank lines and lines that begin
    /// with `#` are skipped; of a user named twice the first line counts.
    ///
    /// # Errors
    ///
    /// The first line that means nothing.
    pub fn parse(text: &str) -> Result<Self, InvalidHtpasswd> {
        let mut users = BTreeMap::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let (user, hash) = content.split_once(':').ok_or(InvalidHtpasswd::Line { line })?;
            let hash = Hash::parse(hash).ok_or_else(|| InvalidHtpasswd::Hash { line, user: user.to_owned() })?;
            users.entry(user.to_owned()).or_insert(hash);
        }
        Ok(Self { users })
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether this is the user's password. Computes for as long as the hash was made to take, up to seconds.
    pub fn verify(&self, user: &str, password: &str) -> bool {
        match self.users.get(user) {
            Some(Hash::Bcrypt(hash)) => bcrypt::verify(password, hash).unwrap_or(false),
            Some(Hash::Sha1(hash)) => digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()).as_ref() == hash,
            None => false,
        }
    }
}

impl Hash {
    fn parse(text: &str) -> Option<Self> {
        if let Some(hash) = text.strip_prefix("{SHA}") {
            return Some(Self::Sha1(STANDARD.decode(hash).ok()?.try_into().ok()?));
        }
        let parts: bcrypt::HashParts = text.parse().ok()?;
        // More would take minutes for each request.
        (parts.get_cost() <= 16).then(|| Self::Bcrypt(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_bcrypt_and_by_sha1() {
        let text = format!(
            "# users\nalice:{}\n\nbob:{{SHA}}{}\n",
            bcrypt::hash("wonder", 4).unwrap(),
            STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, b"builder"))
        );
        let users = Htpasswd::parse(&text).unwrap();
        assert!(users.verify("alice", "wonder") && users.verify("bob", "builder"));
        for (user, password) in [("alice", "builder"), ("bob", ""), ("carol", "wonder"), ("", "")] {
            assert!(!users.verify(user, password), "{user}");
        }
        assert_eq!(format!("{users:?}"), r#"["alice", "bob"]"#);
    }

    #[test]
    fn a_hash_made_by_htpasswd_is_understood() {
        // htpasswd -nbB -C 4 user secret
        let made = bcrypt::hash_with_result("secret", 4).unwrap().format_for_version(bcrypt::Version::TwoY);
        assert!(Htpasswd::parse(&format!("user:{made}")).unwrap().verify("user", "secret"));
    }

    #[test]
    fn what_is_no_user_is_named_by_its_line() {
        assert_eq!(Htpasswd::parse("\nalice").unwrap_err(), InvalidHtpasswd::Line { line: 2 });
        for hash in
            ["secret", "$apr1$x$y", "{SHA}AA", "$2y$31$abcdefghijklmnopqrstuuZ5cv0/abcdefghijklmnopqrstuuZ5cv0/"]
        {
            let error = Htpasswd::parse(&format!("alice:{hash}")).unwrap_err();
            assert_eq!(error, InvalidHtpasswd::Hash { line: 1, user: "alice".to_owned() }, "{hash}");
        }
        assert!(Htpasswd::parse("#\n").unwrap().is_empty());
    }
}
