//! Key stores and keys as other programs write them.

use std::path::PathBuf;

use millstream_security::tls::{TlsClient, TlsError, TlsKeys, TlsServer};

fn data(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(data(name)).unwrap()
}

fn keys(pairs: &[(&str, &str)]) -> Result<TlsKeys, TlsError> {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    TlsKeys::read(&|key| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()))
}

fn server(pairs: &[(&str, &str)]) -> Result<TlsServer, TlsError> {
    keys(pairs).and_then(TlsServer::new)
}

/// The message with its causes.
fn message(error: &dyn std::error::Error) -> String {
    let causes: Vec<String> =
        std::iter::successors(Some(error), |error| error.source()).map(|error| error.to_string()).collect();
    causes.join(": ")
}

#[test]
fn key_stores_of_openssl_and_keytool_are_opened() {
    for name in ["openssl.p12", "openssl-legacy.p12", "keytool.p12"] {
        let path = data(name);
        for kind in ["PKCS12", "JKS"] {
            let opened = server(&[
                ("ssl.keystore.type", kind),
                ("ssl.keystore.location", &path),
                ("ssl.keystore.password", "secret"),
            ]);
            opened.unwrap_or_else(|error| panic!("{name}: {}", message(&error)));
        }
        let wrong = server(&[("ssl.keystore.location", &path), ("ssl.keystore.password", "Secret")]).unwrap_err();
        let wrong = message(&wrong);
        assert!(wrong.contains(&path) && wrong.contains("ssl.keystore.password"), "{wrong}");
        assert!(wrong.contains("password is wrong") && !wrong.contains("Secret"), "{wrong}");
    }
}

#[test]
fn trust_stores_of_keytool_and_key_stores_in_their_place_are_opened() {
    for name in ["keytool-trust.p12", "openssl.p12", "keytool.p12"] {
        let keys = keys(&[("ssl.truststore.location", &data(name)), ("ssl.truststore.password", "secret")]);
        keys.and_then(TlsClient::new).unwrap_or_else(|error| panic!("{name}: {}", message(&error)));
    }
}

#[test]
fn keys_in_pem_are_read_with_and_without_a_password_from_a_file_and_inline() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = read("cert.pem");
    for name in ["key.pem", "key-sec1.pem", "key-pbes2-aes256-sha512.pem", "key-pbes2-3des.pem", "key-pkcs12-3des.pem"]
    {
        let key = read(name);
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{key}{certificate}")).unwrap();
        let opened = server(&[
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", path.to_str().unwrap()),
            ("ssl.key.password", "secret"),
        ]);
        opened.unwrap_or_else(|error| panic!("{name}: {}", message(&error)));
        let inline = server(&[
            ("ssl.keystore.key", &key.replace('\n', " ")),
            ("ssl.keystore.certificate.chain", &certificate),
            ("ssl.key.password", "secret"),
        ]);
        inline.unwrap_or_else(|error| panic!("{name}: {}", message(&error)));
    }
}

#[test]
fn what_cannot_be_used_names_the_key_the_file_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let pem = |name: &str, content: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let refused = |pairs: &[(&str, &str)], words: &[&str]| {
        let error = message(&server(pairs).unwrap_err());
        for word in words {
            assert!(error.contains(word), "{error} lacks {word}");
        }
    };
    let jks = data("trust.jks");
    refused(&[("ssl.keystore.location", &jks)], &["ssl.keystore.location", &jks, "keytool -importkeystore"]);
    refused(&[("ssl.keystore.location", "/none.p12")], &["ssl.keystore.location=/none.p12"]);
    refused(&[], &["ssl.keystore.location"]);
    refused(&[("ssl.keystore.key", "x")], &["ssl.keystore.certificate.chain"]);
    refused(
        &[("ssl.keystore.location", "x"), ("ssl.keystore.type", "BKS")],
        &["ssl.keystore.type", "BKS", "PEM or PKCS12"],
    );
    refused(
        &[("ssl.keystore.location", "x"), ("ssl.keystore.type", "PEM"), ("ssl.keystore.password", "secret")],
        &["ssl.keystore.password", "ssl.key.password"],
    );
    refused(&[("ssl.enabled.protocols", "TLSv1.1")], &["ssl.enabled.protocols", "TLSv1.1"]);
    refused(&[("ssl.client.auth", "maybe")], &["ssl.client.auth", "requested"]);

    let encrypted = pem("encrypted.pem", read("key-pbes2-3des.pem") + &read("cert.pem"));
    let at = [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", encrypted.as_str())];
    refused(&at, &[&encrypted, "set ssl.key.password"]);
    refused(&[&at[..], &[("ssl.key.password", "wrong")]].concat(), &[&encrypted, "the password does not fit"]);
    let traditional = pem("traditional.pem", read("key-traditional.pem") + &read("cert.pem"));
    refused(&[at[0], ("ssl.keystore.location", &traditional)], &[&traditional, "openssl pkcs8 -topk8"]);
    let bare = pem("bare.pem", read("key.pem"));
    refused(&[at[0], ("ssl.keystore.location", &bare)], &[&bare, "no certificate"]);
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let mixed = pem("mixed.pem", read("key.pem") + &other.cert.pem());
    refused(&[at[0], ("ssl.keystore.location", &mixed)], &[&mixed, "is not that of the first certificate"]);
    refused(
        &[&at[..], &[("ssl.key.password", "secret"), ("ssl.client.auth", "required")]].concat(),
        &["ssl.truststore"],
    );
    let inline = [("ssl.keystore.key", read("key.pem")), ("ssl.keystore.certificate.chain", read("cert.pem"))];
    let inline = [(inline[0].0, inline[0].1.as_str()), (inline[1].0, inline[1].1.as_str())];
    refused(
        &[&inline[..], &[("ssl.cipher.suites", "TLS_NONE")]].concat(),
        &["ssl.cipher.suites", "TLS_AES_128_GCM_SHA256"],
    );
}

#[test]
fn a_damaged_key_store_is_refused_wherever_it_is_cut_or_changed() {
    let whole = std::fs::read(data("keytool.p12")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.p12");
    let location = path.display().to_string();
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        server(&[("ssl.keystore.location", &location), ("ssl.keystore.password", "secret")])
    };
    for cut in (0..whole.len()).step_by(97) {
        assert!(open(&whole[..cut]).is_err(), "cut at {cut}");
    }
    for at in (40..whole.len() - 120).step_by(211) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        assert!(open(&changed).is_err(), "changed at {at}");
    }
}
