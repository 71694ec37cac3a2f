//! Bearer tokens that are JSON web tokens: RS256, RS384, RS512, ES256 and ES384, against the keys of a JWKS document.
//!
//! Tokens without a signature (`alg` `none`) are accepted only by a validator that was made for them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// What a token has to say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenRules {
    /// `sasl.oauthbearer.expected.audience`: one of these must be among its audiences; empty for any.
    pub audiences: Vec<String>,
    /// `sasl.oauthbearer.expected.issuer`.
    pub issuer: Option<String>,
    /// `sasl.oauthbearer.clock.skew.seconds`.
    pub clock_skew: Duration,
    /// `sasl.oauthbearer.sub.claim.name`: what holds the user's name.
    pub subject_claim: String,
}

/// The public keys of an issuer.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    algorithm: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point, and whether it is of P-384.
    Curve {
        point: Vec<u8>,
        p384: bool,
    },
}

/// Why a JWKS document cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidKeySet {
    /// Not JSON, or without `keys`.
    #[error("it is no JWKS document: an object with a list 'keys' is needed")]
    Form,
    /// None of its keys verifies signatures that are known here.
    #[error("none of its {keys} keys can verify RS256, RS384, RS512, ES256 or ES384")]
    NoKey {
        /// How many there are.
        keys: usize,
    },
}

impl KeySet {
    /// Reads a JWKS document. Keys of other kinds are passed over.
    ///
    /// # Errors
    ///
    /// No key is left.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidKeySet> {
        let document: Value = serde_json::from_slice(json).map_err(|_| InvalidKeySet::Form)?;
        let all = document["keys"].as_array().ok_or(InvalidKeySet::Form)?;
        let keys: Vec<PublicKey> = all.iter().filter_map(read_key).collect();
        if keys.is_empty() { Err(InvalidKeySet::NoKey { keys: all.len() }) } else { Ok(Self { keys }) }
    }

    fn verifies(&self, id: Option<&str>, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let fits = |key: &&PublicKey| {
            (id.is_none() || key.id.as_deref() == id) && key.algorithm.as_deref().is_none_or(|own| own == algorithm)
        };
        self.keys.iter().filter(fits).any(|key| key.material.verifies(algorithm, message, signature))
    }
}

fn read_key(key: &Value) -> Option<PublicKey> {
    let text = |name: &str| key[name].as_str();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    if text("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let material = match (text("kty")?, text("crv")) {
        ("RSA", _) => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            Material::Curve { point: [&[4], &x[..], &y].concat(), p384: curve == "P-384" }
        }
        _ => return None,
    };
    Some(PublicKey { id: text("kid").map(str::to_owned), algorithm: text("alg").map(str::to_owned), material })
}

impl Material {
    fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { n, e }, _) => {
                let parameters = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
            (Self::Curve { point, p384: false }, "ES256") => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            (Self::Curve { point, p384: true }, "ES384") => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// A token that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Whom it stands for.
    pub user: String,
    /// When it ends.
    pub expires: SystemTime,
}

/// Why a token is refused; for the server's own log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidToken {
    /// Not three parts of Base64 with JSON inside, or too long.
    #[error("it is no JSON web token")]
    Form,
    /// No key verifies it.
    #[error("no key of the issuer verifies its signature (alg {algorithm})")]
    Signature {
        /// What its header says.
        algorithm: String,
    },
    /// Its time is over, has not come, or is not given.
    #[error("it is not valid at this time (exp, nbf, iat)")]
    Time,
    /// Meant for somebody else.
    #[error("its audience is another (sasl.oauthbearer.expected.audience)")]
    Audience,
    /// From somebody else.
    #[error("its issuer is another (sasl.oauthbearer.expected.issuer)")]
    Issuer,
    /// It names nobody.
    #[error("it names no user ('{claim}')")]
    Subject {
        /// Where the name should be.
        claim: String,
    },
}

/// Judges tokens.
#[derive(Debug)]
pub struct TokenValidator {
    rules: TokenRules,
    /// `None` takes tokens without a signature, and only these.
    keys: Option<KeySet>,
}

impl TokenValidator {
    /// Takes tokens that one of `keys` has signed, and no unsigned one.
    pub fn signed(rules: TokenRules, keys: KeySet) -> Self {
        Self { rules, keys: Some(keys) }
    }

    /// For tokens that anybody can make: never for a server that strangers reach.
    pub fn unsecured(rules: TokenRules) -> Self {
        Self { rules, keys: None }
    }

    /// Judges one token.
    ///
    /// # Errors
    ///
    /// Says which rule it breaks; not for the client.
    pub fn validate(&self, token: &str, now: SystemTime) -> Result<Accepted, InvalidToken> {
        if MAX_TOKEN < token.len() {
            return Err(InvalidToken::Form);
        }
        let (message, signature_text) = token.rsplit_once('.').ok_or(InvalidToken::Form)?;
        let (header, claims) = message.split_once('.').ok_or(InvalidToken::Form)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Form);
        let json = |part: &str| -> Result<Value, InvalidToken> {
            serde_json::from_slice(&decode(part)?).map_err(|_| InvalidToken::Form)
        };
        let (header, claims, signature) = (json(header)?, json(claims)?, decode(signature_text)?);
        let algorithm = header["alg"].as_str().ok_or(InvalidToken::Form)?;
        // An extension that must be understood is not.
        let critical = header.get("crit").is_some();
        let vouched = match &self.keys {
            None => algorithm == "none" && signature.is_empty(),
            Some(keys) => keys.verifies(header["kid"].as_str(), algorithm, message.as_bytes(), &signature),
        };
        if critical || !vouched {
            return Err(InvalidToken::Signature { algorithm: algorithm.to_owned() });
        }
        self.check_claims(&claims, now)
    }

    fn check_claims(&self, claims: &Value, now: SystemTime) -> Result<Accepted, InvalidToken> {
        let time = |name: &str| -> Result<Option<SystemTime>, InvalidToken> {
            match claims.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => {
                    let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds));
                    Ok(Some(UNIX_EPOCH + Duration::from_secs_f64(seconds.ok_or(InvalidToken::Time)?)))
                }
            }
        };
        let skew = self.rules.clock_skew;
        let expires = time("exp")?.ok_or(InvalidToken::Time)?;
        let begins = [time("nbf")?, time("iat")?];
        if expires + skew <= now || begins.into_iter().flatten().any(|begin| now + skew < begin) {
            return Err(InvalidToken::Time);
        }
        if let Some(issuer) = &self.rules.issuer
            && claims["iss"].as_str() != Some(issuer)
        {
            return Err(InvalidToken::Issuer);
        }
        if !self.rules.audiences.is_empty() {
            let expected =
                |value: &Value| value.as_str().is_some_and(|own| self.rules.audiences.iter().any(|it| it == own));
            let audience = &claims["aud"];
            if !expected(audience) && !audience.as_array().is_some_and(|all| all.iter().any(expected)) {
                return Err(InvalidToken::Audience);
            }
        }
        let claim = self.rules.subject_claim.as_str();
        let user = claims[claim].as_str().map(str::trim).filter(|user| !user.is_empty());
        let user = user.ok_or_else(|| InvalidToken::Subject { claim: claim.to_owned() })?.to_owned();
        Ok(Accepted { user, expires })
    }
}

/// A token without a signature, such as Kafka's clients make by themselves (`unsecuredLoginStringClaim_sub`): for tests
/// and first steps.
pub fn unsecured(subject: &str, now: SystemTime, lifetime: Duration) -> String {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = serde_json::json!({ "sub": subject, "iat": seconds(now), "exp": seconds(now + lifetime) });
    let encode = |json: &str| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims.to_string()))
}

#[cfg(test)]
mod tests {
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };

    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    fn rules() -> TokenRules {
        TokenRules {
            audiences: vec!["kafka".to_owned(), "other".to_owned()],
            issuer: Some("https://issuer".to_owned()),
            clock_skew: Duration::from_secs(30),
            subject_claim: "sub".to_owned(),
        }
    }

    /// A key pair, and what its JWKS document says.
    fn issuer() -> (EcdsaKeyPair, String) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let jwks = format!(
            r#"{{"keys":[{{"kty":"oct","k":"AA"}},{{"kty":"EC","crv":"P-256","kid":"k","use":"sig","x":"{x}","y":"{y}"}}]}}"#
        );
        (pair, jwks)
    }

    fn signed(pair: &EcdsaKeyPair, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    const GOOD: &str = r#"{"sub":"alice","aud":["x","kafka"],"iss":"https://issuer","exp":100}"#;
    const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

    #[test]
    fn a_token_of_the_issuer_is_accepted_and_every_rule_it_breaks_is_named() {
        let (pair, jwks) = issuer();
        let validator = TokenValidator::signed(rules(), KeySet::parse(jwks.as_bytes()).unwrap());
        let judge = |header: &str, claims: &str| validator.validate(&signed(&pair, header, claims), NOW);
        let accepted = judge(HEADER, GOOD).unwrap();
        assert_eq!((accepted.user.as_str(), accepted.expires), ("alice", UNIX_EPOCH + Duration::from_secs(100)));
        assert!(judge(r#"{"alg":"ES256"}"#, GOOD).is_ok(), "a token may name no key");

        for (header, claims, expected) in [
            (r#"{"alg":"ES256","kid":"other"}"#, GOOD, "no key of the issuer verifies"),
            (r#"{"alg":"RS256","kid":"k"}"#, GOOD, "no key of the issuer verifies"),
            (r#"{"alg":"none"}"#, GOOD, "no key of the issuer verifies"),
            (r#"{"alg":"ES256","crit":["x"]}"#, GOOD, "no key of the issuer verifies"),
            ("{}", GOOD, "it is no JSON web token"),
            (HEADER, r#"{"sub":"a","aud":"kafka","iss":"https://issuer"}"#, "it is not valid at this time"),
            (HEADER, r#"{"sub":"a","aud":"kafka","iss":"https://issuer","exp":"100"}"#, "it is not valid at this time"),
            (HEADER, r#"{"sub":"a","aud":"kafka","iss":"https://issuer","exp":99,"nbf":31}"#, "it is not valid at"),
            (HEADER, r#"{"sub":"a","aud":"else","iss":"https://issuer","exp":100}"#, "its audience is another"),
            (HEADER, r#"{"sub":"a","iss":"https://issuer","exp":100}"#, "its audience is another"),
            (HEADER, r#"{"sub":"a","aud":"kafka","iss":"x","exp":100}"#, "its issuer is another"),
            (HEADER, r#"{"sub":" ","aud":"kafka","iss":"https://issuer","exp":100}"#, "it names no user"),
        ] {
            let error = judge(header, claims).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{header} {claims}: {error}");
        }
        let late = NOW + Duration::from_secs(130);
        assert_eq!(validator.validate(&signed(&pair, HEADER, GOOD), late), Err(InvalidToken::Time));
        let within_skew = NOW + Duration::from_secs(129);
        assert!(validator.validate(&signed(&pair, HEADER, GOOD), within_skew).is_ok());
    }

    #[test]
    fn a_changed_token_is_refused() {
        let (pair, jwks) = issuer();
        let validator = TokenValidator::signed(rules(), KeySet::parse(jwks.as_bytes()).unwrap());
        let token = signed(&pair, HEADER, GOOD);
        let claims = URL_SAFE_NO_PAD.encode(GOOD.replace("alice", "admin"));
        let parts: Vec<&str> = token.split('.').collect();
        let changed = format!("{}.{claims}.{}", parts[0], parts[2]);
        assert!(matches!(validator.validate(&changed, NOW), Err(InvalidToken::Signature { .. })));
        for nonsense in ["", ".", "..", "a.b.c", &"a".repeat(MAX_TOKEN + 1)] {
            assert!(validator.validate(nonsense, NOW).is_err());
        }
    }

    #[test]
    fn unsigned_tokens_need_a_validator_made_for_them() {
        let rules = TokenRules { subject_claim: "sub".to_owned(), ..TokenRules::default() };
        let token = unsecured("alice", NOW, Duration::from_secs(60));
        let validator = TokenValidator::unsecured(rules.clone());
        assert_eq!(validator.validate(&token, NOW).unwrap().user, "alice");
        let (pair, jwks) = issuer();
        assert!(validator.validate(&signed(&pair, HEADER, GOOD), NOW).is_err());
        let signed_only = TokenValidator::signed(rules, KeySet::parse(jwks.as_bytes()).unwrap());
        assert!(signed_only.validate(&token, NOW).is_err());
    }

    #[test]
    fn a_document_without_a_usable_key_is_refused() {
        assert_eq!(KeySet::parse(b"[]").unwrap_err(), InvalidKeySet::Form);
        let symmetric = br#"{"keys":[{"kty":"oct","k":"AA"}]}"#;
        assert_eq!(KeySet::parse(symmetric).unwrap_err(), InvalidKeySet::NoKey { keys: 1 });
    }

    /// The example of RFC 7515, appendix A.2 (RS256).
    #[test]
    fn a_token_signed_by_rsa_is_verified() {
        let jwks = r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#;
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let rules = TokenRules { subject_claim: "iss".to_owned(), ..TokenRules::default() };
        let validator = TokenValidator::signed(rules, KeySet::parse(jwks.as_bytes()).unwrap());
        assert_eq!(validator.validate(token, NOW).unwrap().user, "joe");
    }
}
