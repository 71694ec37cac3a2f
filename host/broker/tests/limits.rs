//! Bad luck and bad manners: ports and folders in use, a full disk, garbage and floods.

mod support;

use std::{
    io::ErrorKind,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use millstream_broker::Broker;
use millstream_metrics::Value;
use millstream_record::ErrorChain;
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder},
    compression::Codec,
    frame::encode_request,
    protocol::messages::{
        ApiKey, ApiVersionsRequest, FetchResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        MetadataRequest, MetadataResponse, ProduceResponse, RequestHeader,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
};
use support::{Client, Log, batch, config, fetch_request_of, produce_request, text, with};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const LIMIT: Duration = Duration::from_secs(120);
const LISTENER: (&str, &str) = ("listeners", "PLAINTEXT://127.0.0.1:0");

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    // Not one that the system may give to somebody's connection before it is taken again.
    let port = harness::free_port();
    let holder = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
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
    assert_eq!(ErrorChain(&error).to_string(), expected);
    drop(running);
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Broker::start(config(&file.join("data"))).await.err().unwrap();
    assert!(ErrorChain(&error).to_string().contains(&file.display().to_string()), "{}", ErrorChain(&error));
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

#[tokio::test]
async fn an_address_has_no_more_connections_than_it_may_and_the_limit_can_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let settings = [LISTENER, ("max.connections.per.ip", "1"), ("max.connections.per.ip.overrides", "127.0.0.1:3")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let dial = || async { Client::over(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap()) };
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = dial().await;
        let _: MetadataResponse = client.call(ApiKey::Metadata, 12, &MetadataRequest::default()).await;
        held.push(client);
    }
    for _ in 0..20 {
        let stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
        assert!(closed_without_an_answer(stream).await);
    }
    assert_eq!(log.lines(&["WARN", "127.0.0.1", "max.connections.per.ip"]).len(), 1);
    set_of_broker(&broker, "max.connections.per.ip.overrides", "localhost:4").await;
    let mut client = dial().await;
    let _: MetadataResponse = client.call(ApiKey::Metadata, 12, &MetadataRequest::default()).await;
    let stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
    assert!(closed_without_an_answer(stream).await, "four of this host");
    broker.shutdown().await.unwrap();
}

async fn set_of_broker(broker: &Broker, key: &str, value: &str) {
    let set = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
    let resource =
        AlterConfigsResource::default().with_resource_type(4).with_resource_name(text("")).with_configs(vec![set]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer: IncrementalAlterConfigsResponse =
        Client::new(broker).call(ApiKey::IncrementalAlterConfigs, 1, &request).await;
    assert_eq!(answer.responses[0].error_code, 0, "{:?}", answer.responses[0].error_message);
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
            assert!(ErrorChain(&error).to_string().contains("No space left on device"), "{}", ErrorChain(&error));
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

/// Values that do not compress, of one record each.
fn large_batch(len: usize, codec: Codec) -> Bytes {
    let mut state = 1_u64;
    let value: Vec<u8> = (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    let mut builder = RecordBatchBuilder::with_capacity(len + 200);
    builder.append(1_700_000_000_000, None, Some(&value), std::iter::empty()).unwrap();
    builder.finish(&BatchStamp { codec, ..BatchStamp::default() }).unwrap().freeze()
}

/// A connection over TCP that has asked for all of the topic and reads nothing.
async fn reader_that_never_reads(address: SocketAddr, topic: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let header = RequestHeader::default().with_request_api_key(ApiKey::Fetch as i16).with_request_api_version(12);
    let frame = encode_request(&header, &fetch_request_of(topic, 0, 0, 1 << 30)).unwrap();
    // Again and again: the answers are what fills the buffers.
    for _ in 0..3 {
        stream.write_all(&frame).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn clients_that_never_read_cost_a_bounded_memory_and_disturb_nobody_until_they_are_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    // An eighth of the half that is for answers is more than the system takes from the broker for a socket.
    let settings = [LISTENER, ("request.memory.max.bytes", "67108864"), ("socket.write.timeout.ms", "3000")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    for n in 0..24 {
        assert_eq!(client.produce("t", -1, large_batch(1_000_000, Codec::None)).await, (0, n));
    }
    let before = resident_kib();
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(reader_that_never_reads(broker.listen_addresses()[0], "t").await);
    }
    // All the while others write and read.
    let mut offset = 24;
    loop {
        assert_eq!(client.produce("t", -1, batch(&["v"], None)).await, (0, offset));
        // All places of readers may be taken for a moment, for which a consumer waits.
        let (code, _, records) = client.fetch("t", offset, 5_000).await;
        assert!(code == 0 && !records.is_empty(), "error {code}, {} bytes", records.len());
        offset += 1;
        // 24 MB for each of 60 would be 1.4 GB; a batch for each and what the budget holds are 92 MB.
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 400_000, "{grown} KiB for answers that nobody reads");
        if !log.lines(&["WARN", "does not read its answers", "socket.write.timeout.ms"]).is_empty() {
            break;
        }
    }
    drop(silent);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_large_batches_gets_them_whatever_memory_others_hold_that_do_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [LISTENER, ("request.memory.max.bytes", "67108864"), ("message.max.bytes", "20000000")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let sent = large_batch(10_000_000, Codec::None);
    for n in 0..2 {
        assert_eq!(client.produce("t", -1, sent.clone()).await, (0, n));
    }
    let before = resident_kib();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(reader_that_never_reads(broker.listen_addresses()[0], "t").await);
    }
    let mut reader = Client::over(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap());
    for offset in [0, 1, 0, 1] {
        for max_bytes in [1, 1 << 20, 1 << 30] {
            let request = fetch_request_of("t", offset, 0, max_bytes);
            let answer: FetchResponse = reader.call(ApiKey::Fetch, 12, &request).await;
            let records = answer.responses[0].partitions[0].records.clone().unwrap_or_default();
            assert_eq!(records[..8], offset.to_be_bytes());
            assert!(records[16..] == sent[16..], "{max_bytes}: {} bytes", records.len());
        }
        // A batch for each would be a gigabyte.
        let grown = resident_kib().saturating_sub(before);
        assert!(grown < 300_000, "{grown} KiB for answers that nobody reads");
    }
    drop(silent);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_stop_half_way_or_before_they_begin_keep_no_other_waiting() {
    let dir = tempfile::tempdir().unwrap();
    // Half of it, the least that is possible, is for requests.
    let settings = [LISTENER, ("request.memory.max.bytes", "1048576"), ("message.max.bytes", "20000000")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let mut stalled = Vec::new();
    // Ninety megabytes are announced: of some nothing comes, of some all that is read of it without asking, of one more than
    // there is memory for.
    for sent in [0, 0, 0, 60_000, 60_000, 4_000_000] {
        let mut stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
        stream.write_all(&90_000_000_i32.to_be_bytes()).await.unwrap();
        let rest = tokio::spawn(async move {
            // All of it may not be taken.
            let _ = stream.write_all(&[&[0, 0, 0, 9][..], &vec![0; sent]].concat()).await;
            std::future::pending::<()>().await;
        });
        stalled.push(rest);
    }
    let mut client = Client::new(&broker);
    client.create("t").await;
    for n in 0..3 {
        assert_eq!(client.produce("t", -1, large_batch(8_000_000, Codec::None)).await, (0, n));
    }
    stalled.iter().for_each(tokio::task::JoinHandle::abort);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn half_a_request_and_silence_end_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let broker = Broker::start(with(dir.path(), &[LISTENER, ("socket.read.timeout.ms", "200")])).await.unwrap();
    for beginning in [&[0, 0][..], &[0, 0, 1, 0, 0, 3, 0, 12], &[0, 0x20, 0, 0, 0, 0, 0, 9]] {
        let mut stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        assert!(closed_without_an_answer(stream).await, "{beginning:?}");
    }
    let lines = log.lines(&["WARN", "127.0.0.1", "the rest of a request did not arrive (socket.read.timeout.ms)"]);
    assert_eq!(lines.len(), 1, "three of a kind at once are one line: {lines:?}");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_after_the_configured_time() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(with(dir.path(), &[LISTENER, ("connections.max.idle.ms", "200")])).await.unwrap();
    let stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
    assert!(closed_without_an_answer(stream).await);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_for_memory_and_all_get_through_even_one_larger_than_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("request.memory.max.bytes", "1048576"), ("message.max.bytes", "8000000")];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let mut clients: Vec<Client> = (0..12).map(|_| Client::new(&broker)).collect();
    let work = clients.iter_mut().enumerate().map(|(n, client)| async move {
        for round in 0..4 {
            let (len, codec) = match (n + round) % 4 {
                0 => (700_000, Codec::None),
                1 => (700_000, Codec::Gzip),
                2 => (4_000_000, Codec::None),
                _ => (4_000_000, Codec::Zstd),
            };
            let (code, offset) = client.produce("t", -1, large_batch(len, codec)).await;
            assert_eq!(code, 0);
            let answer: FetchResponse =
                client.call(ApiKey::Fetch, 12, &fetch_request_of("t", offset, 0, 1 << 30)).await;
            let records = answer.responses[0].partitions[0].records.clone().unwrap_or_default();
            assert!(len <= records.len(), "the batch comes whole");
        }
    });
    futures_join(work).await;
    broker.shutdown().await.unwrap();
}

/// Runs all to their ends at once.
async fn futures_join(work: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut work: Vec<_> = work.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        work.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if work.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn a_client_of_another_protocol_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let broker = Broker::start(with(dir.path(), &[LISTENER])).await.unwrap();
    for (bytes, words) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "looks like HTTP"),
        (
            b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03",
            "looks like TLS, and this listener is plain: set security.protocol=PLAINTEXT",
        ),
        (b"\x7f\xff\xff\xff and so on", "a frame announces 2147483647 bytes, and at most 104857600 are allowed"),
        (
            b"\x00\x00\x00\x0c\x7f\x00\x00\x00\x00\x00\x00\x01\xff\xff\x00\x00",
            "decode a request for the unknown api key 32512",
        ),
        (b"\x00\x00\x00\x0a\x00\x00\x00\x02\x00\x00\x00\x01\xff\xff", "Produce version 2 is not served"),
    ] {
        for _ in 0..3 {
            let mut stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            assert!(closed_without_an_answer(stream).await);
        }
        let lines = log.lines(&["WARN", "peer=\"/127.0.0.1\"", words]);
        if words.starts_with("Produce") {
            // Of the kind before, which was reported just now.
            assert_eq!(lines.len(), 0);
        } else {
            assert_eq!(lines.len(), 1, "{words}: {lines:?}");
        }
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn requests_connections_and_bytes_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let metrics = config.metrics.clone();
    let broker = Broker::start(config).await.unwrap();
    let counted = |instrument: &str| {
        let readings = metrics.read();
        let reading = readings.iter().find(|reading| reading.definition.name == "broker-request-metrics").unwrap();
        reading.values.iter().find(|(name, _)| *name == instrument).map(|(_, value)| value.clone()).unwrap()
    };
    let mut client = Client::new(&broker);
    for _ in 0..3 {
        client.send(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()).await;
    }
    let mut received = 0;
    for _ in 0..3 {
        received += client.receive_raw().await.expect("an answer").len() as u64 + 4;
    }
    let sent = 3 * (client.sent.len() as u64 - 4);
    assert_eq!((counted("requests"), counted("bytes_in")), (Value::Total(3), Value::Total(sent)));
    assert_eq!((counted("bytes_out"), counted("connections")), (Value::Total(received), Value::Current(1)));
    client.end().await;
    assert_eq!((counted("connections"), counted("refused")), (Value::Current(0), Value::Total(0)));

    let mut stranger = Client::new(&broker);
    stranger.send_raw(b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(stranger.receive_raw().await.is_none());
    assert_eq!(counted("refused"), Value::Total(1));
    broker.shutdown().await.unwrap();
}
