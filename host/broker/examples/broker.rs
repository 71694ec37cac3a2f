//! Runs the broker alone: `broker [server.properties] [key=value ...]` until interrupted.

use std::{collections::BTreeMap, error::Error, process::ExitCode};

use millstream_broker::{Broker, BrokerConfig};
use millstream_record::ErrorChain;
use tokio::signal::unix::{SignalKind, signal};

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // As in the product, whose main function says why.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::INFO).init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", ErrorChain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut properties = BTreeMap::new();
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some((key, value)) => drop(properties.insert(key.to_owned(), value.to_owned())),
            None => {
                let text = std::fs::read_to_string(&argument)?;
                let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
                let pairs = lines.filter_map(|line| line.split_once('='));
                properties.extend(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())));
            }
        }
    }
    let config = BrokerConfig::from_properties(&properties)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let broker = Broker::start(config).await?;
        println!("ready {:?}", broker.listen_addresses());
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(broker.shutdown().await?)
    })
}
