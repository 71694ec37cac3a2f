//! What calls cost. Not a test of speed: run it by hand, on a quiet machine, and read it.

use millstream_connector::{Link, Plugins};

use crate::support::{LIMITS, config, limits, lines, plugins_with, source, task};
use millstream_plugin::PluginLimits;
use std::time::Duration;

/// Time that this thread has had a processor: the one runtime thread of the test.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
#[ignore = "prints figures and checks nothing"]
async fn costs_of_calls_and_instances() {
    let plugins = plugins_with(PluginLimits { call_timeout: Duration::from_secs(30), ..limits() }).await;
    let mut nothing = source(&plugins, &[("behaviour", "nothing")]).await;
    let measure = |name: &str, count: u32, begin: Duration| println!("{name}: {:?} each", (busy() - begin) / count);
    for _ in 0..2 {
        let begin = busy();
        for _ in 0..100_000 {
            nothing.poll(LIMITS).await.unwrap();
        }
        measure("poll that returns nothing", 100_000, begin);
    }
    let begin = busy();
    for _ in 0..200 {
        source(&plugins, &[("behaviour", "nothing")]).await;
    }
    measure("instance, create, start, drop", 200, begin);

    let link = Link { class: "OddTransform".into(), config: config(&[("behaviour", "keep")]), condition: None };
    let mut chain = plugins.chain(&task(), &[link]).await.ok().unwrap();
    let text = "x".repeat(200);
    for rows in [1, 100, 1000] {
        let batch = lines(&vec![text.as_str(); rows]);
        let count = 100_000 / rows as u32 + 100;
        let begin = busy();
        for _ in 0..count {
            chain.apply(&batch).await.unwrap();
        }
        measure(&format!("chain that opens and rewrites {rows} rows of 200 bytes"), count, begin);
    }
    for line in std::fs::read_to_string("/proc/self/status").unwrap_or_default().lines() {
        if line.starts_with("VmRSS") || line.starts_with("RssAnon") || line.starts_with("VmPeak") {
            println!("{line}");
        }
    }
}
