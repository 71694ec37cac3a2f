//! What broker and client share to know whom they talk to: TLS from Kafka's keys, and the exchanges of SASL.
//!
//! * [`tls`]: `ssl.*` keys become [`tls::TlsServer`] and [`tls::TlsClient`], which hand out rustls configurations and
//!   notice files that change.
//! * [`sasl`]: PLAIN, SCRAM and OAUTHBEARER for both sides, as values that take a token and return the next.
//! * [`jaas`]: `sasl.jaas.config` as Java reads it.
//! * [`htpasswd`]: users of the REST API with hashed passwords.
//! * [`mac`]: codes of messages, by Java's names.
//! * [`principal`]: a certificate's subject becomes a user's name (`ssl.principal.mapping.rules`).
//!
//! Files are read here (they are small, and reading blocks); sockets, clocks that wait, tasks and the log are the
//! caller's. Nothing here decides what a user may do.

#![forbid(unsafe_code)]

pub mod htpasswd;
pub mod jaas;
pub mod mac;
pub mod principal;
pub mod sasl;
pub mod tls;

mod certificate;
mod der;
mod password_based;
mod pem;
mod pkcs12;

pub use certificate::{Certificate, InvalidCertificate};
pub use rustls;
