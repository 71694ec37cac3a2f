//! Partitions of another data folder are taken into one that has topics of its own, or refused with the reason.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use millstream_broker::{AdoptError, AdoptedPartition, Adoption, Broker, Settings, Unadoptable, adopt};
use support::{Client, batch, config};

/// A data folder with these topics of one partition, of three records each, left in order.
async fn filled(dir: &Path, topics: &[&str]) {
    let broker = Broker::start(config(dir)).await.unwrap();
    let mut client = Client::new(&broker);
    for topic in topics {
        client.create(topic).await;
        for value in ["first", "second", "third"] {
            client.produce(topic, -1, batch(&[value], None)).await;
        }
    }
    broker.shutdown().await.unwrap();
}

fn take(dir: &Path, sources: &[PathBuf], apply: bool) -> Result<Vec<AdoptedPartition>, AdoptError> {
    let adoption = Adoption { data_dir: dir.to_owned(), sources: sources.to_vec(), settings: Vec::new(), apply };
    adopt(&millstream_disk::real(), &adoption)
}

/// The names of all files below a folder with their contents, but for the lock.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if !path.ends_with(".lock") {
            let content = fs::read(&path).unwrap();
            found.insert(path, content);
        }
    }
    found
}

async fn assert_served(client: &mut Client, topic: &str, values: &[&str]) {
    let (code, end, records) = client.fetch(topic, 0, 0).await;
    assert_eq!((code, end), (0, values.len() as i64), "{topic}");
    let has = |value: &str| records.windows(value.len()).any(|bytes| bytes == value.as_bytes());
    assert!(values.iter().all(|value| has(value)), "{topic}");
}

#[tokio::test]
async fn a_partition_is_taken_in_beside_what_is_there_and_nothing_changes_before() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(here.path(), &["own"]).await;
    filled(there.path(), &["orders", "own"]).await;
    let source = [there.path().join("orders-0")];
    let before = (contents(here.path()), contents(there.path()));
    let found = take(here.path(), &source, false).unwrap();
    assert!((contents(here.path()), contents(there.path())) == before, "a look changes nothing");
    let looked = found[0].verdict.as_ref().unwrap();
    assert_eq!((found.len(), looked.folder().as_str(), looked.partitions), (1, "orders-0", 1));
    assert_eq!((looked.settings, found[0].served), (Settings::Unknown, None));

    let found = take(here.path(), &source, true).unwrap();
    let served = found[0].served.unwrap();
    assert_eq!((served.start, served.end, served.open_transaction_at), (0, 3, None));
    assert!(contents(there.path()) == before.1, "what is copied stays as it is");
    let broker = Broker::start(config(here.path())).await.unwrap();
    let mut client = Client::new(&broker);
    assert_served(&mut client, "orders", &["first", "second", "third"]).await;
    assert_served(&mut client, "own", &["first", "second", "third"]).await;
    assert_eq!(client.produce("orders", -1, batch(&["fourth"], None)).await, (0, 3));
    broker.abandon().await;
    let broker = Broker::start(config(here.path())).await.unwrap();
    assert_served(&mut Client::new(&broker), "orders", &["first", "fourth", "second", "third"]).await;
    broker.shutdown().await.unwrap();
    // It is there now, and not taken twice.
    let found = take(here.path(), &source, true).unwrap();
    assert!(matches!(found[0].verdict, Err(Unadoptable::Served { .. })), "{found:?}");
}

#[tokio::test]
async fn what_a_start_has_moved_aside_is_taken_back_by_its_folder_or_with_all_that_lies_there() {
    for whole in [false, true] {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        filled(here.path(), &["own"]).await;
        filled(there.path(), &["orders"]).await;
        fs::rename(there.path().join("orders-0"), here.path().join("orders-0")).unwrap();
        Broker::start(config(here.path())).await.unwrap().shutdown().await.unwrap();
        let names = fs::read_dir(here.path()).unwrap().map(|entry| entry.unwrap().path());
        let aside = names.into_iter().find(|path| path.display().to_string().ends_with("-stray")).unwrap();
        let source = if whole { here.path().to_owned() } else { aside.clone() };
        let found = take(here.path(), &[source], true).unwrap();
        assert_eq!((found.len(), found[0].served.unwrap().end), (1, 3));
        assert!(!aside.exists());
        let broker = Broker::start(config(here.path())).await.unwrap();
        assert_served(&mut Client::new(&broker), "orders", &["first", "second", "third"]).await;
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_partition_with_a_torn_end_is_taken_without_it_and_a_damaged_one_not() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(here.path(), &["own"]).await;
    filled(there.path(), &["torn", "damaged"]).await;
    let log = |topic: &str| there.path().join(format!("{topic}-0/00000000000000000000.log"));
    let bytes = fs::read(log("torn")).unwrap();
    fs::write(log("torn"), &bytes[..bytes.len() - 5]).unwrap();
    let mut bytes = fs::read(log("damaged")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(log("damaged"), &bytes).unwrap();
    let found = take(here.path(), &[there.path().to_owned()], true).unwrap();
    let of = |name: &str| found.iter().find(|partition| partition.partition == name).unwrap();
    assert!(matches!(of("damaged-0").verdict, Err(Unadoptable::Damaged { .. })), "{found:?}");
    assert_eq!(of("torn-0").served.unwrap().end, 2);
    assert!(!here.path().join("damaged-0").exists());
    let broker = Broker::start(config(here.path())).await.unwrap();
    assert_served(&mut Client::new(&broker), "torn", &["first", "second"]).await;
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_told_apart_or_merged_is_refused() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(here.path(), &["both"]).await;
    filled(there.path(), &["both", "odd"]).await;
    let verdict = |source: PathBuf| take(here.path(), &[source], true).unwrap().remove(0).verdict.unwrap_err();
    // Another topic of the same name, by its second partition.
    fs::rename(there.path().join("both-0"), there.path().join("both-1")).unwrap();
    assert!(matches!(verdict(there.path().join("both-1")), Unadoptable::OtherTopic { .. }));
    let internal = there.path().join("__consumer_offsets-7");
    fs::rename(there.path().join("both-1"), &internal).unwrap();
    assert!(matches!(verdict(internal), Unadoptable::Internal { .. }));
    let odd = there.path().join("odd");
    fs::rename(there.path().join("odd-0"), &odd).unwrap();
    assert!(matches!(verdict(odd.clone()), Unadoptable::NoPartition));
    // The topic under another name.
    let renamed = there.path().join("renamed-0");
    fs::remove_dir_all(&odd).unwrap();
    fs::create_dir(&renamed).unwrap();
    for name in ["00000000000000000000.log", "partition.metadata"] {
        fs::copy(here.path().join("both-0").join(name), renamed.join(name)).unwrap();
    }
    assert!(matches!(verdict(renamed.clone()), Unadoptable::IdTaken { .. }));
    // Something else is in its place.
    fs::remove_file(renamed.join("partition.metadata")).unwrap();
    fs::create_dir(here.path().join("renamed-0")).unwrap();
    assert!(matches!(verdict(renamed.clone()), Unadoptable::InTheWay { .. }));
    let none = tempfile::tempdir().unwrap();
    assert!(matches!(take(here.path(), &[none.path().to_owned()], true), Err(AdoptError::NoPartition { .. })));
    // A data folder that no broker has taken over yet.
    let alone = std::slice::from_ref(&renamed);
    fs::remove_file(there.path().join("topics.catalogue")).unwrap();
    assert!(matches!(take(there.path(), alone, true), Err(AdoptError::NoCatalogue { .. })));
    let broker = Broker::start(config(here.path())).await.unwrap();
    assert!(matches!(take(here.path(), alone, true), Err(AdoptError::Open { .. })), "a broker uses it");
    broker.shutdown().await.unwrap();
}
