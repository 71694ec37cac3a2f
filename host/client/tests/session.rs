//! What is written in the name of a group's member waits while nobody knows whether that still is one.

mod common;

use std::{sync::Arc, time::Duration};

use common::ours;
use millstream_client::{
    Cluster, GroupSession, Producer, ProducerConfig, RecordRef, TcpDial,
    admin::OffsetSpec,
    config::IsolationLevel,
    group::{GroupConfig, GroupEvent, GroupMember, GroupProtocol},
    session::Asked,
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_sends_nothing_while_the_session_is_closed() {
    let kafka = ours();
    let topic = kafka.topic("session", 1, &[]).await;
    let session = GroupSession::new(PATIENCE * 10);
    let config = ProducerConfig::from_properties(&kafka.properties(&[])).expect("valid");
    let config = ProducerConfig { session: session.clone(), ..config };
    let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
    let mut producer = Producer::new(&cluster, config);
    let append = async |producer: &mut Producer, value: &'static [u8]| {
        let record = RecordRef { value: Some(value), ..RecordRef::default() };
        producer.append(&topic, Some(0), record).await.expect("taken");
    };
    // Others write meanwhile: whatever this one sent would stand before that.
    let mut other = kafka.producer(&[]);
    let end = async || {
        let offsets = kafka
            .admin()
            .list_offsets(&[(topic.clone(), 0, OffsetSpec::Latest)], IsolationLevel::ReadUncommitted)
            .await
            .expect("answered");
        offsets.into_values().next().expect("one").offset.expect("a log has an end")
    };
    append(&mut producer, b"held").await;
    for number in 0..100 {
        append(&mut other, b"other").await;
        other.flush().await;
        assert_eq!(end().await, number + 1);
    }
    session.answered(Asked::now());
    timeout(PATIENCE, producer.flush()).await.expect("sent in time");
    assert_eq!(end().await, 101);

    session.close();
    append(&mut producer, b"never").await;
    append(&mut other, b"other").await;
    other.flush().await;
    producer.close(Duration::ZERO).await;
    assert_eq!(end().await, 102, "what was held is given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_members_session_is_open_while_it_is_one() {
    let kafka = ours();
    let config = ProducerConfig::from_properties(&kafka.properties(&[])).expect("valid");
    let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection);
    let mut member = GroupMember::new(
        &cluster,
        GroupConfig {
            group_id: "session".to_owned(),
            group_instance_id: None,
            protocol_type: "connect".to_owned(),
            session_timeout: Duration::from_secs(300),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_millis(100),
            max_poll_interval: None,
        },
    );
    let session = member.session();
    assert!(!session.is_open());
    member.join(vec![GroupProtocol { name: "sessioned".to_owned(), metadata: "m".into() }]);
    loop {
        match timeout(PATIENCE, member.next_event()).await.expect("an event in time") {
            GroupEvent::Elected { members, .. } => {
                member.assign(members.into_iter().map(|it| (it.member_id, it.metadata)).collect());
            }
            GroupEvent::Assigned { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(session.is_open());
    // Whoever stood still is told by the next heartbeat that it is a member still.
    session.close();
    timeout(PATIENCE, session.opened()).await.expect("heard of in time");
    member.leave("done", PATIENCE).await;
    assert!(!session.is_open());
}
