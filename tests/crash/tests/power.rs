//! When the power fails, what the system had not yet written to the disk is gone; nothing acknowledged is.
//!
//! The broker's folder lies on a file system of its own in an image file. The power fails by freezing the broker and
//! copying the image: what the system still held in memory for that file system is not in the copy. The broker goes on
//! with the copy. Mounting needs rights; without them the test says so and is skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crash::{Numbers, random, read_topic};
use harness::Broker;
use millstream_record::TopicName;
use rand::Rng;

const FAILURES: usize = 12;
const PARTITIONS: i32 = 3;
const IMAGE_BYTES: u64 = 64 << 20;

/// An image file and where it is mounted. Unmounted on drop.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    fn make(folder: &Path) -> Result<Self, String> {
        let disk = Self { image: folder.join("image"), at: folder.join("disk") };
        fs::create_dir(&disk.at).map_err(|error| error.to_string())?;
        let file = fs::File::create(&disk.image).map_err(|error| error.to_string())?;
        file.set_len(IMAGE_BYTES).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").arg("-q").arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        // The file system's own timer must not write what the broker has not asked to have written.
        run(Command::new("mount").args(["-o", "loop,commit=600"]).arg(&self.image).arg(&self.at))
    }

    fn unmount(&self) -> Result<(), String> {
        run(Command::new("umount").arg(&self.at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, since a test that fails leaves a broker behind that is ended later. It may be unmounted already.
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_failure_takes_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = match Disk::make(folder.path()) {
        Ok(disk) => disk,
        Err(reason) => {
            harness::skip(&format!("a power failure needs a file system of its own: {reason}"));
            return;
        }
    };
    let mut random = random();
    let topic = TopicName::parse("numbers").unwrap();
    let mut numbers = Numbers::new(topic.clone(), PARTITIONS);
    let data = format!("log.dirs={}", disk.at.join("data").display());
    let settings = [
        data.as_str(),
        "num.partitions=3",
        "internal.segment.bytes=100000",
        "log.flush.offset.checkpoint.interval.ms=50",
    ];
    for failure in 0..FAILURES {
        let mut broker = Broker::start(folder.path(), &settings);
        let mut producer = numbers.producer(&broker.address);
        let delay = Duration::from_micros(random.random_range(1_000..400_000));
        numbers.produce(&mut producer, tokio::time::sleep(delay)).await;
        broker.freeze();
        let copy = folder.path().join("copy");
        fs::copy(&disk.image, &copy).unwrap();
        broker.kill();
        drop(producer);
        disk.unmount().unwrap();
        fs::rename(&copy, &disk.image).unwrap();
        disk.mount().unwrap();
        let mut broker = Broker::start(folder.path(), &settings);
        let found = read_topic(&broker.address, &topic, PARTITIONS).await;
        numbers.check(&found, &format!("after power failure {failure}"));
        broker.kill();
    }
    println!("{} records acknowledged of {}", numbers.acknowledged(), numbers.appended());
    assert!(FAILURES < numbers.acknowledged(), "the broker was at work when the power failed");
}
