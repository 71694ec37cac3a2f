//! Chains: what transforms may make of a batch, and how several components work on one.

use millstream_connector::{Condition, Link, LinkedTransforms, PluginError, Plugins};
use millstream_plugin::WasmPlugins;
use millstream_record::batch::Batch;

use crate::support::{config, lines, plugins, task, texts};

fn odd(behaviour: &str) -> Link {
    Link { class: "OddTransform".into(), config: config(&[("behaviour", behaviour)]), condition: None }
}

fn suffix(text: &str) -> Link {
    Link { class: "org.millstream.odd.Suffix".into(), config: config(&[("suffix", text)]), condition: None }
}

fn when(mut link: Link, behaviour: &str, negate: bool) -> Link {
    let config = config(&[("behaviour", behaviour)]);
    link.condition = Some(Condition { class: "OddPredicate".into(), config, negate });
    link
}

async fn chain(plugins: &WasmPlugins, links: &[Link]) -> Box<dyn LinkedTransforms> {
    match plugins.chain(&task(), links).await {
        Ok(chain) => chain,
        Err((link, error)) => panic!("link {link}: {error}"),
    }
}

async fn reason(plugins: &WasmPlugins, links: &[Link], batch: &Batch) -> String {
    match chain(plugins, links).await.apply(batch).await {
        Err(PluginError::Broken { reason, .. }) => reason,
        other => panic!("{links:?} should break the instance, but: {other:?}"),
    }
}

#[tokio::test]
async fn links_of_one_component_run_in_order_with_their_conditions() {
    let plugins = plugins().await;
    let links = [suffix("-1"), when(suffix("-even"), "even", false), when(suffix("-odd"), "even", true)];
    let outcome = chain(&plugins, &links).await.apply(&lines(&["a", "b", "c"])).await.unwrap();
    assert_eq!(texts(&outcome.batch), ["a-1-even", "b-1-odd", "c-1-even"]);
    assert!(outcome.errors.is_empty());
}

#[tokio::test]
async fn rows_are_filtered_and_fail_without_disturbing_others() {
    let plugins = plugins().await;
    let links = [odd("filter odd"), odd("fail third"), suffix("!")];
    let outcome = chain(&plugins, &links).await.apply(&lines(&["a", "b", "c", "d", "e"])).await.unwrap();
    assert_eq!(texts(&outcome.batch), ["a!", "e!"]);
    let error = &outcome.errors[0];
    assert_eq!((error.row, error.link, error.failure.message.as_str()), (2, 1, "third row"));

    let unchanged = chain(&plugins, &[odd("fail unchanged")]).await.apply(&lines(&["a", "b"])).await.unwrap();
    assert_eq!(texts(&unchanged.batch), ["b"]);
    assert_eq!(unchanged.errors[0].row, 0);
}

#[tokio::test]
async fn one_row_may_become_several() {
    let plugins = plugins().await;
    let outcome = chain(&plugins, &[odd("double")]).await.apply(&lines(&["a", "b"])).await.unwrap();
    assert_eq!(texts(&outcome.batch), ["a", "a", "b", "b"]);
}

#[tokio::test]
async fn an_untouched_batch_is_handed_on_as_it_is() {
    let plugins = plugins().await;
    let batch = lines(&["a", "b"]);
    let outcome = chain(&plugins, &[when(odd("keep"), "even", false)]).await.apply(&batch).await.unwrap();
    assert_eq!(texts(&outcome.batch), ["a", "b"]);
}

#[tokio::test]
async fn no_row_may_vanish_appear_or_end_twice() {
    let plugins = plugins().await;
    let batch = lines(&["a", "b", "c"]);
    let mut gone = batch.open();
    gone.deselect([1]);
    let gone = gone.into_batch();
    let expected = [
        ("forge", &batch, "says that it came from row 77"),
        ("vanish", &batch, "row 0 has no outcome"),
        ("both", &batch, "row 0 has both an error and a result"),
        ("beyond", &batch, "an error names row 3 of a batch of 3"),
        ("other link", &batch, "an error names link 9 of a chain of 1"),
        ("revive", &gone, "row 1 of the result was not under way before"),
        ("overlap", &batch, "handed over a damaged batch"),
        ("huge", &batch, "handed over too large a batch"),
        ("panic", &batch, "odd on purpose"),
        ("loop", &batch, "ran longer than 300 ms"),
        ("memory", &batch, "used more than 32 MiB"),
    ];
    for (behaviour, batch, part) in expected {
        let reason = reason(&plugins, &[odd(behaviour)], batch).await;
        assert!(reason.contains(part), "{behaviour}: {reason}");
    }
}

#[tokio::test]
async fn a_chain_lives_on_in_a_new_instance_after_a_fault() {
    let plugins = plugins().await;
    let mut chain = chain(&plugins, &[odd("panic")]).await;
    for _ in 0..3 {
        let error = chain.apply(&lines(&["a"])).await.unwrap_err();
        assert!(error.to_string().contains("odd on purpose"), "{error}");
    }
}

#[tokio::test]
async fn a_refused_link_is_named_by_its_number() {
    let plugins = plugins().await;
    let links = [suffix("!"), odd("refuse")];
    match plugins.chain(&task(), &links).await {
        Err((1, PluginError::Reported(failure))) => assert_eq!(failure.message, "refused on purpose"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it should be refused"),
    }
    let unknown = Link { class: "Unknown".into(), ..suffix("!") };
    assert!(matches!(plugins.chain(&task(), &[suffix("!"), unknown]).await, Err((1, PluginError::Reported(_)))));
}

#[tokio::test]
async fn what_a_whole_call_reports_is_no_fault() {
    let plugins = plugins().await;
    let mut chain = chain(&plugins, &[odd("report")]).await;
    assert!(matches!(chain.apply(&lines(&["a"])).await, Err(PluginError::Reported(_))));
}
