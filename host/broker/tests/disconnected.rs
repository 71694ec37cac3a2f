//! Members whose client is gone, and members whose client only closed a connection.

mod support;

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use millstream_broker::Broker;
use millstream_wire::protocol::messages::{
    ApiKey, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    ListGroupsRequest, ListGroupsResponse, TopicName, join_group_request::JoinGroupRequestProtocol,
};
use support::{Client, text, with};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader},
    net::TcpStream,
};

/// Sessions are longer than any test: whoever is given up is so for another reason.
const SESSION_MS: i32 = 1_800_000;

/// The longest that anything may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Says to the child process below what it is to do: an address and a protocol.
const TO_CHILD: &str = "MILLSTREAM_TEST_MEMBER";

/// In which way a member takes part.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Classic(&'static str),
    Consumer,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Classic(word) => word,
            Self::Consumer => "KIP-848",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "connect" => Self::Classic("connect"),
            "other" => Self::Classic("other"),
            _ => Self::Consumer,
        }
    }
}

/// Becomes a member of group `g`; returns its id.
async fn join<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, kind: Kind) -> String {
    join_in("g", client, kind).await
}

async fn join_in<S: AsyncRead + AsyncWrite + Unpin>(group: &str, client: &mut Client<S>, kind: Kind) -> String {
    match kind {
        Kind::Classic(protocol_type) => {
            let offer = JoinGroupRequestProtocol::default().with_name(text("p"));
            let request = JoinGroupRequest::default()
                .with_group_id(GroupId(text(group)))
                .with_session_timeout_ms(SESSION_MS)
                .with_rebalance_timeout_ms(SESSION_MS)
                .with_protocol_type(text(protocol_type))
                .with_protocols(vec![offer]);
            let joined: JoinGroupResponse = client.call(ApiKey::JoinGroup, 3, &request).await;
            assert_eq!(joined.error_code, 0);
            joined.member_id.to_string()
        }
        Kind::Consumer => {
            let request = ConsumerGroupHeartbeatRequest::default()
                .with_group_id(GroupId(text(group)))
                .with_member_id(text("m"))
                .with_rebalance_timeout_ms(SESSION_MS)
                .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
                .with_topic_partitions(Some(Vec::new()));
            let joined: ConsumerGroupHeartbeatResponse = client.call(ApiKey::ConsumerGroupHeartbeat, 1, &request).await;
            assert_eq!(joined.error_code, 0, "{:?}", joined.error_message);
            "m".to_owned()
        }
    }
}

async fn heartbeat<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, member: &str) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id(1)
        .with_member_id(text(member));
    let response: HeartbeatResponse = client.call(ApiKey::Heartbeat, 3, &request).await;
    response.error_code
}

/// Waits until group `g` has nobody in it.
async fn wait_until_empty(client: &mut Client) {
    wait_until_nobody_is_in("g", client).await;
}

async fn wait_until_nobody_is_in(id: &str, client: &mut Client) {
    let begin = Instant::now();
    loop {
        let listed: ListGroupsResponse = client.call(ApiKey::ListGroups, 4, &ListGroupsRequest::default()).await;
        if listed.groups.iter().all(|group| group.group_id.as_str() != id || &*group.group_state == "Empty") {
            return;
        }
        assert!(begin.elapsed() < LIMIT, "the member is given up in time");
        tokio::task::yield_now().await;
    }
}

/// Returns when whoever was to be given up by now has been: a member of another group is, which was there later.
async fn let_time_pass(broker: &Broker) {
    let mut later = Client::new(broker);
    join_in("later", &mut later, Kind::Classic("connect")).await;
    drop(later);
    wait_until_nobody_is_in("later", &mut Client::new(broker)).await;
}

async fn members(client: &mut Client) -> usize {
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]);
    let described: DescribeGroupsResponse = client.call(ApiKey::DescribeGroups, 5, &request).await;
    described.groups[0].members.len()
}

const SESSION: (&str, &str) = ("group.consumer.session.timeout.ms", "1800000");
const LONGEST: (&str, &str) = ("group.consumer.max.session.timeout.ms", "1800000");

async fn start(dir: &Path, pairs: &[(&str, &str)]) -> (Broker, String) {
    let listening = [("listeners", "PLAINTEXT://127.0.0.1:0"), SESSION, LONGEST];
    let broker = Broker::start(with(dir, &[&listening, pairs].concat())).await.unwrap();
    let address = broker.listen_addresses()[0].to_string();
    (broker, address)
}

/// Not a test: the process that another one kills. Joins, says so, and is a member until it is killed.
#[tokio::test]
async fn the_member_that_is_killed() {
    let Ok(task) = std::env::var(TO_CHILD) else { return };
    let (address, kind) = task.split_once(' ').unwrap();
    let mut client = Client::over(TcpStream::connect(address).await.unwrap());
    join(&mut client, Kind::of(kind)).await;
    eprintln!("joined");
    std::future::pending().await
}

async fn kill_a_member(kind: Kind, pairs: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = start(dir.path(), pairs).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_member_that_is_killed", "--nocapture"])
        .env(TO_CHILD, format!("{address} {}", kind.word()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let joined = async { while lines.next_line().await.unwrap().expect("it joins") != "joined" {} };
    tokio::time::timeout(LIMIT, joined).await.expect("it joins in time");
    let mut client = Client::new(&broker);
    // SIGKILL.
    child.kill().await.unwrap();
    wait_until_empty(&mut client).await;
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_worker_of_connect_whose_process_is_killed_is_given_up_long_before_its_session_ends() {
    kill_a_member(Kind::Classic("connect"), &[]).await;
}

#[tokio::test]
async fn a_classic_member_whose_process_is_killed_is_given_up_where_there_is_a_grace() {
    kill_a_member(Kind::Classic("other"), &[("group.disconnect.grace.ms", "100")]).await;
}

#[tokio::test]
async fn a_consumer_of_the_consumer_protocol_whose_process_is_killed_is_given_up_where_there_is_a_grace() {
    kill_a_member(Kind::Consumer, &[("group.disconnect.grace.ms", "100")]).await;
}

#[tokio::test]
async fn a_member_within_the_process_is_given_up_when_its_stream_ends() {
    for kind in [Kind::Classic("connect"), Kind::Classic("other"), Kind::Consumer] {
        let dir = tempfile::tempdir().unwrap();
        let pairs = [("group.disconnect.grace.ms", "1"), ("group.disconnect.grace.connect.ms", "1")];
        let (broker, _) = start(dir.path(), &pairs).await;
        let mut member = Client::new(&broker);
        join(&mut member, kind).await;
        drop(member);
        wait_until_empty(&mut Client::new(&broker)).await;
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_member_that_waits_for_a_rebalance_is_given_up_too_when_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = [("group.initial.rebalance.delay.ms", "600000"), ("group.disconnect.grace.connect.ms", "1")];
    let (broker, address) = start(dir.path(), &pairs).await;
    let mut member = Client::over(TcpStream::connect(&address).await.unwrap());
    let offer = JoinGroupRequestProtocol::default().with_name(text("p"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(SESSION_MS)
        .with_protocol_type(text("connect"))
        .with_protocols(vec![offer]);
    member.send(ApiKey::JoinGroup, 3, &request).await;
    let mut other = Client::new(&broker);
    let begin = Instant::now();
    while members(&mut other).await == 0 {
        assert!(begin.elapsed() < LIMIT);
    }
    drop(member);
    wait_until_empty(&mut other).await;
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_the_broker_closes_gives_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    // Whoever is given up is gone at once.
    let pairs = [("group.disconnect.grace.connect.ms", "0"), ("connections.max.idle.ms", "2000")];
    let (broker, address) = start(dir.path(), &pairs).await;
    let mut member = Client::over(TcpStream::connect(&address).await.unwrap());
    let id = join(&mut member, Kind::Classic("connect")).await;
    assert_eq!(member.receive_raw().await, None, "it was idle");
    let_time_pass(&broker).await;
    let mut again = Client::over(TcpStream::connect(&address).await.unwrap());
    assert_eq!(heartbeat(&mut again, &id).await, 0);
    // Nor does one that is closed for what was sent on it.
    again.send_raw(&[0, 0, 0, 8, 0x7f, 0x7f, 0, 0, 0, 0, 0, 0]).await;
    assert_eq!(again.receive_raw().await, None, "there is no such request");
    let_time_pass(&broker).await;
    assert_eq!(members(&mut Client::new(&broker)).await, 1);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_client_that_closes_one_of_its_connections_or_comes_back_in_time_stays_a_member() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = start(dir.path(), &[("group.disconnect.grace.connect.ms", "600000")]).await;
    let connect = || async { Client::over(TcpStream::connect(&address).await.unwrap()) };
    let mut first = connect().await;
    let id = join(&mut first, Kind::Classic("connect")).await;
    first.end().await;
    let mut second = connect().await;
    assert_eq!(heartbeat(&mut second, &id).await, 0, "it is back");
    broker.shutdown().await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = start(dir.path(), &[("group.disconnect.grace.connect.ms", "0")]).await;
    let connect = || async { Client::over(TcpStream::connect(&address).await.unwrap()) };
    let (mut first, mut second) = (connect().await, connect().await);
    let id = join(&mut first, Kind::Classic("connect")).await;
    assert_eq!(heartbeat(&mut second, &id).await, 0);
    first.end().await;
    let_time_pass(&broker).await;
    assert_eq!(heartbeat(&mut second, &id).await, 0);
    second.end().await;
    wait_until_empty(&mut Client::new(&broker)).await;
    broker.shutdown().await.unwrap();
}
