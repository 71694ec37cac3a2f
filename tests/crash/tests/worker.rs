//! A worker that is killed under load delivers every line, in order; only lines behind the last
//! committed offset come twice.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::Write,
    time::Duration,
};

use harness::{Worker, eventually};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Times the worker is killed.
const KILLS: usize = 30;

#[test]
fn a_killed_worker_loses_no_line() {
    let given = std::env::var("MILLSTREAM_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| rand::rng().random());
    println!("MILLSTREAM_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    let source = format!(
        "name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=lines\nbatch.size=100\n",
        input.display()
    );
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=lines\n", output.display());
    let mut written = 0_u64;
    for _ in 0..KILLS {
        let mut file = OpenOptions::new().create(true).append(true).open(&input).unwrap();
        let mut worker = Worker::start(folder.path(), "", &[&source, &sink]);
        let until = std::time::Instant::now() + Duration::from_micros(random.random_range(0..400_000));
        while std::time::Instant::now() < until {
            let mut lines = String::new();
            for _ in 0..random.random_range(1..200) {
                lines.push_str(&format!("line {written} {}\n", "y".repeat((written % 53) as usize)));
                written += 1;
            }
            file.write_all(lines.as_bytes()).unwrap();
            std::thread::park_timeout(Duration::from_millis(2));
        }
        worker.kill();
    }
    let worker = Worker::start(folder.path(), "", &[&source, &sink]);
    let last = format!("line {} ", written - 1);
    let found = eventually("the last line arrives", || {
        let text = fs::read_to_string(&output).ok()?;
        text.lines().rev().take(5000).any(|line| line.starts_with(&last)).then_some(text)
    });
    assert!(worker.terminate().success());
    let mut seen = HashSet::new();
    let mut newest = None;
    for line in found.lines() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("line"), "a torn line: {line:?}");
        let number: u64 = words.next().unwrap().parse().unwrap();
        assert_eq!(words.next().unwrap_or_default().len(), (number % 53) as usize, "a torn line: {line:?}");
        // A line is new only directly behind the newest one; others are repetitions.
        if seen.insert(number) {
            assert_eq!(number, newest.map_or(0, |newest: u64| newest + 1), "a line was skipped");
            newest = Some(number);
        }
    }
    assert_eq!(newest, Some(written - 1));
}
