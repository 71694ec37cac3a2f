//! Message authentication codes by the names that Java gives their algorithms.

use ring::hmac;

/// An algorithm.
#[derive(Clone, Copy, Debug)]
pub struct Mac(hmac::Algorithm);

impl Mac {
    /// Those that can be used, by Java's names.
    pub const NAMES: [&str; 4] = ["HmacSHA1", "HmacSHA256", "HmacSHA384", "HmacSHA512"];

    /// By its name, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "HMACSHA1" => Some(Self(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY)),
            "HMACSHA256" => Some(Self(hmac::HMAC_SHA256)),
            "HMACSHA384" => Some(Self(hmac::HMAC_SHA384)),
            "HMACSHA512" => Some(Self(hmac::HMAC_SHA512)),
            _ => None,
        }
    }

    /// The code of a message.
    pub fn sign(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.0, key), message).as_ref().to_vec()
    }

    /// Whether it is the code of a message, in a time that does not depend on the answer.
    pub fn verify(self, key: &[u8], message: &[u8], code: &[u8]) -> bool {
        hmac::verify(&hmac::Key::new(self.0, key), message, code).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_4231() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let mac = Mac::of_name("hmacSHA256").unwrap();
        let code = mac.sign(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(code.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
        assert!(mac.verify(b"Jefe", b"what do ya want for nothing?", &code));
        assert!(!mac.verify(b"Jefe", b"what do ya want for nothing!", &code));
        assert!(Mac::NAMES.iter().all(|name| Mac::of_name(name).is_some()) && Mac::of_name("HmacMD5").is_none());
    }
}
