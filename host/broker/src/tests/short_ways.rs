//! The short ways of records: from memory, over a thread that a busy connection has of its own; and what becomes of one
//! request for several partitions, of which one is in trouble.

use millstream_disk::faulty::{FaultyDisk, Operation, Trigger};
use millstream_wire::protocol::messages::{
    GroupId, MetadataRequest, OffsetCommitRequest,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    faults::{LIMIT, join, make, others_are_served, reached, stall},
    *,
};

#[tokio::test]
async fn a_batch_for_a_healthy_partition_does_not_wait_for_a_stalled_one_of_the_same_request() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a", "b"]).await;
    assert_eq!(commit_offset(node, "g", "b", 0).await, 0);
    let member = join(node).await;
    for operation in [Operation::Write, Operation::Sync] {
        let (stall, done) = stall(&disk, Trigger::on(operation).path("/a-0/").always());
        let both = [produce("a", "late"), produce("b", "on time")].map(|mut request| request.topic_data.remove(0));
        let request = produce("a", "").with_topic_data(both.into());
        let shared = Arc::clone(node);
        let waiting = tokio::spawn(async move {
            let produced: ProduceResponse = call(&shared, ApiKey::Produce, 9, &request).await;
            produced.responses.iter().map(|topic| topic.partition_responses[0].error_code).collect::<Vec<_>>()
        });
        reached(&stall).await;
        let appended = async {
            while records(node, "b").await.2.last().map(String::as_str) != Some("on time") {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, appended).await.expect("it is appended, durable and read");
        others_are_served(node, &member).await;
        assert!(!waiting.is_finished(), "the answer is one for both");
        let _ = done.send(());
        stall.release();
        assert_eq!(timeout(LIMIT, waiting).await.unwrap().unwrap(), [0, 0], "{operation:?}");
        assert_eq!(records(node, "a").await.2.last().map(String::as_str), Some("late"));
    }
    broker.abandon().await;
}

#[tokio::test]
async fn a_fetch_that_names_a_stalled_partition_waits_for_it_and_one_that_does_not_is_answered() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a", "b"]).await;
    let (stall, done) = stall(&disk, Trigger::on(Operation::Read).path("/a-0/").always());
    let both = [fetch("a", 0), fetch("b", 0)].map(|mut request| request.topics.remove(0));
    let request = fetch("a", 0).with_topics(both.into());
    let shared = Arc::clone(node);
    let waiting = tokio::spawn(async move {
        let fetched: FetchResponse = call(&shared, ApiKey::Fetch, 12, &request).await;
        fetched.responses.iter().map(|topic| topic.partitions[0].records.clone().unwrap().len()).collect::<Vec<_>>()
    });
    reached(&stall).await;
    let alone = timeout(LIMIT, records(node, "b")).await.expect("the healthy partition is read");
    assert_eq!(alone, (0, 0, vec!["before".to_owned()]));
    assert!(!waiting.is_finished());
    let _ = done.send(());
    stall.release();
    let both = timeout(LIMIT, waiting).await.unwrap().unwrap();
    assert!(both.iter().all(|bytes| 0 < *bytes), "{both:?}");
    broker.abandon().await;
}

#[tokio::test]
async fn a_fetch_that_waits_for_more_records_holds_no_memory() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a"]).await;
    let patient = fetch("a", 0).with_min_bytes(1 << 19).with_max_wait_ms(60_000);
    let shared = Arc::clone(node);
    let waiting = tokio::spawn(async move { call::<_, FetchResponse>(&shared, ApiKey::Fetch, 12, &patient).await });
    let parked = async {
        while partition(node, "a").waiters().is_empty() || !node.answers.is_untouched() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, parked).await.expect("what it has read meanwhile is given back");
    assert!(!waiting.is_finished());
    waiting.abort();
    broker.abandon().await;
}

#[tokio::test]
async fn a_request_at_a_stalled_partition_keeps_its_memory_although_its_client_has_gone() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a"]).await;
    let (stall, done) = stall(&disk, Trigger::on(Operation::Write).path("/a-0/").always());
    for _ in 0..2 {
        let room = Some(Arc::new(node.budget.reserve(1 << 19).await));
        let request = incoming(ApiKey::Produce, 9, &produce("a", "left alone")).in_room(room);
        // Dropped with its answer.
        let reply = api::handle(node, &peer(), request).await.unwrap();
        assert!(matches!(reply, Reply::Later(_)));
    }
    reached(&stall).await;
    // One may go on beyond the budget, the next waits.
    let _beyond = node.budget.reserve(node.config.request_memory_bytes).await;
    let mut third = Box::pin(node.budget.reserve(node.config.request_memory_bytes));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(third.as_mut().poll(&mut context).is_pending(), "both are in memory");
    let _ = done.send(());
    stall.release();
    drop(timeout(LIMIT, third).await.expect("what is appended takes no more memory"));
    broker.abandon().await;
}

#[tokio::test]
async fn commits_at_a_stalled_partition_whose_clients_have_gone_do_not_pile_up() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a"]).await;
    for operation in [Operation::Write, Operation::Sync] {
        assert_eq!(commit_offset(node, "g", "a", 0).await, 0);
        let (stall, done) = stall(&disk, Trigger::on(operation).path("/__consumer_offsets-").always());
        let partition = OffsetCommitRequestPartition::default()
            .with_committed_offset(1)
            .with_committed_metadata(Some(text(&"m".repeat(4000))));
        let topic = OffsetCommitRequestTopic::default().with_name(name("a")).with_partitions(vec![partition; 500]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let mut commits = 0;
        let mut next = loop {
            let (shared, request) = (Arc::clone(node), request.clone());
            let mut next = tokio::spawn(async move {
                // Dropped with its answer.
                api::handle(&shared, &peer(), incoming(ApiKey::OffsetCommit, 8, &request)).await.map(drop).is_ok()
            });
            // The disk is reached by the first; whether the next is taken does not depend on it.
            match timeout(std::time::Duration::from_secs(1), &mut next).await {
                Ok(taken) => assert!(taken.unwrap()),
                Err(_) => break next,
            }
            commits += 1;
            // Two megabytes each, and four times that with what waits for it.
            assert!(commits < 20, "{operation:?}: nothing holds them back");
        };
        assert!(2 < commits, "{operation:?}: a few are taken");
        let _ = done.send(());
        stall.release();
        assert!(timeout(LIMIT, &mut next).await.expect("it is its turn").unwrap());
    }
    broker.abandon().await;
}

#[tokio::test]
async fn what_is_in_memory_is_read_although_the_disk_stalls() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    make(node, &["a"]).await;
    assert_eq!(append(node, "a", "after").await, 0);
    disk.set_cached(true);
    let (stall, done) = stall(&disk, Trigger::on(Operation::Read).path("/a-0/").always());
    let read = timeout(LIMIT, records(node, "a")).await.expect("nothing waits for the disk");
    assert_eq!(read, (0, 0, vec!["before".to_owned(), "after".to_owned()]));
    assert!(!stall.is_reached_within(std::time::Duration::ZERO));
    // What memory has lost is read by a thread that waits.
    disk.set_cached(false);
    let shared = Arc::clone(node);
    let waiting = tokio::spawn(async move { records(&shared, "a").await.2.len() });
    reached(&stall).await;
    let _ = done.send(());
    stall.release();
    assert_eq!(timeout(LIMIT, waiting).await.unwrap().unwrap(), 2);
    broker.abandon().await;
}

fn request<B: Encodable>(api: ApiKey, body: &B) -> Bytes {
    let header = RequestHeader::default().with_request_api_key(api as i16).with_request_api_version(9);
    frame::encode_request(&header, body).unwrap()
}

async fn exchange(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; stream.read_u32().await.unwrap() as usize];
    stream.read_exact(&mut answer).await.unwrap();
}

/// Reads so many answers.
async fn answered(stream: &mut TcpStream, answers: usize) {
    for _ in 0..answers {
        let mut answer = vec![0; timeout(LIMIT, stream.read_u32()).await.expect("it is answered").unwrap() as usize];
        stream.read_exact(&mut answer).await.unwrap();
    }
}

/// Waits until so many connections have a thread of their own.
async fn own_threads(node: &Node, wanted: usize) {
    let reached = async {
        while node.topics.threads().own_threads_taken() != wanted {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, reached).await.expect("the connection goes over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_busy_producer_whose_disk_stalls_waits_alone_on_a_thread_of_its_own() {
    let disk = FaultyDisk::new(1);
    let own = [("listeners", "PLAINTEXT://127.0.0.1:0")];
    let broker = try_start_with(disk.process(), &own).await.expect("the broker starts");
    let node = &broker.node;
    make(node, &["a", "b"]).await;
    assert_eq!(commit_offset(node, "g", "b", 0).await, 0);
    let member = join(node).await;
    let mut stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
    let mut expected = vec!["before".to_owned()];
    let mut more = |count: usize| {
        let values: Vec<String> = (0..count).map(|number| format!("{}-{number}", expected.len())).collect();
        expected.extend(values.iter().cloned());
        values.iter().map(|value| request(ApiKey::Produce, &produce("a", value))).collect::<Vec<_>>()
    };
    for request in more(200) {
        exchange(&mut stream, &request).await;
    }
    own_threads(node, 1).await;
    for operation in [Operation::Write, Operation::Sync] {
        let (stall, done) = stall(&disk, Trigger::on(operation).path("/a-0/").always());
        stream.write_all(&more(1)[0]).await.unwrap();
        reached(&stall).await;
        for _ in 0..3 {
            others_are_served(node, &member).await;
        }
        let _ = done.send(());
        stall.release();
        answered(&mut stream, 1).await;
    }
    // Many at once, and none is lost on the way back to a task, which another kind of request takes.
    let many = [more(100).concat(), request(ApiKey::Metadata, &MetadataRequest::default()).to_vec()].concat();
    stream.write_all(&many).await.unwrap();
    answered(&mut stream, 101).await;
    own_threads(node, 0).await;
    for request in more(200) {
        exchange(&mut stream, &request).await;
    }
    own_threads(node, 1).await;
    // Silence brings it back as well, and its end ends the thread.
    own_threads(node, 0).await;
    for request in more(200) {
        exchange(&mut stream, &request).await;
    }
    own_threads(node, 1).await;
    drop(stream);
    own_threads(node, 0).await;
    assert_eq!(records(node, "a").await.2, expected);
    broker.abandon().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_that_arrive_at_a_busy_connection_during_a_sync_share_the_next_one() {
    let disk = FaultyDisk::new(1);
    let own = [("listeners", "PLAINTEXT://127.0.0.1:0")];
    let broker = try_start_with(disk.process(), &own).await.expect("the broker starts");
    let node = &broker.node;
    make(node, &["a"]).await;
    let mut stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
    let mut numbers = 0..;
    let mut next = || request(ApiKey::Produce, &produce("a", &numbers.next().unwrap().to_string()));
    loop {
        let busy = async {
            while node.topics.threads().own_threads_taken() == 0 {
                exchange(&mut stream, &next()).await;
            }
        };
        timeout(LIMIT, busy).await.expect("the connection goes over");
        let (first, first_done) = stall(&disk, Trigger::on(Operation::Sync).path("/a-0/"));
        stream.write_all(&next()).await.unwrap();
        reached(&first).await;
        // The first is counted once more when it goes on.
        let (third, third_done) = stall(&disk, Trigger::on(Operation::Sync).path("/a-0/").skip(2).always());
        let fifty: Vec<_> = std::iter::repeat_with(&mut next).take(50).collect();
        stream.write_all(&fifty.concat()).await.unwrap();
        let on_thread = node.topics.threads().own_threads_taken() == 1;
        let _ = first_done.send(());
        first.release();
        // One for all fifty.
        let shared = timeout(LIMIT, async {
            tokio::select! {
                () = answered(&mut stream, 51) => true,
                () = reached(&third) => false,
            }
        });
        let shared = shared.await.expect("they are answered, or a third sync begins");
        let _ = third_done.send(());
        third.release();
        // On a machine that stood still for a second the connection was silent for as long, and went back.
        if on_thread {
            assert!(shared, "a third sync");
            break;
        }
        stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
    }
    // What is answered without a sync is synced all the same, and read then.
    exchange(&mut stream, &request(ApiKey::Produce, &produce("a", "the last").with_acks(1))).await;
    let shown = async {
        while records(node, "a").await.2.last().map(String::as_str) != Some("the last") {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, shown).await.expect("it is made durable");
    broker.abandon().await;
}
