//! Which connections one instance may open.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::SocketsAllowed;
use super::check::check;
use super::pattern::Server;
use crate::capability::{Allowed, Place};

/// Longest look-up of a granted name while a connection waits for it.
const LOOK_UP: Duration = Duration::from_secs(5);

/// What the keys of an instance's configuration open. Its WASI context asks it for each address.
#[derive(Debug)]
pub(crate) struct SocketAccess {
    allowed: SocketsAllowed,
    servers: Arc<Mutex<Vec<Server>>>,
}

impl SocketAccess {
    /// Nothing is opened yet.
    pub(crate) fn new(allowed: &Allowed) -> Self {
        Self { allowed: Arc::clone(&allowed.sockets), servers: Arc::default() }
    }

    pub(crate) fn revoke_all(&mut self) {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn grant(&mut self, value: &str) {
        // The configuration was checked; what the worker does not allow opens nothing.
        if let Ok(servers) = check(value, &self.allowed) {
            self.servers.lock().unwrap_or_else(PoisonError::into_inner).extend(servers);
        }
    }

    /// Has an instance's WASI ask here. Where a worker allows no server at all, names cannot be looked up either.
    pub(crate) fn admit(&self, wasi: &mut WasiCtxBuilder) {
        let servers = Arc::clone(&self.servers);
        wasi.allow_ip_name_lookup(!self.allowed.is_empty());
        wasi.allow_tcp(!self.allowed.is_empty());
        wasi.allow_udp(false);
        wasi.socket_addr_check(move |address, usage| {
            let servers = servers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Box::pin(async move {
                match usage {
                    SocketAddrUse::TcpConnect => may_connect(address, &servers).await,
                    // What the system binds by itself before it connects.
                    SocketAddrUse::TcpBind => {
                        !servers.is_empty() && address.ip().is_unspecified() && address.port() == 0
                    }
                    _ => false,
                }
            })
        });
    }
}

/// Whether an address belongs to one of the servers: it is written out there, or what a name leads to at this moment.
async fn may_connect(address: SocketAddr, servers: &[Server]) -> bool {
    for Server { host, port } in servers.iter().filter(|server| server.port == address.port()) {
        if let Ok(written) = host.parse::<IpAddr>() {
            if written == address.ip() {
                return true;
            }
            continue;
        }
        // A name may not lead to where only this machine is, unless it says so.
        if host != "localhost" && matches!(Place::of(address.ip()), Place::Loopback | Place::LinkLocal | Place::Nowhere)
        {
            continue;
        }
        let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host.as_str(), *port))).await;
        if let Ok(Ok(mut found)) = found
            && found.any(|found| found.ip() == address.ip())
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::SocketPattern;

    #[tokio::test]
    async fn an_address_is_connected_to_only_if_a_granted_server_has_it() {
        let allowed = Allowed { sockets: SocketPattern::parse("*:7000").into_iter().collect(), ..Allowed::default() };
        let mut access = SocketAccess::new(&allowed);
        access.grant("127.0.0.1:7000, localhost:7000");
        access.grant("127.0.0.1:7001");
        let servers = access.servers.lock().unwrap().clone();
        let may = async |address: &str| may_connect(address.parse().unwrap(), &servers).await;
        assert!(may("127.0.0.1:7000").await);
        assert!(!may("127.0.0.1:7001").await, "the worker does not allow that port");
        assert!(!may("127.0.0.2:7000").await);
        access.revoke_all();
        assert!(access.servers.lock().unwrap().is_empty());
    }
}
