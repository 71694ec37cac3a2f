//! The built-in broker as the worker's client sees it: pipes in memory instead of sockets.

use std::{io, sync::Weak};

use async_trait::async_trait;
use millstream_broker::Broker;
use millstream_client::{Dial, Stream};

/// Dials the built-in broker, whatever address is asked for: there is only one.
pub struct EmbeddedDial(pub Weak<Broker>);

#[async_trait]
impl Dial for EmbeddedDial {
    async fn dial(&self, _host: &str, _port: u16) -> io::Result<Box<dyn Stream>> {
        match self.0.upgrade() {
            Some(broker) => Ok(Box::new(broker.connect())),
            None => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the built-in broker has stopped")),
        }
    }

    fn is_within_process(&self) -> bool {
        true
    }
}
