//! `millstream standalone`: a worker by itself.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_config::{ConfigMap, Mode, WorkerConfig, config_text, worker_key};
use millstream_runtime::{
    config_log::MemoryLog,
    leases::{LeaseFile, LeaseKeeper, LeaseSettings},
    membership::Solo,
    offsets::FileOffsetStore,
    status::MemoryStatusStore,
};

use crate::{
    cluster::Kafka,
    connector_files::create_all,
    exit::{Failure, SETUP},
    signals::{Ended, Signals},
    worker::{self, Bound, Prepared, Running, State},
};

/// The source that reads the lines of a file.
const FILE_SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

/// Runs until a signal comes, which works from the first moment.
pub async fn run(worker_file: &Path, connector_files: &[PathBuf]) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::of(SETUP, &error))?;
    work(&mut signals, worker_file, connector_files).await.or_else(Ended::result)
}

async fn work(signals: &mut Signals, worker_file: &Path, connector_files: &[PathBuf]) -> Result<(), Ended> {
    let config = worker::read(worker_file, Mode::Standalone)?;
    let (prepared, offsets) = signals.during(prepare(worker_file, &config)).await?;
    let kafka = signals.during(Kafka::open(&config, &prepared.metrics)).await?;
    let worker = match signals.during(start(&config, prepared, offsets, &kafka)).await {
        Ok(worker) => worker,
        Err(ended) => {
            kafka.close().await;
            return Err(ended);
        }
    };
    let mut result = signals.during(create_all(&worker.handle(), connector_files)).await;
    if result.is_ok() {
        worker.handle().mark_ready();
        print_what_runs(&worker, &kafka, connector_files.is_empty());
        result = worker.run(signals).await;
    }
    result = result.and(worker.stop().await.map_err(Ended::Failed));
    kafka.close().await;
    result
}

async fn prepare(worker_file: &Path, config: &WorkerConfig) -> Result<(Prepared, FileOffsetStore), Failure> {
    // The sample has its offset file in it.
    worker::make_broker_folder(config)?;
    let offsets = worker_key::OFFSET_FILE.get(config.config());
    let offsets = FileOffsetStore::open(&offsets).map_err(|error| Failure::of(SETUP, &error))?;
    Ok((Prepared::of(worker_file, config).await?, offsets))
}

async fn start(
    config: &WorkerConfig,
    prepared: Prepared,
    offsets: FileOffsetStore,
    kafka: &Kafka,
) -> Result<Running, Failure> {
    let bound = Bound::of(config, prepared, kafka).await?;
    let leases = worker_key::KV_FILE.get(config.config());
    let leases = leases.unwrap_or_else(|| format!("{}.kv", worker_key::OFFSET_FILE.get(config.config())));
    let leases = LeaseKeeper::start(Box::new(LeaseFile::new(leases)), LeaseSettings::of(config.config()));
    let state = State {
        offsets: Arc::new(offsets),
        offset_topics: None,
        leases: Arc::new(leases),
        statuses: Arc::new(MemoryStatusStore::default()),
        log: Box::<MemoryLog>::default(),
        membership: Box::<Solo>::default(),
        group: None,
    };
    bound.start(config, kafka, state)
}

fn print_what_runs(worker: &Running, kafka: &Kafka, without_connectors: bool) {
    let (handle, url) = (worker.handle(), worker.url());
    worker.print_addresses(kafka);
    // Nothing of it is still to be read.
    let names = handle.connectors().unwrap_or_default();
    for name in &names {
        let Ok(status) = handle.status(name) else { continue };
        let config = handle.connector_config(name).unwrap_or_default();
        let of = |key: &str| config.get(key).and_then(Option::as_deref).map(config_text::text);
        let source = status.kind.name() == "source";
        let file = of("file").map(|file| format!("file {file}"));
        let topic = of("topic").or_else(|| of("topics")).map(|topic| format!("topic {topic}"));
        let ends: Vec<String> = if source { [file, topic] } else { [topic, file] }.into_iter().flatten().collect();
        let ends = if ends.is_empty() { String::new() } else { format!(": {}", ends.join(" → ")) };
        println!("{:<9} {name}{ends}", status.kind.name());
    }
    println!();
    if without_connectors {
        println!("No connector yet. See what there is:  curl {url}/connector-plugins");
    } else {
        println!("Watch them:  curl '{url}/connectors?expand=status'");
        if let Some(file) = names.iter().find_map(|name| {
            let config = handle.connector_config(name).ok()?;
            reads_lines_of(&config)
        }) {
            println!("Try it:      echo hello >> {file}");
        }
    }
    println!("Stop:        Ctrl-C");
}

/// The file from which a connector makes a record of each line that is appended, as a shell takes it.
fn reads_lines_of(config: &ConfigMap) -> Option<String> {
    let of = |key: &str| config.get(key).and_then(Option::as_deref).map(str::trim);
    let class = of("connector.class")?;
    let is_file_source =
        FILE_SOURCE == class || FILE_SOURCE.rsplit('.').next() == Some(class) || class == "FileStreamSource";
    let file = of("file").filter(|file| is_file_source && !file.is_empty())?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c);
    Some(if file.chars().all(is_plain) { file.to_owned() } else { format!("'{}'", file.replace('\'', r"'\''")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_is_read_line_by_line_is_offered_to_try() {
        let offered = |class: &str, file: &str| {
            reads_lines_of(&ConfigMap::from([
                ("connector.class".to_owned(), Some(class.to_owned())),
                ("file".to_owned(), Some(file.to_owned())),
            ]))
        };
        for class in [FILE_SOURCE, "FileStreamSourceConnector", "FileStreamSource"] {
            assert_eq!(offered(class, "in/a.txt").as_deref(), Some("in/a.txt"));
        }
        assert_eq!(offered("FileStreamSource", "it's here").as_deref(), Some(r"'it'\''s here'"));
        assert_eq!(offered("FileStreamSource", ""), None);
        assert_eq!(offered("org.example.PictureSource", "a.png"), None);
        assert_eq!(offered("FileStreamSink", "a.txt"), None);
    }
}
