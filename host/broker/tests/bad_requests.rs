//! What the operator reads of requests that cannot be carried out: who, which API and version, and why; now and then.

mod support;

use bytes::{Buf, Bytes, BytesMut};
use millstream_broker::Broker;
use millstream_wire::{
    frame,
    protocol::messages::{ApiKey, FindCoordinatorRequest, MetadataRequest, MetadataResponse, RequestHeader},
};
use support::{Client, Log, text, with};
use tokio::net::TcpStream;

async fn dial(broker: &Broker) -> Client<TcpStream> {
    Client::over(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap())
}

/// A request of a client with this name.
fn request(client: &str, api: ApiKey, version: i16) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_client_id(Some(text(client)));
    frame::encode_request(&header, &FindCoordinatorRequest::default().with_key(text("group"))).unwrap()
}

/// Waits for a line with all of these.
async fn line(log: &Log, parts: &[&str]) -> String {
    let begin = std::time::Instant::now();
    loop {
        if let Some(line) = log.lines(parts).into_iter().next() {
            return line;
        }
        assert!(begin.elapsed().as_secs() < 120, "there is a line with {parts:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_told_with_its_client_api_version_and_cause_once_in_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _collected) = Log::collect();
    let broker = Broker::start(with(dir.path(), &[("listeners", "PLAINTEXT://127.0.0.1:0")])).await.unwrap();
    let mut other = dial(&broker).await;
    let sound = request("half-a-program", ApiKey::FindCoordinator, 2);
    // Cut off within the body, with a size that knows.
    let mut cut = BytesMut::from(&sound[..sound.len() - 4]);
    let len = i32::try_from(cut.len()).unwrap() - 4;
    cut[..4].copy_from_slice(&len.to_be_bytes());
    for _ in 0..30 {
        let mut hostile = dial(&broker).await;
        hostile.send_raw(&cut).await;
        assert!(hostile.receive_raw().await.is_none(), "the connection is closed");
    }
    let told = line(&log, &["FindCoordinator", "version 2", "half-a-program", "127.0.0.1", "field key"]).await;
    assert!(told.contains("WARN"), "{told}");
    assert_eq!(log.lines(&["half-a-program"]).len(), 1, "of thirty, one is told");
    let answer: MetadataResponse = other.call(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
    assert_eq!(answer.brokers.len(), 1, "nobody else notices");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_version_that_is_not_served_is_told_with_its_client_and_an_endless_name_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _collected) = Log::collect();
    let broker = Broker::start(with(dir.path(), &[("listeners", "PLAINTEXT://127.0.0.1:0")])).await.unwrap();
    let endless = format!("new-program\n{}", "x".repeat(5000));
    let mut frame = BytesMut::from(&request(&endless, ApiKey::FindCoordinator, 2)[..]);
    frame[6..8].copy_from_slice(&99_i16.to_be_bytes());
    let mut hostile = dial(&broker).await;
    hostile.send_raw(&frame).await;
    assert!(hostile.receive_raw().await.is_none(), "the connection is closed");
    let told = line(&log, &["FindCoordinator", "version 99", "new-program", "not served"]).await;
    assert!(told.len() < 1000, "{} bytes", told.len());
    assert!(frame.remaining() > 5000);
    broker.shutdown().await.unwrap();
}
