//! Private keys and key stores that a password protects: PBES2 (RFC 8018) and what PKCS #12 had before it.

use std::num::NonZeroU32;

use cbc::cipher::{BlockDecryptMut, KeyInit, KeyIvInit, block_padding::Pkcs7};
use ring::{digest, pbkdf2};

use crate::der::{DerError, Reader, oid_text, tag};

/// Most rounds of a key derivation: more would only keep the start waiting.
const MAX_ITERATIONS: u32 = 10_000_000;

/// Why something encrypted could not be opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DecryptError {
    #[error("read the parameters of the encryption")]
    Parameters {
        #[from]
        source: DerError,
    },
    #[error("the encryption {0} is not supported; have it written anew with AES-256, as openssl and keytool do today")]
    Unsupported(String),
    #[error("{0} rounds of key derivation are more than the 10000000 that are accepted")]
    Iterations(u32),
    #[error("the password does not fit")]
    Password,
}

/// Decrypts by what an `AlgorithmIdentifier` says.
pub fn decrypt(algorithm: &mut Reader<'_>, password: &str, encrypted: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let oid = algorithm.oid()?;
    match oid_text(oid).as_str() {
        "1.2.840.113549.1.5.13" => pbes2(&mut algorithm.sequence()?, password, encrypted),
        // SHA-1 with Triple DES of three keys, with RC2 of 128 and of 40 bits.
        "1.2.840.113549.1.12.1.3" => pkcs12_scheme(&mut algorithm.sequence()?, password, encrypted, Old::TripleDes),
        "1.2.840.113549.1.12.1.5" => pkcs12_scheme(&mut algorithm.sequence()?, password, encrypted, Old::Rc2(16)),
        "1.2.840.113549.1.12.1.6" => pkcs12_scheme(&mut algorithm.sequence()?, password, encrypted, Old::Rc2(5)),
        other => Err(DecryptError::Unsupported(other.to_owned())),
    }
}

fn pbes2(parameters: &mut Reader<'_>, password: &str, encrypted: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let (mut derivation, mut cipher) = (parameters.sequence()?, parameters.sequence()?);
    match oid_text(derivation.oid()?).as_str() {
        "1.2.840.113549.1.5.12" => {}
        other => return Err(DecryptError::Unsupported(other.to_owned())),
    }
    let mut derivation = derivation.sequence()?;
    let salt = derivation.octets()?;
    let rounds = rounds(derivation.number()?)?;
    if derivation.peek() == Some(tag::INTEGER) {
        derivation.number()?;
    }
    let function = match derivation.optional(tag::SEQUENCE)? {
        None => pbkdf2::PBKDF2_HMAC_SHA1,
        Some(function) => match oid_text(function.inside().oid()?).as_str() {
            "1.2.840.113549.2.7" => pbkdf2::PBKDF2_HMAC_SHA1,
            "1.2.840.113549.2.9" => pbkdf2::PBKDF2_HMAC_SHA256,
            "1.2.840.113549.2.10" => pbkdf2::PBKDF2_HMAC_SHA384,
            "1.2.840.113549.2.11" => pbkdf2::PBKDF2_HMAC_SHA512,
            other => return Err(DecryptError::Unsupported(other.to_owned())),
        },
    };
    let cipher_name = oid_text(cipher.oid()?);
    let iv = cipher.octets()?;
    let key = |len: usize| {
        let mut key = vec![0; len];
        pbkdf2::derive(function, rounds, salt, password.as_bytes(), &mut key);
        key
    };
    match cipher_name.as_str() {
        "2.16.840.1.101.3.4.1.2" => cbc::<aes::Aes128>(&key(16), iv, encrypted),
        "2.16.840.1.101.3.4.1.22" => cbc::<aes::Aes192>(&key(24), iv, encrypted),
        "2.16.840.1.101.3.4.1.42" => cbc::<aes::Aes256>(&key(32), iv, encrypted),
        "1.2.840.113549.3.7" => cbc::<des::TdesEde3>(&key(24), iv, encrypted),
        other => Err(DecryptError::Unsupported(other.to_owned())),
    }
}

enum Old {
    TripleDes,
    /// With a key of so many bytes.
    Rc2(usize),
}

fn pkcs12_scheme(
    parameters: &mut Reader<'_>,
    password: &str,
    encrypted: &[u8],
    cipher: Old,
) -> Result<Vec<u8>, DecryptError> {
    let salt = parameters.octets()?;
    let rounds = rounds(parameters.number()?)?;
    let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
    let derive = |purpose, len| derive(sha1, password, salt, rounds.get(), purpose, len);
    let iv = derive(Purpose::Iv, 8);
    match cipher {
        Old::TripleDes => cbc::<des::TdesEde3>(&derive(Purpose::Key, 24), &iv, encrypted),
        Old::Rc2(len) => {
            let key = derive(Purpose::Key, len);
            let cipher = rc2::Rc2::new_from_slice(&key).map_err(|_| DecryptError::Password)?;
            let cbc = <cbc::Decryptor<rc2::Rc2> as cbc::cipher::InnerIvInit>::inner_iv_slice_init(cipher, &iv);
            let cbc = cbc.map_err(|_| DecryptError::Parameters { source: DerError::Unexpected })?;
            cbc.decrypt_padded_vec_mut::<Pkcs7>(encrypted).map_err(|_| DecryptError::Password)
        }
    }
}

fn rounds(number: u32) -> Result<NonZeroU32, DecryptError> {
    match NonZeroU32::new(number) {
        Some(rounds) if number <= MAX_ITERATIONS => Ok(rounds),
        Some(_) => Err(DecryptError::Iterations(number)),
        None => Err(DecryptError::Parameters { source: DerError::Unexpected }),
    }
}

fn cbc<C>(key: &[u8], iv: &[u8], encrypted: &[u8]) -> Result<Vec<u8>, DecryptError>
where
    C: cbc::cipher::BlockDecrypt + cbc::cipher::BlockCipher + KeyInit,
{
    let cbc = cbc::Decryptor::<C>::new_from_slices(key, iv)
        .map_err(|_| DecryptError::Parameters { source: DerError::Unexpected })?;
    cbc.decrypt_padded_vec_mut::<Pkcs7>(encrypted).map_err(|_| DecryptError::Password)
}

/// What bytes are derived for.
#[derive(Clone, Copy)]
pub enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// The key derivation of PKCS #12 (RFC 7292, appendix B).
pub fn derive(
    hash: &'static digest::Algorithm,
    password: &str,
    salt: &[u8],
    rounds: u32,
    purpose: Purpose,
    len: usize,
) -> Vec<u8> {
    let block = hash.block_len();
    let stretched =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().cycle().take(bytes.len().div_ceil(block) * block).collect() };
    let password: Vec<u8> = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let mut input = [stretched(salt), stretched(&password)].concat();
    let diversifier = vec![purpose as u8; block];
    let mut out = Vec::with_capacity(len + hash.output_len());
    while out.len() < len {
        let mut a = digest::digest(hash, &[&diversifier[..], &input].concat());
        for _ in 1..rounds {
            a = digest::digest(hash, a.as_ref());
        }
        out.extend_from_slice(a.as_ref());
        let b: Vec<u8> = a.as_ref().iter().copied().cycle().take(block).collect();
        for part in input.chunks_mut(block) {
            // part = part + b + 1, as one number.
            let mut carry = 1;
            for (byte, add) in part.iter_mut().zip(&b).rev() {
                let sum = u16::from(*byte) + u16::from(*add) + carry;
                (*byte, carry) = (sum as u8, sum >> 8);
            }
        }
    }
    out.truncate(len);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that implementations of RFC 7292 share: password "smeg", one round, and "queeg" with 1000.
    #[test]
    fn the_derivation_of_pkcs12_gives_the_known_bytes() {
        let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
        assert_eq!(
            hex(derive(sha1, "smeg", &salt, 1, Purpose::Key, 24)),
            "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"
        );
        let salt = [0x05, 0xde, 0xc9, 0x59, 0xac, 0xff, 0x72, 0xf7];
        assert_eq!(
            hex(derive(sha1, "queeg", &salt, 1000, Purpose::Key, 24)),
            "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4"
        );
    }

    #[test]
    fn endless_derivations_are_refused() {
        assert_eq!(rounds(MAX_ITERATIONS + 1), Err(DecryptError::Iterations(MAX_ITERATIONS + 1)));
        assert!(rounds(0).is_err() && rounds(1).is_ok());
    }
}
