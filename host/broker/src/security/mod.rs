//! Who is at the other end of a connection, and how that is made sure: listeners with TLS and SASL, users, sessions.
//!
//! Sockets and requests are elsewhere: `handshake` and `api`.

pub mod line_file;
pub mod listener;
pub mod session;
pub mod users;
