//! Many partitions, many connections, large records, clients that never read and clients that send nonsense, all at once:
//! the broker's memory and its open files stay within what is configured, and whoever behaves is served.
//!
//! `MILLSTREAM_LOAD=full` is the long form, with 5,000 partitions and 2,000 connections.

use std::{
    fs, io,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crash::{Frames, batch_of, fetch, fetched, produce, produced, random};
use harness::Broker;
use millstream_wire::protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, TopicName,
        create_topics_request::CreatableTopic,
    },
    protocol::StrBytes,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

const MIB: u64 = 1 << 20;

/// What requests and answers may take together.
const REQUEST_MEMORY: u64 = 64 * MIB;

/// A large record.
const LARGE: usize = 10_000_000;

/// What a connection may have of its own: what it reads ahead, and what it has read of requests that wait.
const OF_A_CONNECTION: u64 = 128 * 1024;

/// Files of logs that may be open, where descriptors are counted.
const OPEN_FILES: u64 = 60;

struct Size {
    topics: i32,
    partitions: i32,
    connections: usize,
    never_read: usize,
    large_producers: usize,
}

fn size() -> Size {
    if std::env::var("MILLSTREAM_LOAD").as_deref() == Ok("full") {
        Size { topics: 5, partitions: 1000, connections: 2000, never_read: 200, large_producers: 16 }
    } else {
        Size { topics: 1, partitions: 1000, connections: 500, never_read: 60, large_producers: 6 }
    }
}

fn create(client: &mut Frames, topic: &str, partitions: i32) {
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(120_000);
    let answer: CreateTopicsResponse = client.call(ApiKey::CreateTopics, 5, &request).unwrap();
    assert_eq!(answer.topics[0].error_code, 0);
}

/// A line of `/proc/…/status`, in bytes.
fn memory(broker: &Broker, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", broker.id())).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Descriptors of the process that stand for regular files below its data folder.
fn open_files(broker: &Broker) -> u64 {
    let all = fs::read_dir(format!("/proc/{}/fd", broker.id())).unwrap();
    let names = all.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    names.filter(|name| name.to_string_lossy().contains("/broker/")).count() as u64
}

/// Sends what no client would, again and again, each time over a new connection.
fn send_nonsense(address: &str, random: &mut impl Rng, over: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        let mut bytes: Vec<u8> = (0..random.random_range(1..2000)).map(|_| random.random()).collect();
        match sent % 4 {
            // A frame of a length that is allowed, of nonsense.
            0 => {
                let len = (bytes.len() as u32).to_be_bytes();
                bytes.splice(..0, len);
            }
            // The beginning of a very large one, of a kind that is known.
            1 => drop(bytes.splice(..0, [6, 0, 0, 0, 0, 0, 0, 9])),
            2 => bytes = b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            _ => {}
        }
        // Refused, cut off or left alone: all the same here.
        let _ = Frames::connect(address).and_then(|mut client| client.send_raw(&bytes));
        sent += 1;
    }
    sent
}

/// Writes small records and reads them back, and says how many.
fn behave(address: &str, topic: &str, records: u64) -> io::Result<u64> {
    let (mut writer, mut reader) = (Frames::connect(address)?, Frames::connect(address)?);
    let mut next = 0;
    for number in 0..records {
        let answer = produced(&mut writer, &produce(topic, 0..1, &batch_of(100, number as u8)))?;
        assert_eq!(answer, [(0, number as i64)], "it is acknowledged");
        while next <= number as i64 {
            let data = fetched(&mut reader, &fetch(topic, 0, next, 1 << 20))?;
            assert_eq!(data.error_code, 0);
            next = next.max(data.high_watermark);
        }
    }
    Ok(next as u64)
}

#[test]
fn much_of_everything_at_once_takes_a_bounded_memory_and_disturbs_nobody() {
    let (folder, size, mut random) = (tempfile::tempdir().unwrap(), size(), random());
    let settings = [
        format!("request.memory.max.bytes={REQUEST_MEMORY}"),
        "message.max.bytes=12000000".to_owned(),
        "acks.durability=os".to_owned(),
    ];
    let broker = Broker::start(folder.path(), &settings.each_ref().map(String::as_str));
    let address = broker.address.as_str();
    let mut client = Frames::connect(address).unwrap();
    let small = batch_of(100, 1);
    for topic in 0..size.topics {
        create(&mut client, &format!("many-{topic}"), size.partitions);
        let written = produced(&mut client, &produce(&format!("many-{topic}"), 0..size.partitions, &small)).unwrap();
        assert!(written.iter().all(|one| *one == (0, 0)), "a record for each partition");
    }
    create(&mut client, "large", 1);
    create(&mut client, "small", 1);
    let large = produce("large", 0..1, &batch_of(LARGE, 7));
    assert_eq!(produced(&mut client, &large).unwrap(), [(0, 0)]);
    let before = memory(&broker, "VmRSS:");
    let mut idle = Vec::new();
    while idle.len() < size.connections - size.never_read {
        let mut client = Frames::connect(address).unwrap();
        let _: ApiVersionsResponse = client.call(ApiKey::ApiVersions, 3, &ApiVersionsRequest::default()).unwrap();
        idle.push(client);
    }
    let mut never_read = Vec::new();
    while never_read.len() < size.never_read {
        let mut client = Frames::connect(address).unwrap();
        for _ in 0..3 {
            client.send(ApiKey::Fetch, 12, &fetch("large", 0, 0, 50_000_000)).unwrap();
        }
        never_read.push(client);
    }
    let (over, most, seed) = (AtomicBool::new(false), AtomicU64::new(0), random.random());
    thread::scope(|scope| {
        let nonsense = scope.spawn(|| {
            let mut random = StdRng::seed_from_u64(seed);
            send_nonsense(address, &mut random, &over)
        });
        let watch = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(memory(&broker, "VmRSS:"), Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        let large: Vec<_> = (0..size.large_producers)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Frames::connect(address)?;
                    (0..3).map(|_| produced(&mut client, &large)).collect::<io::Result<Vec<_>>>()
                })
            })
            .collect();
        let behaving = scope.spawn(|| behave(address, "small", 100));
        // Partitions that nobody has looked at for long are read as well.
        for partition in (0..size.partitions).step_by(7) {
            let data = fetched(&mut client, &fetch("many-0", partition, 0, 1 << 20)).unwrap();
            assert_eq!((data.error_code, data.records.unwrap_or_default().len()), (0, small.len()));
        }
        let mut offsets: Vec<i64> = Vec::new();
        for producer in large {
            for answer in producer.join().unwrap().unwrap() {
                assert_eq!(answer[0].0, 0, "a large record is taken");
                offsets.push(answer[0].1);
            }
        }
        assert_eq!(behaving.join().unwrap().unwrap(), 100, "whoever behaves gets to the end");
        over.store(true, Ordering::Relaxed);
        watch.join().unwrap();
        assert_ne!(nonsense.join().unwrap(), 0);
        offsets.sort_unstable();
        assert_eq!(offsets, (1..=3 * size.large_producers as i64).collect::<Vec<_>>(), "each has a place of its own");
    });
    // Threads that read or write have what they are at, and one at a time goes on beyond the memory for requests; the
    // allocator keeps some of what was given back. A batch for each that never reads would be more.
    let allowed = 2 * REQUEST_MEMORY + size.connections as u64 * OF_A_CONNECTION + 20 * LARGE as u64;
    let grown = most.load(Ordering::Relaxed).saturating_sub(before);
    println!("{} MiB before, {} MiB more, {} MiB allowed", before / MIB, grown / MIB, allowed / MIB);
    assert!(grown < allowed, "{} MiB more, where {} are allowed", grown / MIB, allowed / MIB);
    drop((idle, never_read));
    assert!(broker.terminate().success());
}

#[test]
fn more_partitions_than_files_may_be_open_are_served_and_no_record_is_lost_when_descriptors_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [format!("open.files.max={OPEN_FILES}"), "max.connections=1000".to_owned()];
    let settings = settings.each_ref().map(String::as_str);
    let broker = Broker::start(folder.path(), &settings);
    let limit = Command::new("prlimit").args(["--pid", &broker.id().to_string(), "--nofile=200:200"]).status();
    if !limit.is_ok_and(|status| status.success()) {
        harness::skip("prlimit is not there");
        return;
    }
    let partitions = 100;
    let mut client = Frames::connect(&broker.address).unwrap();
    create(&mut client, "t", partitions);
    for round in 0..3 {
        let written = produced(&mut client, &produce("t", 0..partitions, &batch_of(100, round))).unwrap();
        assert!(written.iter().all(|one| *one == (0, i64::from(round))), "{written:?}");
        // Those that are written to at the same time are open at the same time.
        let open = open_files(&broker);
        assert!(open <= OPEN_FILES + partitions as u64, "{open} of {} files are open", 3 * partitions);
    }
    // Now connections take all that is left.
    let mut taken = Vec::new();
    harness::eventually("the broker says that descriptors have run out", || {
        if taken.len() < 400 {
            taken.push(Frames::connect(&broker.address).unwrap());
        }
        broker.log().contains("ulimit -n").then_some(())
    });
    let mut acknowledged = vec![3_i64; partitions as usize];
    for partition in 0..partitions {
        let answer = produced(&mut client, &produce("t", partition..partition + 1, &batch_of(100, 9))).unwrap()[0];
        if answer.0 == 0 {
            acknowledged[partition as usize] += 1;
        }
    }
    drop(taken);
    drop(client);
    assert!(broker.terminate().success(), "nothing has gone offline");
    let broker = Broker::start(folder.path(), &settings);
    let mut client = Frames::connect(&broker.address).unwrap();
    for partition in 0..partitions {
        let data = fetched(&mut client, &fetch("t", partition, 0, 1 << 20)).unwrap();
        assert_eq!((data.error_code, data.high_watermark), (0, acknowledged[partition as usize]), "{partition}");
    }
    assert!(broker.terminate().success());
}
