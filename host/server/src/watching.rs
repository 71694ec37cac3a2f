//! The metrics' windows, and the page that shows them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use millstream_config::{WorkerConfig, worker_key as key};
use millstream_metrics::{
    Metrics, Progress, ShownGroup, Watch, WindowSettings,
    prometheus::{Format, limited, page},
};
use millstream_rest::{MetricsPage, TaskProgress};
use tokio::{task::JoinHandle, time::MissedTickBehavior};

/// Looks at the metrics for as long as it exists.
pub struct Watching {
    watch: Arc<Mutex<Watch>>,
    metrics: Metrics,
    max_series: usize,
    looking: JoinHandle<()>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// Nothing panics while it is held; were it so, windows would be all that is wrong.
fn held(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far the tasks of a connector have come, as their plugins say.
pub fn progress(metrics: Metrics) -> impl Fn(&str) -> Vec<TaskProgress> + Send + Sync {
    move |connector: &str| {
        let mut found = Vec::new();
        for (labels, custom) in metrics.read_custom() {
            let label =
                |name: &str| labels.pairs().iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
            let task = label("task").and_then(|task| task.parse().ok());
            let (Some(task), true) = (task, label("connector") == Some(connector)) else { continue };
            let plugin = label("plugin").unwrap_or_default();
            found.extend(custom.progress().into_iter().map(|(what, Progress { done, total, unit })| TaskProgress {
                task,
                plugin: plugin.to_owned(),
                what,
                done,
                total,
                unit,
            }));
        }
        found.sort_by(|a, b| (a.task, &a.what).cmp(&(b.task, &b.what)));
        found
    }
}

impl Watching {
    /// Begins to look. Must be called within a tokio runtime.
    pub fn start(metrics: &Metrics, config: &WorkerConfig) -> Self {
        let config = config.config();
        let settings = WindowSettings {
            samples: usize::try_from(key::METRICS_NUM_SAMPLES.get(config)).unwrap_or(1),
            length: key::METRICS_SAMPLE_WINDOW.get(config),
        };
        let watch = Watch::new(metrics.clone(), settings);
        let mut interval = tokio::time::interval(watch.interval());
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Arc::new(Mutex::new(watch));
        let looked_at = Arc::clone(&watch);
        let looking = tokio::spawn(async move {
            loop {
                interval.tick().await;
                held(&looked_at).look(Instant::now());
            }
        });
        let max_series = usize::try_from(key::METRICS_SERIES_MAX.get(config)).unwrap_or(0);
        Self { watch, metrics: metrics.clone(), max_series, looking }
    }

    /// Everything as it is now, within the limit of series.
    pub fn show(&self) -> impl Fn() -> Vec<ShownGroup> + Send + Sync + use<> {
        let (watch, max_series) = (Arc::clone(&self.watch), self.max_series);
        move || {
            let shown = held(&watch).show(Instant::now());
            limited(shown, &mut Vec::new(), max_series)
        }
    }

    /// The page of `/metrics`.
    pub fn page(&self) -> MetricsPage {
        let (watch, metrics, max_series) = (Arc::clone(&self.watch), self.metrics.clone(), self.max_series);
        Arc::new(move |accepted: &[&str]| {
            let format = Format::accepted(accepted.iter().copied());
            let shown = held(&watch).show(Instant::now());
            let mut plugins = metrics.read_custom();
            let shown = limited(shown, &mut plugins, max_series);
            (format.media_type(), page(&shown, &plugins, format))
        })
    }
}
