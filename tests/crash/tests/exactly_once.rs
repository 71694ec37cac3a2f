//! Records that clients copy in transactions are copied exactly once, in order, over kills of broker and clients.

use std::time::{Duration, Instant};

use crash::{Follower, Numbers, copy, random};
use harness::{Broker, SOON, free_port};
use millstream_record::TopicName;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::task::JoinHandle;

/// Times the broker is killed.
const KILLS: usize = 25;
const PARTITIONS: i32 = 3;
const COPIERS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_copied_once_however_often_broker_and_copiers_are_killed() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["numbers", "copies"].map(|name| TopicName::parse(name).unwrap());
    // The same port each time, or the clients would not find the broker again.
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port());
    let settings = [
        listeners.as_str(),
        "num.partitions=3",
        "internal.segment.bytes=100000",
        "group.min.session.timeout.ms=1000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms=200",
    ];
    let start = || Broker::start(folder.path(), &settings);
    let mut broker = start();
    let address = broker.address.clone();
    let mut numbers = Numbers::new(from.clone(), PARTITIONS);
    let mut producer = numbers.producer(&address);
    let copier = |number: usize, dice: &mut StdRng| -> JoinHandle<()> {
        let dice = StdRng::seed_from_u64(dice.random());
        let copying = copy(address.clone(), format!("copier-{number}"), from.clone(), to.clone(), dice);
        tokio::spawn(async move { match copying.await {} })
    };
    let mut copiers: Vec<_> = (0..COPIERS).map(|number| copier(number, &mut random)).collect();
    let mut copiers_killed = 0;
    for _ in 0..KILLS {
        let up = Duration::from_millis(random.random_range(20..400));
        numbers.produce(&mut producer, tokio::time::sleep(up)).await;
        if random.random_range(0..3) == 0 {
            // Its transaction stays open until the next one of its name begins.
            let number = random.random_range(0..COPIERS);
            copiers[number].abort();
            copiers[number] = copier(number, &mut random);
            copiers_killed += 1;
        }
        broker.kill();
        let down = Duration::from_micros(random.random_range(0..50_000));
        numbers.produce(&mut producer, tokio::time::sleep(down)).await;
        broker = start();
    }
    numbers.finish(&mut producer).await;
    let mut follower = Follower::of_committed(&address, &to, PARTITIONS);
    let begin = Instant::now();
    while follower.len() < numbers.acknowledged() {
        assert!(begin.elapsed() < 2 * SOON, "{} of {} are copied in time", follower.len(), numbers.acknowledged());
        follower.poll().await;
    }
    println!("{} records copied; copiers killed {copiers_killed} times", follower.len());
    // Markers take offsets, too, so records are counted instead.
    let mut copies = follower.values.clone();
    for values in copies.values_mut() {
        (0..).zip(values).for_each(|(count, (offset, _))| *offset = count);
    }
    numbers.check_complete(&copies);
    copiers.iter().for_each(JoinHandle::abort);
    assert!(broker.terminate().success());
    assert!(KILLS < numbers.acknowledged(), "the broker was at work when it was killed");
}
