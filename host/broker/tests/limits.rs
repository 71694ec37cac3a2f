//! Bad luck and bad manners: ports and folders in use, a full disk, garbage and floods.

mod support;

use std::{
    io::ErrorKind,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use millstream_broker::Broker;
use millstream_record::Chain;
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder},
    compression::Codec,
    protocol::messages::{ApiKey, MetadataRequest, MetadataResponse, ProduceResponse},
};
use support::{Client, batch, config, produce_request, with};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const LIMIT: Duration = Duration::from_secs(30);
const LISTENER: (&str, &str) = ("listeners", "PLAINTEXT://127.0.0.1:0");

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = holder.local_addr().unwrap().port();
    let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
    let error = Broker::start(with(dir.path(), &[("listeners", &listeners)])).await.err().unwrap();
    let expected =
        format!("listen on {listeners}: another program uses this port; stop it, or choose another port (listeners)");
    assert_eq!(error.to_string(), expected);
    drop(holder);
    Broker::start(with(dir.path(), &[("listeners", &listeners)])).await.unwrap().shutdown().await.unwrap();
}

#[tokio::test]
async fn a_folder_in_use_or_out_of_reach_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let running = Broker::start(config(dir.path())).await.unwrap();
    let error = Broker::start(config(dir.path())).await.err().unwrap();
    let expected = format!(
        "open the broker's data folder: the data folder {} is in use by another process; stop that process or choose \
         another folder (log.dirs)",
        dir.path().display()
    );
    assert_eq!(Chain(&error).to_string(), expected);
    drop(running);
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Broker::start(config(&file.join("data"))).await.err().unwrap();
    assert!(Chain(&error).to_string().contains(&file.display().to_string()), "{}", Chain(&error));
}

async fn closed_without_an_answer(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    match tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("closed in time") {
        Ok(read) => read == 0,
        // Bytes that the broker had not read when it closed make the system say so this way.
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[tokio::test]
async fn garbage_and_huge_lengths_cost_their_own_connection_and_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(with(dir.path(), &[LISTENER])).await.unwrap();
    let address = broker.listen_addresses()[0];
    let mut garbage = vec![0_u8; 1 << 20];
    let mut state = 1_u64;
    garbage.iter_mut().for_each(|byte| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    });
    // The first four bytes are a length: beyond the limit, negative, and zero.
    for length in [[0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0x16, 0x03, 0x01, 0x02]] {
        garbage[..4].copy_from_slice(&length);
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The broker may close before everything is sent, which is the point.
        let _ = stream.write_all(&garbage).await;
        assert!(closed_without_an_answer(stream).await, "{length:?}");
    }
    // The largest length allowed, announced a hundred times and never sent: nothing is set aside for it.
    let before = resident_kib();
    let mut stalled = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[0x06, 0x40, 0, 0, 0, 3, 0, 12]).await.unwrap();
        stalled.push(stream);
    }
    let mut client = Client::new(&broker);
    client.create("t").await;
    assert_eq!(client.produce("t", -1, batch(&["still here"], None)).await, (0, 0));
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 50_000, "{grown} KiB for what was never sent");
    broker.shutdown().await.unwrap();
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_flood_of_connections_stops_at_the_limit_and_disturbs_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(with(dir.path(), &[LISTENER, ("max.connections", "20")])).await.unwrap();
    let address = broker.listen_addresses()[0];
    let ask = [0, 0, 0, 13, 0, 18, 0, 0, 0, 0, 0, 1, 0, 3, b'c', b'l', b'i'];
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&ask).await.unwrap();
        assert!(0 < stream.read_i32().await.unwrap(), "served");
        held.push(stream);
    }
    for _ in 0..200 {
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(closed_without_an_answer(stream).await);
    }
    // Within the process a worker still reaches its broker.
    let mut client = Client::new(&broker);
    let response: MetadataResponse = client.call(ApiKey::Metadata, 12, &MetadataRequest::default()).await;
    assert_eq!(response.error_code, 0);
    // A place that is given up can be had again.
    held.pop();
    let begin = Instant::now();
    loop {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A connection over the limit may be closed before or after this is sent.
        let _ = stream.write_all(&ask).await;
        if stream.read_i32().await.is_ok() {
            break;
        }
        assert!(begin.elapsed() < LIMIT, "the place is free in time");
    }
}

/// A file system of a few megabytes; unmounted on drop.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None`, said aloud, where this user may not mount.
    fn mount(at: &'a Path) -> Option<Self> {
        match mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"], at) {
            Ok(()) => Some(Self(at)),
            Err(reason) => {
                support::skip(&format!("a full disk needs a small file system, which cannot be mounted: {reason}"));
                None
            }
        }
    }

    fn grow(&self) {
        mount(&["-o", "remount,size=8m"], self.0).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: whatever still has a file open keeps it until it closes it.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(arguments).arg(at).output().map_err(|error| error.to_string())?;
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[tokio::test]
async fn a_full_disk_refuses_records_keeps_what_it_has_and_goes_on_when_there_is_room() {
    const KAFKA_STORAGE_ERROR: i16 = 56;
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path()) else { return };
    let settings = [("internal.segment.bytes", "300000"), ("log.index.size.max.bytes", "4096")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let value = "v".repeat(9000);
    let mut taken = 0_i64;
    loop {
        match client.produce("t", -1, batch(&[&value], Some((7, 0, taken as i32)))).await {
            (0, offset) => assert_eq!(offset, taken),
            (code, _) => {
                assert_eq!(code, KAFKA_STORAGE_ERROR);
                break;
            }
        }
        taken += 1;
        assert!(taken < 1000, "the disk is full at some time");
    }
    assert!(50 < taken);
    // Refused again and again, without harm.
    for _ in 0..20 {
        assert_eq!(client.produce("t", -1, batch(&[&value], Some((7, 0, taken as i32)))).await.0, KAFKA_STORAGE_ERROR);
    }
    assert_eq!(count(&mut client).await, taken);
    // A crash on a full disk.
    broker.abandon().await;
    let started = Broker::start(with(dir.path(), &settings)).await;
    let broker = match started {
        Ok(broker) => broker,
        Err(error) => {
            // Not being able to start is no shame; not saying why would be one.
            assert!(Chain(&error).to_string().contains("No space left on device"), "{}", Chain(&error));
            disk.grow();
            Broker::start(with(dir.path(), &settings)).await.unwrap()
        }
    };
    disk.grow();
    let mut client = Client::new(&broker);
    assert_eq!(count(&mut client).await, taken);
    for n in taken..taken + 50 {
        assert_eq!(client.produce("t", -1, batch(&[&value], Some((7, 0, n as i32)))).await, (0, n));
    }
    assert_eq!(count(&mut client).await, taken + 50);
    broker.shutdown().await.unwrap();
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    assert_eq!(count(&mut Client::new(&broker)).await, taken + 50);
    broker.shutdown().await.unwrap();
}

/// Reads the whole topic; every record must be there once.
async fn count(client: &mut Client) -> i64 {
    let mut next = 0;
    loop {
        let (code, _, records) = client.fetch("t", next, 0).await;
        assert_eq!(code, 0);
        if records.is_empty() {
            return next;
        }
        for batch in millstream_wire::batch::Batches::new(&records) {
            let (header, _) = batch.unwrap();
            assert_eq!(header.base_offset, next);
            next = header.last_offset() + 1;
        }
    }
}

#[tokio::test]
async fn a_batch_that_expands_beyond_the_limit_is_refused_and_the_key_named() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(with(dir.path(), &[("message.decompressed.max.bytes", "4096")])).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let zeros = |len: usize| {
        let mut builder = RecordBatchBuilder::with_capacity(len);
        builder.append(1_700_000_000_000, None, Some(&vec![0; len]), std::iter::empty()).unwrap();
        builder.finish(&BatchStamp { codec: Codec::Zstd, ..BatchStamp::default() }).unwrap().freeze()
    };
    assert_eq!(client.produce("t", -1, zeros(4000)).await, (0, 0));
    let bomb = zeros(1 << 20);
    assert!(bomb.len() < 4096, "it is small as it travels: {} bytes", bomb.len());
    let request = produce_request("t", -1, bomb);
    let answer: ProduceResponse = client.call(ApiKey::Produce, 9, &request).await;
    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, 10, "MESSAGE_TOO_LARGE");
    let message = partition.error_message.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(message.ends_with("expands to more than 4096 bytes (message.decompressed.max.bytes)"), "{message}");
}
