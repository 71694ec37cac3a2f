//! Both sides of TLS, over bytes in memory.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use millstream_security::{
    rustls::{self, ClientConnection, Error, ServerConnection},
    tls::{TlsClient, TlsError, TlsKeys, TlsServer, explain, server_name, subject},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority that signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Key and certificate in one PEM text, valid until so many days from now.
    fn sign(&self, name: &str, days: i64) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "Test");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = (SystemTime::now() - Duration::from_secs(400 * 86_400)).into();
        let day = Duration::from_secs(86_400);
        let end =
            if days < 0 { SystemTime::now() - day * (-days) as u32 } else { SystemTime::now() + day * days as u32 };
        params.not_after = end.into();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        format!("{}{}", key.serialize_pem(), certificate.pem())
    }
}

fn keys(pairs: &[(&str, &str)]) -> Result<TlsKeys, TlsError> {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    TlsKeys::read(&|key| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()))
}

fn identity(pem: &str) -> [(&'static str, String); 2] {
    [("ssl.keystore.key", pem.to_owned()), ("ssl.keystore.certificate.chain", pem.to_owned())]
}

fn server(pem: &str, more: &[(&str, &str)]) -> TlsServer {
    let own = identity(pem);
    let pairs: Vec<(&str, &str)> = own.iter().map(|(k, v)| (*k, v.as_str())).chain(more.iter().copied()).collect();
    TlsServer::new(keys(&pairs).unwrap()).unwrap()
}

fn client(pairs: &[(&str, &str)]) -> TlsClient {
    TlsClient::new(keys(pairs).unwrap()).unwrap()
}

/// The subject of the client's certificate, or what the side that found the fault says.
fn handshake(client: &TlsClient, server: &TlsServer, host: &str) -> Result<Option<String>, Error> {
    let mut client = ClientConnection::new(client.config(), server_name(host).unwrap()).unwrap();
    let mut server = ServerConnection::new(server.config()).unwrap();
    for _ in 0..20 {
        pass(&mut client, &mut server)?;
        pass(&mut server, &mut client)?;
        if !client.is_handshaking() && !server.is_handshaking() && !client.wants_write() && !server.wants_write() {
            let shown = server.peer_certificates().and_then(|chain| chain.first());
            return Ok(shown.map(|certificate| subject(certificate).unwrap()));
        }
    }
    panic!("the handshake does not end");
}

fn pass<A, B, C, D>(from: &mut A, to: &mut B) -> Result<(), Error>
where
    A: std::ops::DerefMut<Target = rustls::ConnectionCommon<C>>,
    B: std::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
{
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = &bytes[..];
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn a_server_is_accepted_by_who_trusts_its_authority_and_under_its_own_name() {
    let authority = Authority::new();
    let server = server(&authority.sign("localhost", 90), &[]);
    let trusting = client(&[("ssl.truststore.certificates", &authority.pem)]);
    assert_eq!(handshake(&trusting, &server, "localhost"), Ok(None));
    let error = handshake(&trusting, &server, "example.com").unwrap_err();
    assert!(explain(&error).unwrap().contains("another host name"), "{error}");
    let careless =
        client(&[("ssl.truststore.certificates", &authority.pem), ("ssl.endpoint.identification.algorithm", "")]);
    assert_eq!(handshake(&careless, &server, "example.com"), Ok(None));
    let other = Authority::new();
    for pairs in [
        &[("ssl.truststore.certificates", other.pem.as_str())][..],
        &[("ssl.truststore.certificates", &other.pem), ("ssl.endpoint.identification.algorithm", "")],
    ] {
        let error = handshake(&client(pairs), &server, "localhost").unwrap_err();
        assert!(explain(&error).unwrap().contains("trust store"), "{error}");
    }
}

#[test]
fn an_expired_certificate_is_refused_and_one_that_will_expire_is_told() {
    let authority = Authority::new();
    let trusting = client(&[("ssl.truststore.certificates", &authority.pem)]);
    let now = SystemTime::now();
    for (days, told) in [(-1, true), (10, true), (90, false)] {
        let server = server(&authority.sign("localhost", days), &[]);
        assert_eq!(!server.expiring(now).is_empty(), told, "{days}");
        let answer = handshake(&trusting, &server, "localhost");
        if days < 0 {
            assert!(explain(&answer.unwrap_err()).unwrap().contains("expired"));
        } else {
            assert_eq!(answer, Ok(None));
        }
    }
}

#[test]
fn a_certificate_that_stands_in_the_trust_store_itself_is_accepted_in_its_time() {
    let authority = Authority::new();
    let shown = authority.sign("localhost", 90);
    let trusting = client(&[("ssl.truststore.certificates", &shown)]);
    assert_eq!(handshake(&trusting, &server(&shown, &[]), "localhost"), Ok(None));
    assert!(handshake(&trusting, &server(&shown, &[]), "elsewhere").is_err(), "its name still counts");
    let old = authority.sign("localhost", -1);
    let trusting = client(&[("ssl.truststore.certificates", &old)]);
    let error = handshake(&trusting, &server(&old, &[]), "localhost").unwrap_err();
    assert!(explain(&error).unwrap().contains("expired"), "{error}");
    // As openssl req -x509 makes them: an authority that shows itself.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let read = |name| std::fs::read_to_string(folder.join(name)).unwrap();
    let (key, certificate) = (read("key.pem"), read("cert.pem"));
    let trusting = client(&[("ssl.truststore.certificates", &certificate)]);
    assert_eq!(handshake(&trusting, &server(&(key + &certificate), &[]), "localhost"), Ok(None));
}

#[test]
fn clients_show_certificates_where_the_server_asks_for_them() {
    let authority = Authority::new();
    let own = authority.sign("alice", 90);
    let own = identity(&own);
    let trust = ("ssl.truststore.certificates", authority.pem.as_str());
    let with = client(&[trust, (own[0].0, &own[0].1), (own[1].0, &own[1].1)]);
    let without = client(&[trust]);
    let stranger = Authority::new().sign("alice", 90);
    let stranger = identity(&stranger);
    let stranger = client(&[trust, (stranger[0].0, &stranger[0].1), (stranger[1].0, &stranger[1].1)]);
    let shown = authority.sign("localhost", 90);
    let asking = |how: &str| server(&shown, &[trust, ("ssl.client.auth", how)]);
    // The last part first: the name was made before the organisation.
    let name = Some("O=Test,CN=alice".to_owned());
    assert_eq!(handshake(&with, &asking("required"), "localhost"), Ok(name.clone()));
    assert_eq!(handshake(&with, &asking("requested"), "localhost"), Ok(name));
    assert_eq!(handshake(&without, &asking("requested"), "localhost"), Ok(None));
    let error = handshake(&without, &asking("required"), "localhost").unwrap_err();
    assert!(explain(&error).unwrap().contains("ssl.client.auth=required"), "{error}");
    assert!(handshake(&stranger, &asking("requested"), "localhost").is_err());
}

#[test]
fn versions_and_cipher_suites_are_those_that_are_configured() {
    let authority = Authority::new();
    let trust = ("ssl.truststore.certificates", authority.pem.as_str());
    let old = server(&authority.sign("localhost", 90), &[("ssl.enabled.protocols", "TLSv1.2")]);
    assert_eq!(handshake(&client(&[trust]), &old, "localhost"), Ok(None));
    let new = client(&[trust, ("ssl.enabled.protocols", "TLSv1.3")]);
    let error = handshake(&new, &old, "localhost").unwrap_err();
    assert!(explain(&error).unwrap().contains("ssl.enabled.protocols"), "{error}");
    let narrow = client(&[trust, ("ssl.cipher.suites", "TLS_AES_128_GCM_SHA256")]);
    let narrow_server = server(&authority.sign("localhost", 90), &[("ssl.cipher.suites", "TLS_AES_256_GCM_SHA384")]);
    assert!(explain(&handshake(&narrow, &narrow_server, "localhost").unwrap_err()).is_some());
}

#[test]
fn files_that_change_are_read_again_and_a_bad_change_leaves_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.pem");
    let location = path.display().to_string();
    let (first, second) = (Authority::new(), Authority::new());
    std::fs::write(&path, first.sign("localhost", 90)).unwrap();
    let server =
        TlsServer::new(keys(&[("ssl.keystore.type", "PEM"), ("ssl.keystore.location", &location)]).unwrap()).unwrap();
    let trusts = |authority: &Authority| client(&[("ssl.truststore.certificates", &authority.pem)]);
    assert!(!server.reload().unwrap(), "nothing has changed");
    let before = server.config();

    std::fs::write(&path, "nonsense").unwrap();
    assert!(server.reload().is_err());
    assert!(!server.reload().unwrap(), "the same mistake is told once");
    assert!(Arc::ptr_eq(&before, &server.config()));
    assert_eq!(handshake(&trusts(&first), &server, "localhost"), Ok(None));

    std::fs::write(&path, second.sign("localhost", 90)).unwrap();
    assert!(server.reload().unwrap());
    assert_eq!(handshake(&trusts(&second), &server, "localhost"), Ok(None));
    assert!(handshake(&trusts(&first), &server, "localhost").is_err());
}

#[test]
fn plain_text_is_no_handshake() {
    let server = server(&Authority::new().sign("localhost", 90), &[]);
    let mut connection = ServerConnection::new(server.config()).unwrap();
    let mut bytes = &b"\x00\x00\x00\x21\x00\x12\x00\x03\x00\x00\x00\x00"[..];
    connection.read_tls(&mut bytes).unwrap();
    let error = connection.process_new_packets().unwrap_err();
    assert!(explain(&error).unwrap().contains("does not speak TLS"), "{error}");
}
