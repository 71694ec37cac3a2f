//! Key stores in PKCS #12 (RFC 7292), as keytool and openssl write them.

use ring::{digest, hmac};

use crate::{
    certificate::Certificate,
    der::{DerError, Reader, oid_text, tag},
    password_based::{DecryptError, Purpose, decrypt, derive},
};

/// What a key store holds.
#[derive(Default)]
pub struct KeyStore {
    /// PKCS #8, each with the mark that its certificate bears too.
    keys: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    certificates: Vec<Stored>,
}

struct Stored {
    der: Vec<u8>,
    id: Option<Vec<u8>>,
    /// Java's mark of a certificate that is trusted.
    trusted: bool,
}

/// Why a key store cannot be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Pkcs12Error {
    #[error("read the structure of PKCS #12")]
    Structure {
        #[from]
        source: DerError,
    },
    #[error("decrypt")]
    Decrypt {
        #[from]
        source: DecryptError,
    },
    #[error("the password is wrong, or the file is damaged")]
    Mac,
    #[error("its integrity is protected by {0}, which is not supported; have it written anew with HMAC and SHA-256")]
    MacAlgorithm(String),
}

impl KeyStore {
    /// Opens a key store with its password; keys inside may have another one.
    pub fn open(bytes: &[u8], password: &str, key_password: &str) -> Result<Self, Pkcs12Error> {
        let mut pfx = Reader::new(bytes).sequence()?;
        pfx.number()?;
        let mut content = pfx.sequence()?;
        content.oid()?;
        let safe = content.element(tag::context(0))?.inside().octets()?;
        if let Some(mac) = pfx.optional(tag::SEQUENCE)? {
            check_mac(mac.inside(), password, safe)?;
        }
        let mut store = Self::default();
        let mut safes = Reader::new(safe).sequence()?;
        while !safes.is_empty() {
            let mut info = safes.sequence()?;
            match oid_text(info.oid()?).as_str() {
                "1.2.840.113549.1.7.1" => {
                    let bags = info.element(tag::context(0))?.inside().octets()?;
                    store.read_bags(bags, key_password)?;
                }
                "1.2.840.113549.1.7.6" => {
                    let mut data = info.element(tag::context(0))?.inside().sequence()?;
                    data.number()?;
                    let mut encrypted = data.sequence()?;
                    encrypted.oid()?;
                    let mut algorithm = encrypted.sequence()?;
                    let bytes = encrypted.element(tag::context_simple(0))?.content;
                    store.read_bags(&decrypt(&mut algorithm, password, bytes)?, key_password)?;
                }
                _ => {}
            }
        }
        Ok(store)
    }

    fn read_bags(&mut self, bytes: &[u8], key_password: &str) -> Result<(), Pkcs12Error> {
        let mut bags = Reader::new(bytes).sequence()?;
        while !bags.is_empty() {
            let mut bag = bags.sequence()?;
            let kind = oid_text(bag.oid()?);
            let mut value = bag.element(tag::context(0))?.inside();
            let (id, trusted) = attributes(bag)?;
            match kind.as_str() {
                "1.2.840.113549.1.12.10.1.1" => self.keys.push((value.any()?.whole.to_vec(), id)),
                "1.2.840.113549.1.12.10.1.2" => {
                    self.keys.push((decrypt_key(value.any()?.whole, key_password)?, id));
                }
                "1.2.840.113549.1.12.10.1.3" => {
                    let mut certificate = value.sequence()?;
                    if oid_text(certificate.oid()?) == "1.2.840.113549.1.9.22.1" {
                        let der = certificate.element(tag::context(0))?.inside().octets()?.to_vec();
                        self.certificates.push(Stored { der, id, trusted });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The first key and its certificates, its own first.
    pub fn key_and_chain(&self) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let (key, id) = self.keys.first()?;
        let own = |stored: &&Stored| id.is_none() || stored.id == *id;
        let mut chain = vec![self.certificates.iter().find(own)?.der.clone()];
        let read = |der: &[u8]| Certificate::read(der).ok();
        while let Some(last) = chain.last().and_then(|der| read(der)).filter(|last| last.issuer_der != last.subject_der)
        {
            let issuer = self.certificates.iter().find(|stored| {
                !chain.contains(&stored.der)
                    && read(&stored.der).is_some_and(|stored| stored.subject_der == last.issuer_der)
            });
            match issuer {
                Some(issuer) => chain.push(issuer.der.clone()),
                None => break,
            }
        }
        Some((key.clone(), chain))
    }

    /// Whom it trusts: what Java has marked so, and the own certificates of keys, as in Kafka; all certificates of a
    /// store that has neither.
    pub fn trusted(&self) -> Vec<Vec<u8>> {
        let own = |stored: &Stored| stored.id.is_some() && self.keys.iter().any(|(_, id)| *id == stored.id);
        let marked = self.certificates.iter().any(|stored| stored.trusted || own(stored));
        let trusted = self.certificates.iter().filter(|stored| !marked || stored.trusted || own(stored));
        trusted.map(|stored| stored.der.clone()).collect()
    }
}

/// The local id and whether Java trusts it.
fn attributes(mut bag: Reader<'_>) -> Result<(Option<Vec<u8>>, bool), DerError> {
    let (mut id, mut trusted) = (None, false);
    if let Some(set) = bag.optional(tag::SET)? {
        let mut set = set.inside();
        while !set.is_empty() {
            let mut attribute = set.sequence()?;
            let name = oid_text(attribute.oid()?);
            let mut values = attribute.element(tag::SET)?.inside();
            match name.as_str() {
                "1.2.840.113549.1.9.21" => id = Some(values.octets()?.to_vec()),
                "2.16.840.1.113894.746875.1.1" => trusted = true,
                _ => {}
            }
        }
    }
    Ok((id, trusted))
}

/// An `EncryptedPrivateKeyInfo` becomes a PKCS #8 key.
pub fn decrypt_key(der: &[u8], password: &str) -> Result<Vec<u8>, DecryptError> {
    let mut info = Reader::new(der).sequence()?;
    let mut algorithm = info.sequence()?;
    let key = decrypt(&mut algorithm, password, info.octets()?)?;
    // Padding that fits by chance leaves no key behind.
    let mut inside = Reader::new(&key).sequence().map_err(|_| DecryptError::Password)?;
    inside.number().map_err(|_| DecryptError::Password)?;
    Ok(key)
}

fn check_mac(mut mac: Reader<'_>, password: &str, content: &[u8]) -> Result<(), Pkcs12Error> {
    let mut info = mac.sequence()?;
    let algorithm = oid_text(info.sequence()?.oid()?);
    let (hash, key_algorithm) = match algorithm.as_str() {
        "1.3.14.3.2.26" => (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "2.16.840.1.101.3.4.2.1" => (&digest::SHA256, hmac::HMAC_SHA256),
        "2.16.840.1.101.3.4.2.2" => (&digest::SHA384, hmac::HMAC_SHA384),
        "2.16.840.1.101.3.4.2.3" => (&digest::SHA512, hmac::HMAC_SHA512),
        _ => return Err(Pkcs12Error::MacAlgorithm(algorithm)),
    };
    let expected = info.octets()?;
    let salt = mac.octets()?;
    let rounds = if mac.is_empty() { 1 } else { mac.number()? };
    if 10_000_000 < rounds {
        return Err(Pkcs12Error::Decrypt { source: DecryptError::Iterations(rounds) });
    }
    let key = derive(hash, password, salt, rounds, Purpose::Mac, hash.output_len());
    hmac::verify(&hmac::Key::new(key_algorithm, &key), content, expected).map_err(|_| Pkcs12Error::Mac)
}
