//! All cases beside this crate hold, but for the files on the list of what does not yet.

use std::path::Path;

use conformance::{NotYet, Runner, report};

#[tokio::test]
async fn a_record_ends_the_same_alone_and_in_a_batch_with_others() {
    let runner = Runner::start().await.expect("the bundled components can be loaded");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let differences = runner.alone_and_together(&folder).await.expect("the cases can be read");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[tokio::test]
async fn every_case_holds_unless_its_file_is_on_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let not_yet = NotYet::read(&folder.join("not_yet.txt")).expect("the list can be read");
    let runner = Runner::start().await.expect("the bundled components can be loaded");
    let results = runner.run(&folder.join("vectors"), None).await.expect("the cases can be read");
    assert!(3000 < results.iter().map(|result| result.total).sum::<usize>(), "there are fewer cases than there were");
    let problems = report::verdict(&results, &not_yet);
    assert!(problems.is_empty(), "{}", report::text(&results, &not_yet, true));
}
