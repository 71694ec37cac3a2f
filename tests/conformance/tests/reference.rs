//! The reference pages of transforms, predicates and converters are those of their definitions, and their examples end
//! as the pages say.

use std::path::Path;

use conformance::Runner;

/// The committed pages are rewritten instead when `MILLSTREAM_WRITE_PAGES` is set.
#[tokio::test]
async fn the_committed_pages_are_those_of_the_program() {
    let runner = Runner::start().await.expect("the bundled components can be loaded");
    let pages =
        runner.reference_pages().await.unwrap_or_else(|error| panic!("{}", millstream_record::ErrorChain(&error)));
    for (file, page) in pages {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
            std::fs::write(&path, &page).expect("the page can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "{file} is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
    }
}
