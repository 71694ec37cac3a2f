//! A member of a group whose connections are cut, as by a balancer between it and the broker.

mod common;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::Kafka;
use millstream_client::{
    Admin, AdminConfig, Cluster, Dial, GroupMember, Stream, TcpDial,
    group::{GroupConfig, GroupEvent, GroupProtocol, LostReason},
};
use tokio::{task::AbortHandle, time::timeout};

const PATIENCE: Duration = Duration::from_secs(120);

/// Dials over TCP, and cuts what it has dialled.
#[derive(Default)]
struct Cutting {
    streams: Mutex<Vec<AbortHandle>>,
    /// Whether nobody is reached any more.
    gone: AtomicBool,
}

impl Cutting {
    fn cut(&self) {
        self.streams.lock().unwrap().drain(..).for_each(|stream| stream.abort());
    }
}

#[async_trait::async_trait]
impl Dial for Cutting {
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let mut outer = tokio::net::TcpStream::connect((host, port)).await?;
        let (near, mut far) = tokio::io::duplex(64 << 10);
        let copying = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut far, &mut outer).await });
        self.streams.lock().unwrap().push(copying.abort_handle());
        Ok(Box::new(near))
    }
}

fn protocols() -> Vec<GroupProtocol> {
    vec![GroupProtocol { name: "sessioned".to_owned(), metadata: "m".into() }]
}

fn member(cluster: &Cluster, group: &str, session_timeout: Duration) -> GroupMember {
    let config = GroupConfig {
        group_id: group.to_owned(),
        group_instance_id: None,
        protocol_type: "connect".to_owned(),
        session_timeout,
        rebalance_timeout: Duration::from_secs(300),
        // Longer than the broker waits for a member whose connection broke off.
        heartbeat_interval: Duration::from_secs(100),
        max_poll_interval: None,
    };
    let mut member = GroupMember::new(cluster, config);
    member.join(protocols());
    member
}

async fn assigned(member: &mut GroupMember) {
    loop {
        match timeout(PATIENCE, member.next_event()).await.expect("an event in time") {
            GroupEvent::Elected { members, .. } => {
                member.assign(members.into_iter().map(|it| (it.member_id, it.metadata)).collect());
            }
            GroupEvent::Assigned { .. } => return,
            other => panic!("{other:?}"),
        }
    }
}

async fn state(admin: &Admin, group: &str) -> String {
    admin.describe_group(group).await.expect("answered").state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_connections_are_cut_says_at_once_that_it_is_there() {
    // Time enough to come back on a busy machine, too.
    let broker = Kafka::ours(&[("group.disconnect.grace.connect.ms", "4000")]);
    let config = AdminConfig::from_properties(&broker.properties(&[])).expect("valid");
    let cluster = |dial: Arc<dyn Dial>| Cluster::connect(dial, &config.bootstrap, config.connection.clone());
    let (staying, going) = (Arc::<Cutting>::default(), Arc::<Cutting>::default());
    let shared: Arc<dyn Dial> = Arc::<Cutting>::clone(&staying);
    let mut stays = member(&cluster(shared), "stays", PATIENCE * 10);
    let shared: Arc<dyn Dial> = Arc::<Cutting>::clone(&going);
    let mut goes = member(&cluster(shared), "goes", PATIENCE * 10);
    assigned(&mut stays).await;
    assigned(&mut goes).await;
    // Under a name of its own: who asks for a group by a member's name may be that member's client.
    let watching = AdminConfig::from_properties(&broker.properties(&[("client.id", "watcher")])).expect("valid");
    let watched = Cluster::connect(Arc::new(TcpDial), &watching.bootstrap, watching.connection.clone());
    let admin = Admin::new(&watched, &watching);
    staying.cut();
    // As when its process is killed: it does not come back.
    drop(goes);
    going.cut();
    let given_up = async {
        while state(&admin, "goes").await != "Empty" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, given_up).await.expect("given up in time");
    assert_eq!(state(&admin, "stays").await, "Stable");
    assert!(stays.try_event().is_none(), "it has noticed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_cut_off_while_it_joins_again_has_lost_its_part_when_its_session_is_over() {
    let broker = Kafka::ours(&[("group.min.session.timeout.ms", "500")]);
    let config = AdminConfig::from_properties(&broker.properties(&[])).expect("valid");
    let cutting = Arc::<Cutting>::default();
    let shared: Arc<dyn Dial> = Arc::<Cutting>::clone(&cutting);
    let cluster = Cluster::connect(shared, &config.bootstrap, config.connection.clone());
    let mut member = member(&cluster, "joins", Duration::from_secs(1));
    assigned(&mut member).await;
    cutting.gone.store(true, Ordering::Relaxed);
    cutting.cut();
    member.join(protocols());
    let event = timeout(PATIENCE, member.next_event()).await.expect("an event in time");
    assert!(matches!(event, GroupEvent::Lost(LostReason::SessionTimeout { .. })), "{event:?}");
}
