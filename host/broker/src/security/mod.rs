//! Who is at the other end of a connection, and how that is made sure: listeners with TLS and SASL, users, sessions.
//!
//! What a user may do is decided in [`acls`]. Sockets and requests are elsewhere: `handshake` and `api`.

pub mod acls;
pub mod authorizer;
pub mod line_file;
pub mod listener;
pub mod session;
pub mod users;
