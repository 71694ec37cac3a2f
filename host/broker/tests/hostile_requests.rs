//! Requests of every API in every version, damaged: each costs its own connection at most.

mod support;

use bytes::{Bytes, BytesMut};
use millstream_broker::Broker;
use millstream_wire::{frame, guard, protocol::messages::*};
use support::{
    Client, batch, config,
    hostile::{Panics, send_damaged},
};

/// A request of this API and version that can be read: everything empty, or the default.
fn plain_request(api: ApiKey, version: i16) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(support::text("hostile")));
    let mut frame = BytesMut::new();
    // The smallest body that the guard takes: zeros, which are empty texts and lists (null ones where lengths count
    // from one).
    for len in 0..400 {
        let body = vec![0; len];
        if guard::check_request(api, version, &body).is_ok() {
            frame.extend_from_slice(&body);
            break;
        }
    }
    let mut header_bytes = BytesMut::new();
    millstream_wire::protocol::protocol::Encodable::encode(
        &header,
        &mut header_bytes,
        api.request_header_version(version),
    )
    .unwrap();
    let whole = [&header_bytes[..], &frame[..]].concat();
    [&(whole.len() as i32).to_be_bytes()[..], &whole].concat().into()
}

/// Requests with something in them.
fn full_requests(topic: &str) -> Vec<Bytes> {
    let of = |api: ApiKey, version: i16| {
        RequestHeader::default().with_request_api_key(api as i16).with_request_api_version(version)
    };
    let produce = support::produce_request(topic, -1, batch(&["a", "b", "c"], Some((7, 0, 0))));
    let fetch = support::fetch_request(topic, 0, 100);
    vec![
        frame::encode_request(&of(ApiKey::Produce, 8), &produce).unwrap(),
        frame::encode_request(&of(ApiKey::Produce, 11), &produce).unwrap(),
        frame::encode_request(&of(ApiKey::Fetch, 11), &fetch).unwrap(),
        frame::encode_request(&of(ApiKey::Fetch, 12), &fetch).unwrap(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_requests_cost_their_own_connection_and_nothing_panics() {
    let dir = tempfile::tempdir().unwrap();
    let panics = Panics::count();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("hostile").await;
    client.create("other").await;
    let versions: ApiVersionsResponse = client.call(ApiKey::ApiVersions, 2, &ApiVersionsRequest::default()).await;
    let mut requests = full_requests("hostile");
    for api in &versions.api_keys {
        let key = ApiKey::try_from(api.api_key).unwrap();
        requests.extend(
            (api.min_version.max(if key == ApiKey::Produce { 3 } else { 0 })..=api.max_version)
                .map(|version| plain_request(key, version)),
        );
    }
    assert!(150 < requests.len(), "{} requests", requests.len());
    send_damaged(&broker, &requests).await;
    let offset = client.fetch("other", 0, 0).await.1;
    assert_eq!(client.produce("other", -1, batch(&["v"], None)).await, (0, offset));
    assert_eq!(panics.so_far(), 0);
    broker.shutdown().await.unwrap();
}
