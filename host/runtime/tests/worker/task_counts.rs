//! How many tasks a connector has, and when it is asked anew.

use millstream_runtime::herder::{HerderHandle, TargetState};
use simulation::scripted::{SOURCE, World, config, eventually, run};

async fn runs(handle: &HerderHandle, tasks: usize) {
    eventually(&format!("{tasks} tasks run"), || {
        let status = handle.status("c").ok()?;
        let running = status.tasks.iter().filter(|(_, task)| task.state.name() == "RUNNING").count();
        (status.tasks.len() == tasks && running == tasks).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_makes_more_tasks_than_it_may_fails_unless_that_is_permitted() {
    let world = World::default();
    world.state().more_tasks = 1;
    let herder = world.start();
    let handle = herder.handle();
    let settings = [("tasks.max", "2")];
    let refused = handle.put_config("c", config(SOURCE, &settings), TargetState::Started, false).await;
    refused.expect_err("too many");
    let words = "TooManyTasksException: The connector c has generated 3 tasks, which is greater than 2, the maximum number of tasks it is configured to create.";
    eventually("the connector has failed", || {
        let connector = handle.status("c").ok()?.connector;
        (connector.state.name() == "FAILED" && connector.trace?.contains(words)).then_some(())
    })
    .await;
    assert_eq!(handle.tasks("c").expect("known").len(), 0);

    let permitted = config(SOURCE, &[settings[0], ("tasks.max.enforce", "false")]);
    handle.put_config("c", permitted, TargetState::Started, true).await.expect("permitted");
    runs(&handle, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_connector_is_asked_for_its_tasks_again_when_it_wants_that() {
    let world = World::default();
    let (_herder, handle) = run(&world, SOURCE, &[("tasks.max", "1"), ("tasks.max.enforce", "false")]).await;
    runs(&handle, 1).await;
    world.state().more_tasks = 2;
    let context = world.state().connector.clone().expect("it was made");
    context.request_task_reconfiguration();
    runs(&handle, 3).await;
    // Fewer, too: the others are stopped and forgotten.
    world.state().more_tasks = 0;
    context.request_task_reconfiguration();
    runs(&handle, 1).await;
    assert_eq!(handle.tasks("c").expect("known").len(), 1);
}
