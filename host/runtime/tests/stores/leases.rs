//! Leases of tasks on several workers, which share a topic.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use millstream_connector::{ErrorKind, Failure, KeyChange, LEASE_LOST, Lease, TaskId};
use millstream_runtime::{
    kafka::LogTopic,
    leases::{Claims, LeaseKeeper, LeaseSettings, LeaseTopic, SpaceLimits, TaskLease},
};
use simulation::fakes::topic::{FakeTopics, TopicFaults};

use crate::config_log::topic;

const SETTINGS: LeaseSettings = LeaseSettings {
    limits: SpaceLimits { entries: 3, key_bytes: 8, value_bytes: 100, bytes: 200 },
    timeout: Duration::from_secs(20),
};

/// Gives epochs in the order in which they are asked for.
#[derive(Default)]
struct Counter(AtomicU64);

#[async_trait]
impl Claims for Counter {
    async fn claim(&self, task: &TaskId, above: u64) -> Result<(u64, String), Failure> {
        self.0.fetch_max(above, Ordering::SeqCst);
        Ok((self.0.fetch_add(1, Ordering::SeqCst) + 1, format!("task {task}")))
    }
}

#[derive(Clone, Default)]
struct Group {
    topics: FakeTopics,
    claims: Arc<Counter>,
}

impl Group {
    /// One more worker.
    fn keeper<F: TopicFaults + 'static>(&self, faults: impl Fn() -> F + Send + Sync + 'static) -> Arc<LeaseKeeper> {
        let kept = LogTopic { name: topic("kept", 1).name, ..topic("kept", 1) };
        let log = LeaseTopic { clients: self.topics.clients(faults), topic: kept };
        Arc::new(LeaseKeeper::start(Box::new(log), SETTINGS))
    }

    fn task(&self, keeper: &Arc<LeaseKeeper>, connector: &str) -> TaskLease {
        let id = TaskId { connector: connector.to_owned(), number: 0 };
        TaskLease::new(Arc::clone(keeper), Arc::clone(&self.claims) as _, id, Box::new(|| false))
    }

    /// A task of connector `c` on a worker of its own.
    fn lease(&self) -> TaskLease {
        self.task(&self.keeper(|| ()), "c")
    }
}

fn set(key: &str, value: &str) -> Vec<KeyChange> {
    vec![KeyChange { key: key.to_owned(), value: Some(value.into()) }]
}

async fn get(lease: &TaskLease, key: &str) -> Option<String> {
    let value = lease.read(vec![key.to_owned()]).await.expect("it can be read").remove(0);
    value.map(|value| String::from_utf8(value).expect("text"))
}

#[tokio::test(start_paused = true)]
async fn whoever_obtains_a_lease_shuts_out_those_before_and_finds_all_that_they_have_kept() {
    let group = Group::default();
    let (first, second, other) = (group.lease(), group.lease(), group.task(&group.keeper(|| ()), "d"));
    assert_eq!(group.topics.made("kept"), None, "nobody needs it yet");
    let one = first.obtain().await.unwrap();
    assert_eq!(first.obtain().await, Ok(one), "it is the owner");
    first.write(one, set("a", "1")).await.unwrap();
    assert_eq!(get(&second, "a").await.as_deref(), Some("1"), "whoever is no owner can read");

    let two = second.obtain().await.unwrap();
    assert!(one < two);
    let lost = first.write(one, set("a", "late")).await.unwrap_err();
    assert_eq!((lost.kind, lost.class.as_str()), (ErrorKind::Fatal, LEASE_LOST));
    assert_eq!(
        lost.message,
        format!(
            "the task has not got the lease of connector c in epoch {one} any more: another one has it in epoch {two}"
        )
    );
    assert_eq!(first.confirm(one).await.unwrap_err().class, LEASE_LOST);
    assert_eq!(second.confirm(two).await, Ok(()));
    assert_eq!(second.write(one, set("a", "odd")).await.unwrap_err().class, LEASE_LOST, "no epoch of its own");
    second.write(two, vec![KeyChange { key: "b".to_owned(), value: Some(b"2".to_vec()) }]).await.unwrap();
    assert_eq!(second.keys().await.unwrap(), ["a", "b"]);
    assert_eq!(get(&second, "a").await.as_deref(), Some("1"));

    // Another connector has a lease and values of its own.
    other.obtain().await.unwrap();
    assert_eq!(other.keys().await.unwrap(), [""; 0]);
    assert_eq!(second.confirm(two).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_a_frozen_owner_has_sent_before_it_froze_does_not_count_behind_its_successors_beginning() {
    struct Slow;
    impl TopicFaults for Slow {
        fn delay(&mut self) -> Duration {
            Duration::from_secs(5)
        }
    }
    let group = Group::default();
    let frozen = Arc::new(group.task(&group.keeper(|| Slow), "c"));
    let epoch = frozen.obtain().await.unwrap();
    let late = tokio::spawn({
        let frozen = Arc::clone(&frozen);
        async move { frozen.write(epoch, set("a", "late")).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let successor = group.lease();
    let two = successor.obtain().await.unwrap();
    successor.write(two, set("a", "in time")).await.unwrap();
    assert_eq!(late.await.unwrap().unwrap_err().class, LEASE_LOST);
    assert_eq!(get(&successor, "a").await.as_deref(), Some("in time"));
    assert_eq!(get(&group.lease(), "a").await.as_deref(), Some("in time"), "so it is for whoever reads it all anew");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_fate_is_not_known_costs_the_lease_until_it_is_obtained_again() {
    struct AnswersLost;
    impl TopicFaults for AnswersLost {
        fn answer_lost(&mut self) -> bool {
            true
        }
    }
    let group = Group::default();
    group.topics.make("kept", 1, "compact");
    let lease = group.task(&group.keeper(|| AnswersLost), "c");
    // Its beginning is there, and nobody says so: what was read back counts.
    let epoch = lease.obtain().await;
    let Ok(epoch) = epoch else { return assert_eq!(epoch.unwrap_err().kind, ErrorKind::Retriable) };
    match lease.write(epoch, set("a", "1")).await {
        Ok(()) => assert_eq!(get(&lease, "a").await.as_deref(), Some("1")),
        Err(failure) => {
            assert_eq!(failure.kind, ErrorKind::Retriable);
            assert_eq!(lease.write(epoch, set("a", "2")).await.unwrap_err().class, LEASE_LOST);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn brokers_that_are_away_cost_a_task_its_time_and_no_more() {
    let group = Group::default();
    let lease = group.lease();
    let epoch = lease.obtain().await.unwrap();
    group.topics.away(true);
    let failure = lease.write(epoch, set("a", "1")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Retriable);
    assert_eq!(failure.message, "changing values took longer than 20000 ms (kv.timeout.ms)");
    let failure = lease.obtain().await.unwrap_err();
    assert_eq!(failure.message, "obtaining the lease took longer than 20000 ms (kv.timeout.ms)");
    group.topics.away(false);
    let again = lease.obtain().await.unwrap();
    assert!(epoch < again);
    assert_eq!(get(&lease, "a").await.as_deref(), Some("1"), "it was written when the brokers were back");
}

#[tokio::test(start_paused = true)]
async fn a_limit_costs_nothing_but_the_change() {
    let group = Group::default();
    let lease = group.lease();
    let epoch = lease.obtain().await.unwrap();
    let failure = lease.write(epoch, set("too long a key", "1")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Fatal);
    assert_eq!(failure.message, "keep values of connector c: a key has 14 bytes, 8 are allowed (kv.max.key.bytes)");
    lease.write(epoch, set("a", "1")).await.unwrap();
    let failure = lease.read(["a", "b", "c", "d"].map(str::to_owned).to_vec()).await.unwrap_err();
    assert_eq!(failure.message, "4 keys are read at once, 3 are allowed (kv.max.entries)");
}

#[tokio::test(start_paused = true)]
async fn records_of_strangers_are_skipped_and_what_says_nothing_any_more_is_taken_away() {
    let group = Group::default();
    group.topics.make("kept", 1, "compact");
    for (key, value) in [("hello", "x"), (r#"["c",7,0]"#, "no JSON"), (r#"["c",7,1]"#, "{}")] {
        group.topics.write("kept", Some(key.as_bytes()), Some(value.as_bytes()));
    }
    let lease = group.lease();
    let epoch = lease.obtain().await.unwrap();
    for value in ["1", "2", "3"] {
        lease.write(epoch, set("a", value)).await.unwrap();
    }
    lease.write(epoch, vec![KeyChange { key: "a".to_owned(), value: None }]).await.unwrap();
    // Two more changes: the removal goes when what it has hidden is gone.
    for _ in 0..2 {
        lease.write(epoch, set("b", "1")).await.unwrap();
    }
    let (mut left, mut gone) = (BTreeSet::new(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (key, value) in group.topics.records("kept").into_iter().skip(3) {
        if value.is_some() {
            assert!(left.insert(key), "no key is written twice");
        } else {
            assert!(left.remove(&key), "{key}");
            gone += 1;
        }
    }
    assert_eq!((left.len(), gone), (2, 5), "its beginning and the last change are left: {left:?}");
    assert_eq!(get(&group.lease(), "b").await.as_deref(), Some("1"));
}

/// Each of several tasks obtains the lease, reads a number and writes the next one, while records and answers are late or
/// lost. No number may be acknowledged twice, and none that was may be forgotten.
#[tokio::test(start_paused = true)]
async fn no_number_is_given_twice_by_owners_that_push_each_other_out() {
    struct Trouble(u64);
    impl Trouble {
        fn below(&mut self, most: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % most
        }
    }
    impl TopicFaults for Trouble {
        fn lost(&mut self) -> bool {
            self.below(10) == 0
        }
        fn answer_lost(&mut self) -> bool {
            self.below(10) == 0
        }
        fn delay(&mut self) -> Duration {
            let ms = if self.below(4) == 0 { self.below(4_000) } else { 1 };
            Duration::from_millis(ms)
        }
    }
    for seed in 0..20_u64 {
        let group = Group::default();
        let tasks = (0..3).map(|number| {
            let lease = group.task(&group.keeper(move || Trouble(seed * 100 + number)), "c");
            async move {
                let mut given = Vec::new();
                for _ in 0..12 {
                    let Ok(epoch) = lease.obtain().await else { continue };
                    for _ in 0..2 {
                        let Ok(value) = lease.read(vec!["n".to_owned()]).await else { break };
                        let before =
                            value[0].as_deref().map_or(0, |text| String::from_utf8_lossy(text).parse().unwrap());
                        let next: u64 = before + 1;
                        match lease.write(epoch, set("n", &next.to_string())).await {
                            Ok(()) => given.push(next),
                            Err(_) => break,
                        }
                    }
                }
                given
            }
        });
        let given: Vec<u64> = futures::future::join_all(tasks).await.concat();
        let distinct: BTreeSet<u64> = given.iter().copied().collect();
        assert_eq!(distinct.len(), given.len(), "seed {seed}: {given:?}");
        assert!(10 < given.len(), "seed {seed}: {given:?}");
        let last: u64 = get(&group.lease(), "n").await.expect("a number").parse().unwrap();
        assert!(given.iter().all(|given| *given <= last), "seed {seed}: {given:?}, last {last}");
    }
}
