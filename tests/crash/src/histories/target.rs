//! The broker that is under test: Millstream's, or Apache Kafka's. Always at the same ports, behind the proxy.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

use harness::{Broker, free_port, peers::Kafka, within};

/// Whether a broker there serves requests. Apache Kafka listens long before it does.
fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    // ApiVersions 0 of the client "cli".
    stream.write_all(b"\x00\x00\x00\x0d\x00\x12\x00\x00\x00\x00\x00\x01\x00\x03cli").ok()?;
    stream.read_exact(&mut [0; 8]).ok()
}

/// A broker that can be killed and comes again.
pub struct Target {
    folder: PathBuf,
    /// Where it listens.
    pub port: u16,
    /// Where clients are told to go.
    pub proxy_port: u16,
    kind: Kind,
}

enum Kind {
    Millstream(Option<Broker>),
    Kafka { controller: u16, internal: u16, process: Option<Kafka> },
}

impl Target {
    /// Millstream with its data in this folder.
    pub fn millstream(folder: PathBuf) -> Self {
        Self { folder, port: free_port(), proxy_port: free_port(), kind: Kind::Millstream(None) }
    }

    /// Apache Kafka. Only after [`have_kafka`](harness::peers::have_kafka).
    pub fn kafka(folder: PathBuf) -> Self {
        let kind = Kind::Kafka { controller: free_port(), internal: free_port(), process: None };
        Self { folder, port: free_port(), proxy_port: free_port(), kind }
    }

    /// Starts it where it stopped, and waits until it listens.
    ///
    /// # Panics
    ///
    /// It does not.
    pub fn start(&mut self) {
        let advertised = format!("advertised.listeners=PLAINTEXT://127.0.0.1:{}", self.proxy_port);
        match &mut self.kind {
            Kind::Millstream(process) => {
                let settings = [
                    &format!("listeners=PLAINTEXT://127.0.0.1:{}", self.port),
                    advertised.as_str(),
                    "offsets.topic.num.partitions=3",
                    "transaction.state.log.num.partitions=3",
                    "group.min.session.timeout.ms=1000",
                    "group.consumer.min.session.timeout.ms=1000",
                    "group.consumer.session.timeout.ms=2000",
                    "group.consumer.min.heartbeat.interval.ms=300",
                    "group.consumer.heartbeat.interval.ms=300",
                    "transaction.abort.timed.out.transaction.cleanup.interval.ms=300",
                    "internal.segment.bytes=100000",
                ];
                *process = Some(Broker::start(&self.folder, &settings));
            }
            Kind::Kafka { controller, internal, process } => {
                // What the broker asks of itself must not go through the proxy.
                let settings = format!(
                    "listeners=@ADDRESSES@,INTERNAL://127.0.0.1:{internal}\n\
                     {advertised},INTERNAL://127.0.0.1:{internal}\n\
                     inter.broker.listener.name=INTERNAL\n\
                     listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT\n\
                     group.consumer.min.session.timeout.ms=1000\ngroup.consumer.session.timeout.ms=2000\n\
                     group.consumer.min.heartbeat.interval.ms=300\ngroup.consumer.heartbeat.interval.ms=300\n\
                     transaction.abort.timed.out.transaction.cleanup.interval.ms=300"
                );
                let environment = [("KEEP", "1"), ("SETTINGS", settings.as_str())];
                let kafka = Kafka::start_at(&self.folder, (self.port, *controller), &environment);
                kafka.await_listening();
                *process = Some(kafka);
            }
        }
        let port = self.port;
        within(Duration::from_secs(120), "the broker answers", || answers(port));
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        match &mut self.kind {
            Kind::Millstream(process) => drop(process.take()),
            Kind::Kafka { process, .. } => drop(process.take()),
        }
    }

    /// Stops it in the middle of whatever it does.
    pub fn freeze(&self) {
        match &self.kind {
            Kind::Millstream(process) => process.iter().for_each(Broker::freeze),
            Kind::Kafka { process, .. } => process.iter().for_each(|kafka| kafka.freeze(true)),
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        match &self.kind {
            Kind::Millstream(process) => process.iter().for_each(Broker::thaw),
            Kind::Kafka { process, .. } => process.iter().for_each(|kafka| kafka.freeze(false)),
        }
    }
}
