//! Workers of a group that reach each other over HTTPS only, as processes of their own.

use std::path::Path;

use harness::{
    Broker, Worker,
    files::{append, lines},
    free_port,
};

#[path = "support/group.rs"]
mod group;

use group::{GROUP, ask, await_running, source};

/// A certificate for this machine, with its key, in one PEM file, and without.
fn certificate(file: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = made.cert.pem();
    std::fs::write(file, format!("{}{certificate}", made.signing_key.serialize_pem())).unwrap();
    certificate
}

/// A worker that users reach by HTTP, and others by HTTPS: it shows this key and trusts these certificates.
fn start(folder: &Path, settings: &str, key: &Path, trusted: &Path) -> Worker {
    let (http, https) = (free_port(), free_port());
    let settings = format!(
        "{settings}\nlisteners=http://127.0.0.1:{http},https://127.0.0.1:{https}\nrest.advertised.listener=https\n\
         listeners.https.ssl.keystore.type=PEM\nlisteners.https.ssl.keystore.location={}\n\
         listeners.https.ssl.truststore.type=PEM\nlisteners.https.ssl.truststore.location={}\n\
         listeners.https.ssl.client.auth=required\n",
        key.display(),
        trusted.display()
    );
    let started = Worker::try_start_distributed(folder, &settings);
    let mut worker = started.unwrap_or_else(|(status, log)| panic!("{status}: {log}"));
    worker.rest = format!("127.0.0.1:{http}");
    worker.await_ready();
    worker
}

#[test]
fn workers_reach_each_other_over_https_and_only_those_that_they_trust() {
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let broker = Broker::start(folders[3].path(), &[]);
    let settings = format!("bootstrap.servers={}\n{GROUP}", broker.address);
    let keys: Vec<_> = (0..2).map(|at| folders[at].path().join("key.pem")).collect();
    let trusted = folders[3].path().join("trusted.pem");
    let certificates: String = keys.iter().map(|key| certificate(key)).collect();
    std::fs::write(&trusted, certificates).unwrap();
    let workers: Vec<Worker> = (0..2).map(|at| start(folders[at].path(), &settings, &keys[at], &trusted)).collect();
    let names = ["a", "b", "c", "d"];
    let rests: Vec<String> = workers.iter().map(|worker| worker.rest.clone()).collect();
    // The second worker passes on to the first, which leads; task configurations go the same way, signed.
    for name in names {
        append(&folders[3].path().join(name), &lines(0..5));
        let config = source(&folders[3].path().join(name), "lines");
        assert_eq!(ask(&rests[1], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201, "{name}");
    }
    let places = harness::eventually("both have work", || {
        let found = names.iter().filter_map(|name| group::states(&rests[0], name)).flatten();
        let running: std::collections::BTreeSet<String> =
            found.filter(|(_, (state, _))| state == "RUNNING").map(|(_, (_, worker))| worker).collect();
        (running.len() == 2).then_some(running)
    });
    let all: Vec<&str> = places.iter().map(String::as_str).collect();
    await_running(&rests[0], &names, &all);
    for rest in &rests {
        for name in names {
            assert_eq!(ask(rest, "POST", &format!("/connectors/{name}/tasks/0/restart"), None), 204, "{name}");
        }
    }

    // One that nobody trusts is a member, and cannot pass anything on.
    let own = folders[2].path().join("key.pem");
    certificate(&own);
    let stranger = start(folders[2].path(), &settings, &own, &trusted);
    let answer = harness::eventually("it knows who leads", || {
        let answer = harness::request(&stranger.rest, "PUT", "/connectors/a/pause", None)?;
        (answer.status != 409).then_some(answer)
    });
    // Pausing is for every member to do.
    assert_eq!(answer.status, 202, "{}", answer.body);
    let config = source(&folders[3].path().join("e"), "lines").to_string();
    let refused = harness::eventually("it has tried to pass it on", || {
        let answer = harness::request(&stranger.rest, "PUT", "/connectors/e/config", Some(&config))?;
        (answer.status != 409).then_some(answer)
    });
    assert_eq!(refused.status, 500, "{}", refused.body);
    assert!(refused.body.contains("IO Error trying to forward REST request"), "{}", refused.body);
    for worker in workers.into_iter().chain([stranger]) {
        assert!(worker.terminate().success());
    }
}
