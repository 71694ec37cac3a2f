//! Calls into plugins that fail or do not return, at every place: a trouble of that connector or task, and of nobody else.

use std::time::Duration;

use millstream_runtime::herder::{HerderHandle, InstanceStatus, RestartRequest, TargetState};
use simulation::scripted::{SINK, SOURCE, World, config, eventually, is_healthy, run, task};
use tokio::time::Instant;

/// Longest time for a stop: of a connector, or of tasks, which comes after it, with what cancelling takes.
const STOP: Duration = Duration::from_secs(12);

/// When a call at some place is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    /// When the connector is started.
    Begin,
    /// While its task runs.
    Run,
    /// When it, or its task, is stopped.
    End,
}

/// Every place of the life cycle but validation: class of the connector, call, when it is made, what a status says of it.
const PLACES: [(&str, &str, When, &str); 14] = [
    (SOURCE, "connector start", When::Begin, "the connector to start"),
    (SOURCE, "connector task configs", When::Begin, "the connector to make task configurations"),
    (SOURCE, "connector stop", When::End, ""),
    (SOURCE, "source start", When::Run, "the source to start"),
    (SOURCE, "source poll", When::Run, "the source to return from a poll"),
    (SOURCE, "source commit", When::Run, "the source to take note of a commit"),
    (SOURCE, "source stop", When::End, ""),
    (SINK, "sink start", When::Run, "the sink to start"),
    (SINK, "sink open", When::Run, "the sink to open partitions"),
    (SINK, "sink put", When::Run, "the sink to take 1 record(s)"),
    (SINK, "sink put nothing", When::Run, "the sink to take no records"),
    (SINK, "sink pre commit", When::Run, "the sink to say what may be committed"),
    (SINK, "sink close", When::End, ""),
    (SINK, "sink stop", When::End, ""),
];

/// What can be asked of a connector that hangs.
const REMEDIES: [&str; 4] = ["delete", "stop", "restart", "put"];

fn world_with(class: &str) -> World {
    let world = World::default();
    if class == SINK {
        world.consume(&["1"]);
    } else {
        world.state().lines = vec![("t".to_owned(), "1".to_owned())];
    }
    world
}

/// Asks for the connector to be created, and goes on.
async fn begin(world: &World, class: &'static str) -> (millstream_runtime::herder::Herder, HerderHandle) {
    let herder = world.start();
    let handle = herder.handle();
    handle.mark_ready();
    let theirs = handle.clone();
    tokio::spawn(async move { theirs.put_config("c", config(class, &[]), TargetState::Started, false).await });
    (herder, handle)
}

fn statuses(handle: &HerderHandle) -> Vec<InstanceStatus> {
    let Ok(status) = handle.status("c") else { return Vec::new() };
    std::iter::once(status.connector).chain(status.tasks.into_iter().map(|(_, task)| task)).collect()
}

async fn status_says(handle: &HerderHandle, what: &str, texts: &[&str]) {
    eventually(what, || {
        let traces: Vec<String> = statuses(handle).into_iter().filter_map(|status| status.trace).collect();
        traces.iter().any(|trace| texts.iter().all(|text| trace.contains(text))).then_some(())
    })
    .await;
}

/// Asks for something and returns how long the answer took.
async fn ask(handle: &HerderHandle, remedy: &str, class: &str) -> Duration {
    let asked = Instant::now();
    let done = match remedy {
        "delete" => handle.delete("c").await,
        "stop" => handle.stop("c").await,
        "restart" => {
            let request = RestartRequest { include_tasks: true, only_failed: false };
            handle.restart("c", request).await.map(drop)
        }
        _ => handle.put_config("c", config(class, &[("a", "b")]), TargetState::Started, true).await.map(drop),
    };
    done.unwrap_or_else(|error| panic!("{remedy}: {error}"));
    asked.elapsed()
}

async fn neighbour_is_served(handle: &HerderHandle, what: &str) {
    let asked = Instant::now();
    let mut neighbour = config(SOURCE, &[]);
    neighbour.insert("name".to_owned(), Some("d".to_owned()));
    handle.put_config("d", neighbour, TargetState::Started, true).await.expect(what);
    assert!(is_healthy(handle).await, "{what}");
    assert!(asked.elapsed() < Duration::from_secs(1), "{what}: a neighbour waits {:?}", asked.elapsed());
    eventually(what, || (handle.task_status("d", 0).ok()?.state.name() == "RUNNING").then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_shown_and_ends_with_what_is_asked_while_others_are_served() {
    for (class, place, when, says) in PLACES {
        for remedy in REMEDIES {
            let what = format!("{place}, {remedy}");
            let world = world_with(class);
            world.state().hangs.insert(place);
            let (_herder, handle) = begin(&world, class).await;
            if when == When::End {
                eventually(&what, || (task(&handle)?.state.name() == "RUNNING").then_some(())).await;
            } else {
                let limits = ["since 20", "plugin.call.timeout.ms"];
                status_says(&handle, &what, &[&format!("Waiting for {says}"), limits[0], limits[1]]).await;
            }
            neighbour_is_served(&handle, &what).await;
            let asked = tokio::spawn({
                let (handle, what) = (handle.clone(), what.clone());
                async move {
                    let took = ask(&handle, remedy, class).await;
                    assert!(took <= STOP, "{what}: {took:?}");
                }
            });
            tokio::task::yield_now().await;
            neighbour_is_served(&handle, &what).await;
            // What begins anew does not hang again.
            world.state().hangs.clear();
            asked.await.expect(&what);
            let after = statuses(&handle);
            match remedy {
                "delete" => assert_eq!(after, [], "{what}"),
                "stop" => assert_eq!(after.iter().map(|s| s.state.name()).collect::<Vec<_>>(), ["STOPPED"], "{what}"),
                _ => {
                    eventually(&what, || {
                        let all = statuses(&handle);
                        (all.len() == 2 && all.iter().all(|s| s.state.name() == "RUNNING")).then_some(())
                    })
                    .await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_in_which_everything_hangs_shuts_down_in_time() {
    for (class, place, when, says) in PLACES {
        let world = world_with(class);
        world.state().hangs.insert(place);
        let (herder, handle) = begin(&world, class).await;
        if when == When::End {
            eventually(place, || (task(&handle)?.state.name() == "RUNNING").then_some(())).await;
        } else {
            status_says(&handle, place, &[says]).await;
        }
        neighbour_is_served(&handle, place).await;
        let asked = Instant::now();
        handle.shutdown().await.expect(place);
        assert!(herder.ended().await, "{place}");
        assert!(asked.elapsed() <= STOP, "{place}: {:?}", asked.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_fails_its_connector_or_task_alone() {
    for (class, place, when, _) in PLACES {
        let world = world_with(class);
        world.state().fails.insert(place);
        let (_herder, handle) = begin(&world, class).await;
        // Failures of these are logged, as in Connect, and nothing else comes of them.
        let is_fatal = !matches!(place, "source commit" | "sink pre commit") && when != When::End;
        if is_fatal {
            status_says(&handle, place, &[&format!("{place} fails")]).await;
            let failed = statuses(&handle).iter().filter(|status| status.state.name() == "FAILED").count();
            assert_eq!(failed, 1, "{place}");
        } else {
            eventually(place, || (task(&handle)?.state.name() == "RUNNING").then_some(())).await;
        }
        neighbour_is_served(&handle, place).await;
        world.state().fails.clear();
        assert!(ask(&handle, "restart", class).await <= STOP);
        eventually(place, || {
            let all = statuses(&handle);
            (all.len() == 2 && all.iter().all(|status| status.state.name() == "RUNNING")).then_some(())
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_holds_up_its_own_request_alone() {
    let world = World::default();
    world.state().hangs.insert("connector validate");
    let (_herder, handle) = begin(&world, SOURCE).await;
    neighbour_is_served(&handle, "validate").await;
    assert!(handle.connector_info("c").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connector_whose_stop_hangs_is_paused_as_failed_and_starts_again_after_a_restart() {
    let world = World::default();
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    world.state().hangs.insert("connector stop");
    handle.pause("c").await.expect("paused");
    status_says(&handle, "paused", &["did not return from stop within 5 seconds", "restart"]).await;
    world.state().hangs.clear();
    handle.resume("c").await.expect("resumed");
    handle.restart_connector("c").await.expect("restarted");
    eventually("it runs", || (statuses(&handle).first()?.state.name() == "RUNNING").then_some(())).await;
}
