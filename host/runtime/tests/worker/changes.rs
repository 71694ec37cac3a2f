//! Changes that are asked for by somebody who goes away, or by two at once.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Waker},
};

use millstream_runtime::herder::{HerderHandle, RestartRequest, TargetState};
use simulation::scripted::{SOURCE, World, config, eventually, is_healthy, run, texts};

type Change = fn(HerderHandle) -> Pin<Box<dyn Future<Output = bool>>>;

/// Everything that can be asked for, with whether it went well.
const CHANGES: [(&str, Change); 8] = [
    ("put", |handle| {
        Box::pin(async move {
            let config = config(SOURCE, &[("a", "2"), ("tasks.max", "3")]);
            handle.put_config("c", config, TargetState::Started, true).await.is_ok()
        })
    }),
    ("patch", |handle| Box::pin(async move { handle.patch_config("c", texts(&[("tasks.max", "2")])).await.is_ok() })),
    ("delete", |handle| Box::pin(async move { handle.delete("c").await.is_ok() })),
    ("pause", |handle| Box::pin(async move { handle.pause("c").await.is_ok() })),
    ("stop", |handle| Box::pin(async move { handle.stop("c").await.is_ok() })),
    ("restart connector", |handle| Box::pin(async move { handle.restart_connector("c").await.is_ok() })),
    ("restart", |handle| {
        Box::pin(async move {
            let request = RestartRequest { include_tasks: true, only_failed: false };
            handle.restart("c", request).await.is_ok()
        })
    }),
    ("restart task", |handle| Box::pin(async move { handle.restart_task("c", 0).await.is_ok() })),
];

/// What can be seen of the connector once everything has settled: configuration, and state of it and its tasks.
async fn seen(handle: &HerderHandle) -> String {
    // The loop takes one request after the other, so that an answer means that the change is over.
    assert!(is_healthy(handle).await);
    let look = || {
        let Ok(info) = handle.connector_info("c") else { return Some("gone".to_owned()) };
        let status = handle.status("c").ok()?;
        let states: Vec<&str> = status.tasks.iter().map(|(_, task)| task.state.name()).collect();
        let state = status.connector.state.name();
        let tasks = info.tasks.len();
        (states.len() == tasks && states.iter().all(|task| *task == state))
            .then(|| format!("{:?} {state} {tasks} {:?}", info.config, handle.tasks("c")))
    };
    eventually("connector and tasks agree", look).await
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_asker_goes_away_is_made_wholly_or_not_at_all() {
    for (name, change) in CHANGES {
        let (_herder, handle) = run(&World::default(), SOURCE, &[]).await;
        let before = seen(&handle).await;
        assert!(change(handle.clone()).await, "{name}");
        let after = seen(&handle).await;
        for polls in 0.. {
            let (_herder, handle) = run(&World::default(), SOURCE, &[]).await;
            seen(&handle).await;
            let answered = {
                let mut asked = pin!(change(handle.clone()));
                let mut answered = false;
                for _ in 0..polls {
                    answered = asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                    if answered {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                answered
            };
            let seen = seen(&handle).await;
            assert!(seen == before || seen == after, "{name} given up after {polls} polls: {seen}");
            if answered {
                assert_eq!(seen, after, "{name}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_patches_at_once_neither_is_lost() {
    let (_herder, handle) = run(&World::default(), SOURCE, &[]).await;
    let (one, two) = (texts(&[("one", "1")]), texts(&[("two", "2")]));
    let (one, two) = tokio::join!(handle.patch_config("c", one), handle.patch_config("c", two));
    one.expect("patched");
    two.expect("patched");
    let config = handle.connector_config("c").expect("there");
    assert_eq!((config["one"].as_deref(), config["two"].as_deref()), (Some("1"), Some("2")));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_restart_does_away_with_has_no_status_any_more() {
    let world = World::default();
    let (_herder, handle) = run(&world, SOURCE, &[("tasks.max", "3")]).await;
    world.state().panics.insert("connector");
    let fewer = config(SOURCE, &[("tasks.max", "1")]);
    handle.put_config("c", fewer, TargetState::Started, true).await.expect_err("does not start");
    world.state().panics.clear();
    let request = RestartRequest { include_tasks: true, only_failed: false };
    handle.restart("c", request).await.expect("restarted");
    let numbers: Vec<u32> = handle.status("c").expect("known").tasks.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0]);
}
