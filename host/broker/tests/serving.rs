//! What a client sees on one connection.

mod support;

use std::time::Duration;

use bytes::Bytes;
use millstream_broker::Broker;
use millstream_wire::protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest,
    ListOffsetsResponse, MetadataRequest, MetadataResponse, ProducerId,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};
use support::{Client, batch, config, fetch_request, name, produce_request, with};

#[tokio::test]
async fn a_batch_comes_back_as_the_bytes_that_were_sent_but_for_offset_and_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let (first, second) = (batch(&["a", "b"], None), batch(&["c"], None));
    assert_eq!(client.produce("t", -1, first.clone()).await, (0, 0));
    assert_eq!(client.produce("t", -1, second.clone()).await, (0, 2));
    let (code, high_watermark, records) = client.fetch("t", 0, 0).await;
    assert_eq!((code, high_watermark), (0, 3));
    let mut expected = first.to_vec();
    expected[12..16].copy_from_slice(&0_i32.to_be_bytes());
    let mut tail = second.to_vec();
    tail[..8].copy_from_slice(&2_i64.to_be_bytes());
    tail[12..16].copy_from_slice(&0_i32.to_be_bytes());
    expected.extend(tail);
    assert_eq!(records, expected);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn too_new_a_version_of_api_versions_is_answered_in_version_zero() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.send_raw(&[0, 0, 0, 14, 0, 18, 0, 99, 0, 0, 0, 7, 0, 3, b'c', b'l', b'i', 0]).await;
    let response: ApiVersionsResponse = client.receive(ApiKey::ApiVersions, 0, 7).await;
    assert_eq!(response.error_code, 35);
    let own = &response.api_keys[0];
    assert_eq!((response.api_keys.len(), own.api_key, own.min_version, own.max_version), (1, 18, 0, 4));
    let request = ApiVersionsRequest::default()
        .with_client_software_name(support::text("x"))
        .with_client_software_version(support::text("1"));
    let response: ApiVersionsResponse = client.call(ApiKey::ApiVersions, 4, &request).await;
    assert_eq!(response.api_keys.iter().find(|key| key.api_key == 0).map(|key| key.min_version), Some(0));
}

#[tokio::test]
async fn nonsense_closes_its_own_connection_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(with(dir.path(), &[("socket.request.max.bytes", "100000")])).await.unwrap();
    let mut sound = Client::new(&broker);
    sound.create("t").await;
    let metadata_bomb = [0, 0, 0, 18, 0, 3, 0, 4, 0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let frames: [&[u8]; 8] = [
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x02\x00\x03",
        b"\x00\x00\x00\x0a\x03\xe7\x00\x00\x00\x00\x00\x01\xff\xff",
        b"\x00\x00\x00\x0a\x00\x00\x00\x02\x00\x00\x00\x01\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        &metadata_bomb,
    ];
    for frame in frames {
        let mut odd = Client::new(&broker);
        odd.send_raw(frame).await;
        assert_eq!(odd.receive_raw().await, None, "{frame:?}");
    }
    assert_eq!(sound.produce("t", 1, batch(&["still here"], None)).await, (0, 0));
}

#[tokio::test]
async fn random_bodies_never_bring_the_broker_down() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for api_key in 0..62_i16 {
        for _ in 0..8 {
            let len = usize::try_from(random() % 60).unwrap();
            let mut frame = Vec::new();
            frame.extend(api_key.to_be_bytes());
            frame.extend(i16::try_from(random() % 12).unwrap().to_be_bytes());
            frame.extend([0, 0, 0, 1, 0xff, 0xff]);
            frame.extend((0..len).map(|_| if random() % 3 == 0 { 0 } else { random().to_le_bytes()[0] }));
            let mut client = Client::new(&broker);
            client.send_raw(&i32::try_from(frame.len()).unwrap().to_be_bytes()).await;
            client.send_raw(&frame).await;
        }
    }
    let mut client = Client::new(&broker);
    let response: MetadataResponse =
        client.call(ApiKey::Metadata, 12, &MetadataRequest::default().with_topics(None)).await;
    assert_eq!(response.error_code, 0);
}

#[tokio::test]
async fn a_long_poll_ends_when_somebody_else_appends() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let (mut reader, mut writer) = (Client::new(&broker), Client::new(&broker));
    writer.create("t").await;
    let correlation = reader.send(ApiKey::Fetch, 12, &fetch_request("t", 0, 25_000)).await;
    writer.produce("t", 1, batch(&["x"], None)).await;
    let response: millstream_wire::protocol::messages::FetchResponse =
        reader.receive(ApiKey::Fetch, 12, correlation).await;
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.high_watermark, 1);
    assert!(partition.records.as_ref().is_some_and(|records| !records.is_empty()));
}

#[tokio::test]
async fn a_fetch_beyond_the_end_is_out_of_range_and_at_the_end_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    client.produce("t", -1, batch(&["x"], None)).await;
    assert_eq!(client.fetch("t", 2, 25_000).await.0, 1);
    assert_eq!(client.fetch("t", -1, 25_000).await.0, 1);
    assert_eq!(client.fetch("t", 1, 0).await, (0, 1, Bytes::new()));
    assert_eq!(client.fetch("none", 0, 25_000).await.0, 3);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let mut sent = Vec::new();
    for i in 0..50 {
        let value = i.to_string();
        sent.push(client.send(ApiKey::Produce, 9, &produce_request("t", -1, batch(&[&value], None))).await);
    }
    for (offset, correlation) in sent.into_iter().enumerate() {
        assert_eq!(client.produced(correlation).await, (0, i64::try_from(offset).unwrap()));
    }
}

#[tokio::test]
async fn a_repeated_batch_of_an_idempotent_producer_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let granted: InitProducerIdResponse = client.call(ApiKey::InitProducerId, 4, &request).await;
    let id = granted.producer_id.0;
    for (sequence, expected) in [(0, (0, 0)), (1, (0, 1)), (0, (0, 0)), (1, (0, 1)), (5, (45, -1)), (2, (0, 2))] {
        let answer = client.produce("t", -1, batch(&["v"], Some((id, 0, sequence)))).await;
        assert_eq!(answer, expected, "sequence {sequence}");
    }
    assert_eq!(client.fetch("t", 0, 0).await.1, 3);
}

#[tokio::test]
async fn a_bad_batch_is_refused_alone_and_without_acknowledgement_closes_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let mut torn = batch(&["x"], None).to_vec();
    *torn.last_mut().unwrap() ^= 1;
    assert_eq!(client.produce("t", -1, torn.clone().into()).await, (2, -1));
    assert_eq!(client.produce("t", -1, Bytes::new()).await, (87, -1));
    assert_eq!(client.produce("t", 7, batch(&["x"], None)).await, (21, -1));
    assert_eq!(client.produce("none", -1, batch(&["x"], None)).await, (3, -1));
    client.send(ApiKey::Produce, 9, &produce_request("t", 0, batch(&["silent"], None))).await;
    client.send(ApiKey::Produce, 9, &produce_request("t", 0, torn.into())).await;
    assert_eq!(client.receive_raw().await, None);
    let mut client = Client::new(&broker);
    assert_eq!(client.fetch("t", 0, 20_000).await.1, 1, "the good one without acknowledgement is there");
}

#[tokio::test]
async fn offsets_are_found_by_time() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    client.produce("t", -1, batch(&["x", "y"], None)).await;
    let cases = [
        (-1, (2, -1)),
        (-2, (0, -1)),
        (1, (0, 1_700_000_000_000)),
        (1_700_000_000_001, (-1, -1)),
        (-3, (0, 1_700_000_000_000)),
    ];
    for (timestamp, expected) in cases {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let response: ListOffsetsResponse = client.call(ApiKey::ListOffsets, 7, &request).await;
        let found = &response.topics[0].partitions[0];
        assert_eq!((found.offset, found.timestamp), expected, "time {timestamp}");
    }
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(with(dir.path(), &[("connections.max.idle.ms", "50")])).await.unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(client.receive_raw().await, None);
}

#[tokio::test]
async fn stopping_answers_a_parked_fetch_and_ends_every_connection() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let correlation = client.send(ApiKey::Fetch, 12, &fetch_request("t", 0, 25_000)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(4), broker.shutdown());
    let answered = client.receive::<millstream_wire::protocol::messages::FetchResponse>(ApiKey::Fetch, 12, correlation);
    let (stopped, response) = tokio::join!(stopped, answered);
    stopped.expect("stopping takes less than a drain").unwrap();
    assert_eq!(response.error_code, 0);
    assert_eq!(client.receive_raw().await, None);
}
