//! The status topic.

use std::{sync::Arc, time::Duration};

use millstream_client::session::Asked;
use millstream_connector::TaskId;
use millstream_runtime::{
    kafka::LogClients,
    membership::GroupSession,
    status::{Instance, InstanceStatus, State, StatusStore, TopicStatusStore, TopicUse},
    topic_log::TopicLog,
};
use simulation::fakes::topic::{FakeTopics, TopicFaults};

use crate::config_log::topic;

async fn open(clients: Arc<dyn LogClients>) -> TopicStatusStore {
    let log = TopicLog::open(clients, &topic("statuses", 3)).await.expect("it opens");
    TopicStatusStore::start(log).await.expect("it is read")
}

fn status(worker: &str, generation: i32, state: State) -> InstanceStatus {
    InstanceStatus { state, worker_id: worker.to_owned(), generation, trace: None, version: None }
}

fn connector() -> Instance {
    Instance::Connector("c".to_owned())
}

fn task(number: u32) -> Instance {
    Instance::Task(TaskId { connector: "c".to_owned(), number })
}

async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let looked = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), looked).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

fn state_of(store: &TopicStatusStore, number: u32) -> Option<State> {
    store.get("c").and_then(|known| known.tasks.get(&number).map(|status| status.state))
}

#[tokio::test(start_paused = true)]
async fn statuses_are_written_in_connects_bytes_and_read_by_others() {
    let topics = FakeTopics::default();
    let (one, other) = (open(topics.clients(|| ())).await, open(topics.clients(|| ())).await);
    one.put(&connector(), InstanceStatus { version: Some("1".to_owned()), ..status("w:1", 3, State::Running) });
    one.put(&task(0), status("w:1", 3, State::Paused));
    eventually("both are read by the other", || {
        other.get("c").is_some_and(|known| known.connector.is_some() && known.tasks.len() == 1)
    })
    .await;
    let mut records = topics.records("statuses");
    records.sort();
    let expected = [
        ("status-connector-c", r#"{"state":"RUNNING","trace":null,"worker_id":"w:1","generation":3,"version":"1"}"#),
        ("status-task-c-0", r#"{"state":"PAUSED","trace":null,"worker_id":"w:1","generation":3,"version":null}"#),
    ];
    assert_eq!(records, expected.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))));
    // They are there after a restart, too.
    let later = open(topics.clients(|| ())).await;
    assert_eq!(later.get("c"), other.get("c"));
    assert_eq!(later.connectors(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_connector_takes_its_tasks_along_each_with_a_tombstone() {
    let topics = FakeTopics::default();
    let store = open(topics.clients(|| ())).await;
    store.put(&connector(), status("w", 1, State::Running));
    store.put(&task(0), status("w", 1, State::Running));
    eventually("they are known", || state_of(&store, 0).is_some()).await;
    // One that is not known yet is not left behind either.
    store.put(&task(1), status("w", 1, State::Running));
    store.remove(&connector());
    eventually("they are forgotten", || store.get("c").is_none()).await;
    store.close(Duration::from_secs(5)).await;
    let tombstones: Vec<String> =
        topics.records("statuses").into_iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key).collect();
    for key in ["status-task-c-0", "status-task-c-1", "status-connector-c"] {
        assert!(tombstones.contains(&key.to_owned()), "{tombstones:?}");
    }
    assert_eq!(open(topics.clients(|| ())).await.get("c"), None);
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_the_tombstone_of_a_connector_after_its_new_tasks_keeps_those() {
    let topics = FakeTopics::default();
    let running = |number: u32| {
        (format!("status-task-c-{number}"), r#"{"state":"RUNNING","worker_id":"w","generation":7}"#.to_owned())
    };
    let first = open(topics.clients(|| ())).await;
    // Deleted and made anew. The keys are in three partitions, which are read in whatever order.
    topics.write("statuses", Some(b"status-connector-c"), None);
    for number in 0..3 {
        let (key, value) = running(number);
        topics.write("statuses", Some(key.as_bytes()), Some(value.as_bytes()));
    }
    let tasks = |store: &TopicStatusStore| store.get("c").map_or(0, |known| known.tasks.len());
    eventually("all tasks are known", || tasks(&first) == 3).await;
    // Whoever comes later reads one partition after the other.
    assert_eq!(tasks(&open(topics.clients(|| ())).await), 3);
}

#[tokio::test(start_paused = true)]
async fn a_late_word_does_not_stand_over_a_later_generations() {
    let topics = FakeTopics::default();
    let (old, new) = (open(topics.clients(|| ())).await, open(topics.clients(|| ())).await);
    new.put(&connector(), status("new", 2, State::Running));
    new.put(&task(0), status("new", 2, State::Running));
    let of_connector = |store: &TopicStatusStore| Some(store.get("c")?.connector?.state);
    eventually("that too", || of_connector(&old).is_some() && of_connector(&new).is_some()).await;
    eventually("it is known to both", || state_of(&old, 0).is_some() && state_of(&new, 0).is_some()).await;
    old.put_safe(&task(0), status("old", 1, State::Failed));
    old.put(&task(1), status("old", 1, State::Running));
    eventually("the other was written", || state_of(&new, 1).is_some()).await;
    assert_eq!(state_of(&new, 0), Some(State::Running));
    // The end of what runs elsewhere is no news; the end of what ran here is, however it was written.
    old.put(&connector(), status("old", 2, State::Unassigned));
    old.put(&task(0), status("old", 2, State::Unassigned));
    new.put(&task(1), status("old", 1, State::Unassigned));
    eventually("the second is taken", || state_of(&new, 1) == Some(State::Unassigned)).await;
    assert_eq!(state_of(&new, 0), Some(State::Running));
    assert_eq!(of_connector(&new), Some(State::Running));
}

#[tokio::test(start_paused = true)]
async fn of_what_is_said_while_no_broker_answers_the_last_word_is_written_and_no_more_than_two_of_each() {
    let topics = FakeTopics::default();
    let store = open(topics.clients(|| ())).await;
    topics.away(true);
    for round in 0..100 {
        for number in 0..3 {
            let state = if round % 2 == 0 { State::Running } else { State::Paused };
            store.put(&task(number), status("w", round, state));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    topics.away(false);
    eventually("the last word is known", || (0..3).all(|number| state_of(&store, number) == Some(State::Paused))).await;
    assert!(topics.records("statuses").len() <= 6, "{:?}", topics.records("statuses"));
    assert!(store.get("c").expect("known").tasks.values().all(|status| status.generation == 99));
}

#[tokio::test(start_paused = true)]
async fn what_a_member_says_while_its_session_is_closed_is_written_when_it_is_open_again_or_never() {
    let topics = FakeTopics::default();
    let (store, other) = (open(topics.clients(|| ())).await, open(topics.clients(|| ())).await);
    let session = GroupSession::new(Duration::from_secs(6));
    store.write_within(session.clone());
    store.put(&task(0), status("w", 1, State::Running));
    store.put(&task(1), status("w", 1, State::Running));
    assert!(tokio::time::timeout(Duration::from_secs(60), store.written()).await.is_err(), "it is no member");
    assert_eq!(topics.records("statuses"), []);
    session.answered(Asked::now());
    store.written().await;
    eventually("both are known", || state_of(&other, 0).is_some() && state_of(&other, 1).is_some()).await;
    // Its time is over, by its own clock.
    tokio::time::sleep(Duration::from_secs(6)).await;
    store.put(&task(0), status("w", 1, State::Unassigned));
    store.use_topic(&TopicUse { topic: "t".to_owned(), connector: "c".to_owned(), task: 0, discovered_ms: 1 });
    store.forget_waiting();
    store.put(&task(1), status("w", 2, State::Paused));
    session.answered(Asked::now());
    eventually("the rest is known", || state_of(&other, 1) == Some(State::Paused) && other.topics("c") == ["t"]).await;
    assert_eq!(state_of(&other, 0), Some(State::Running), "it had lost its place before it could say that");
    session.close();
    store.put(&task(0), status("w", 2, State::Unassigned));
    store.close(Duration::from_secs(3600)).await;
    assert_eq!(state_of(&other, 0), Some(State::Running));
}

#[tokio::test(start_paused = true)]
async fn a_worker_hears_what_others_say_and_not_what_it_says_itself() {
    let topics = FakeTopics::default();
    let (store, other) = (open(topics.clients(|| ())).await, open(topics.clients(|| ())).await);
    store.put(&task(0), status("w", 1, State::Running));
    store.put(&task(1), status("w", 1, State::Running));
    eventually("both are known", || state_of(&store, 0).is_some() && state_of(&store, 1).is_some()).await;
    let heard = store.heard_of_others("w");
    assert!(tokio::time::timeout(Duration::from_secs(60), heard).await.is_err());
    other.put(&task(1), status("o", 1, State::Paused));
    assert_eq!(store.heard_of_others("w").await, [task(1)]);
    // What tells of the end of an instance that runs elsewhere counts for nothing.
    other.put(&task(0), status("o", 1, State::Unassigned));
    let heard = store.heard_of_others("w");
    assert!(tokio::time::timeout(Duration::from_secs(60), heard).await.is_err());
}

/// Every other record is lost, or its answer is.
#[derive(Default)]
struct Lossy(u32);

impl TopicFaults for Lossy {
    fn lost(&mut self) -> bool {
        self.0.is_multiple_of(4)
    }

    fn answer_lost(&mut self) -> bool {
        self.0 += 1;
        self.0 % 4 == 2
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(u64::from(self.0 % 3) * 70)
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_written_again_and_never_over_a_newer_word() {
    let topics = FakeTopics::default();
    let store = open(topics.clients(Lossy::default)).await;
    for round in 0..50 {
        for number in 0..4 {
            let state = if (round + number) % 2 == 0 { State::Running } else { State::Paused };
            store.put(&task(number), status("w", round as i32, state));
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    eventually("the last words are known", || {
        let known = store.get("c").unwrap_or_default();
        known.tasks.len() == 4 && known.tasks.values().all(|status| status.generation == 49)
    })
    .await;
    for number in 0..4 {
        let mut generations = Vec::new();
        for (key, value) in topics.records("statuses") {
            if key == format!("status-task-c-{number}") {
                let value: serde_json::Value = serde_json::from_str(&value.expect("a status")).expect("JSON");
                generations.push(value["generation"].as_i64().expect("a number"));
            }
        }
        assert!(generations.is_sorted(), "{generations:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_and_the_topics_of_connectors_are_passed_over() {
    let topics = FakeTopics::default();
    topics.make("statuses", 3, "compact");
    for (key, value) in [
        ("status-task-c-0", "{"),
        ("status-task-c-1", r#"{"state":"ODD","worker_id":"w","generation":1}"#),
        ("other", "{}"),
        (
            "status-topic-lines:connector-c",
            r#"{"topic":{"name":"lines","connector":"c","task":0,"discoverTimestamp":1}}"#,
        ),
        ("status-task-c-2", r#"{"state":"RUNNING","trace":null,"worker_id":"w","generation":1,"version":"4.3.0"}"#),
    ] {
        topics.write("statuses", Some(key.as_bytes()), Some(value.as_bytes()));
    }
    let store = open(topics.clients(|| ())).await;
    let known = store.get("c").expect("known");
    assert_eq!(known.tasks.into_keys().collect::<Vec<_>>(), [2]);
}
