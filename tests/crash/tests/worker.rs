//! A worker that is killed under load delivers every line, in order; only lines behind the last
//! committed offset come twice.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use crash::{random, read_topic};
use harness::{Worker, eventually};
use millstream_record::TopicName;
use rand::Rng;

/// Times the worker is killed.
const KILLS: usize = 30;

fn line(number: u64) -> String {
    format!("line {number} {}", "y".repeat((number % 53) as usize))
}

/// The number of a line, which must be whole.
#[track_caller]
fn number_of(text: &str) -> u64 {
    let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
    let number = number.unwrap_or_else(|| panic!("a torn line: {text:?}"));
    assert_eq!(text, line(number), "a torn line");
    number
}

/// The file position that the worker has committed for its source; 0 before the first commit.
fn committed_position(offsets: &Path) -> u64 {
    // Java's serialised map; the one value in it that matters is plain JSON.
    let bytes = fs::read(offsets).unwrap_or_default();
    let key = b"\"position\":";
    let Some(at) = bytes.windows(key.len()).position(|window| window == key) else { return 0 };
    let digits = bytes[at + key.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |position, digit| position * 10 + u64::from(digit - b'0'))
}

#[test]
fn a_killed_worker_loses_no_line() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    let source = format!(
        "name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=lines\nbatch.size=100\n",
        input.display()
    );
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=lines\n", output.display());
    // Where each line begins in the file.
    let mut begins: Vec<u64> = Vec::new();
    let mut bytes = 0;
    // The first line that was not committed, at each kill.
    let mut committed = Vec::new();
    let mut file = OpenOptions::new().create(true).append(true).open(&input).unwrap();
    for _ in 0..KILLS {
        let mut worker = Worker::start(folder.path(), "", &[&source, &sink]);
        let until = Instant::now() + Duration::from_micros(random.random_range(0..400_000));
        while Instant::now() < until {
            let mut lines = String::new();
            for _ in 0..random.random_range(1..200) {
                begins.push(bytes + lines.len() as u64);
                lines.push_str(&line(begins.len() as u64 - 1));
                lines.push('\n');
            }
            bytes += lines.len() as u64;
            file.write_all(lines.as_bytes()).unwrap();
            std::thread::park_timeout(Duration::from_millis(2));
        }
        worker.kill();
        let position = committed_position(&folder.path().join("offsets"));
        let next = begins.partition_point(|begin| *begin < position);
        assert_eq!(begins.get(next).copied().unwrap_or(bytes), position, "a line is committed whole or not at all");
        committed.push(next as u64);
    }
    let worker = Worker::start(folder.path(), "", &[&source, &sink]);
    let lines = begins.len() as u64;
    let found = eventually("the last line arrives", || {
        let text = fs::read_to_string(&output).ok()?;
        text.ends_with(&format!("{}\n", line(lines - 1))).then_some(text)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let topic = TopicName::parse("lines").unwrap();
    let mut partitions = runtime.block_on(read_topic(&worker.broker, &topic, 1));
    assert!(worker.terminate().success());

    let in_topic: Vec<u64> = partitions.remove(&0).unwrap().iter().map(|(_, value)| number_of(value)).collect();
    check_order(&in_topic, lines);
    check_repetitions(&in_topic, &committed);
    // The sink commits after it has written: it may repeat more, and loses and swaps nothing either.
    let in_file: Vec<u64> = found.lines().map(number_of).collect();
    check_order(&in_file, lines);
    println!("{lines} lines, {} in the topic, {} in the file", in_topic.len(), in_file.len());
}

/// Every line is there, and a new one stands only directly behind the newest before it; others are repetitions.
fn check_order(numbers: &[u64], lines: u64) {
    let mut seen = HashSet::new();
    let mut newest = None;
    for &number in numbers {
        if seen.insert(number) {
            assert_eq!(number, newest.map_or(0, |newest: u64| newest + 1), "a line was skipped");
            newest = Some(number);
        }
    }
    assert_eq!(newest, lines.checked_sub(1));
}

/// Where the lines go back, they go back to what was committed at a kill, one kill after the other.
fn check_repetitions(numbers: &[u64], committed: &[u64]) {
    let mut kills = committed.iter();
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            assert!(kills.any(|first| *first == pair[1]), "line {} came again after {}", pair[1], pair[0]);
        }
    }
}
