//! The worker beside Apache Kafka 4.3 and Kafka Connect 4.3 themselves.

use std::path::Path;

use harness::{
    Broker, Worker,
    files::{append, await_content, lines},
    peers::{Connect, Kafka, have_kafka, standalone_settings},
};

fn source(file: &Path) -> String {
    format!("name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=lines\n", file.display())
}

fn sink(file: &Path) -> String {
    format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=lines\n", file.display())
}

#[test]
fn the_same_worker_runs_on_apache_kafka_by_bootstrap_servers_alone() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, &lines(0..1000));
    let settings = format!("bootstrap.servers={}", kafka.address);
    let worker = Worker::start(folder.path(), &settings, &[&source(&input), &sink(&output)]);
    assert_eq!(worker.broker, "", "the built-in broker runs beside Kafka");
    await_content(&output, &lines(0..1000));
    assert!(worker.terminate().success());

    append(&input, &lines(1000..1500));
    let worker = Worker::start(folder.path(), &settings, &[&source(&input), &sink(&output)]);
    await_content(&output, &lines(0..1500));
    assert!(worker.terminate().success());
}

#[test]
fn connects_offset_file_is_continued_and_connect_continues_ours() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    let settings = standalone_settings(folder.path(), &broker.address);
    // A sink of ours, on a worker of its own, shows what is in the topic.
    let reader = tempfile::tempdir().unwrap();
    let servers = format!("bootstrap.servers={}", broker.address);
    let _reader = Worker::start(reader.path(), &servers, &[&sink(&output)]);

    append(&input, &lines(0..10));
    let connect = Connect::start(folder.path(), &settings, &source(&input));
    await_content(&output, &lines(0..10));
    connect.terminate();

    append(&input, &lines(10..20));
    let worker = Worker::start(folder.path(), &settings, &[&source(&input)]);
    await_content(&output, &lines(0..20));
    assert!(worker.terminate().success());

    append(&input, &lines(20..30));
    let connect = Connect::start(folder.path(), &settings, &source(&input));
    await_content(&output, &lines(0..30));
    connect.terminate();
}
