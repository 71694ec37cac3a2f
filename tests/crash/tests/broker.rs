//! A broker that is killed under load keeps every record it acknowledged, in order and untorn, and takes back none
//! that it has shown.

use std::time::Duration;

use crash::{Follower, Numbers, random, read_topic};
use harness::{Broker, SOON, free_port};
use millstream_record::TopicName;
use rand::Rng;
use tokio::sync::watch;

/// Times the broker is killed while a producer of its own is at work.
const KILLS: usize = 80;
/// Times it is killed under a producer and a consumer that live on.
const KILLS_OUTLIVED: usize = 15;
const PARTITIONS: i32 = 3;
const SETTINGS: [&str; 2] = ["num.partitions=3", "internal.segment.bytes=1000000"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_keeps_what_it_acknowledged() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let topic = TopicName::parse("numbers").unwrap();
    let mut numbers = Numbers::new(topic.clone(), PARTITIONS);
    for round in 0..KILLS {
        let mut broker = Broker::start(folder.path(), &SETTINGS);
        let mut producer = numbers.producer(&broker.address);
        let delay = Duration::from_micros(random.random_range(0..120_000));
        numbers.produce(&mut producer, tokio::time::sleep(delay)).await;
        broker.kill();
        // What is not acknowledged by now may or may not be there; the next producer starts behind it.
        drop(producer);
        if round % 8 == 7 || round + 1 == KILLS {
            let broker = Broker::start(folder.path(), &SETTINGS);
            let found = read_topic(&broker.address, &topic, PARTITIONS).await;
            numbers.check(&found, &format!("after kill {round}"));
        }
    }
    println!("{} records acknowledged of {}", numbers.acknowledged(), numbers.appended());
    assert!(KILLS < numbers.acknowledged(), "the broker was at work when it was killed");
    assert!((numbers.acknowledged() as u64) < numbers.appended(), "records were under way when it was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_and_a_consumer_that_outlive_the_broker_see_every_record_once() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let topic = TopicName::parse("once").unwrap();
    // The same port each time, or the producer would not find the broker again.
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{}", free_port());
    let start = || Broker::start(folder.path(), &[SETTINGS[0], SETTINGS[1], &listeners]);
    let mut broker = start();
    let mut numbers = Numbers::new(topic.clone(), PARTITIONS);
    let mut producer = numbers.producer(&broker.address);
    // How many records there are to be read, once that is known.
    let (tell, told) = watch::channel(usize::MAX);
    let mut follower = Follower::new(&broker.address, &topic, PARTITIONS);
    let following = tokio::spawn(async move {
        while follower.len() < *told.borrow() {
            follower.poll().await;
        }
        follower.values
    });
    for _ in 0..KILLS_OUTLIVED {
        let up = Duration::from_micros(random.random_range(0..200_000));
        numbers.produce(&mut producer, tokio::time::sleep(up)).await;
        broker.kill();
        let down = Duration::from_micros(random.random_range(0..50_000));
        numbers.produce(&mut producer, tokio::time::sleep(down)).await;
        broker = start();
    }
    numbers.finish(&mut producer).await;
    println!("{} records acknowledged", numbers.acknowledged());
    tell.send(numbers.acknowledged()).unwrap();
    let followed = tokio::time::timeout(SOON, following).await.expect("everything is read in time").unwrap();
    numbers.check_complete(&followed);
    numbers.check_complete(&read_topic(&broker.address, &topic, PARTITIONS).await);
    assert!(broker.terminate().success());
}
