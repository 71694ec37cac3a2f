//! How busy tasks keep their worker: what it takes of a processor to run them, plugins and host together.
//!
//! Measured is the time in which a task keeps a thread busy, which is all but its waiting. The clients' connections are
//! not part of it.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use millstream_connector::TaskId;

/// Time between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);

/// How much the last look counts beside all before.
const NEWEST: f64 = 0.4;

/// Loads below this, in thousandths of a core, are nothing.
const LEAST: f64 = 10.0;

/// A change of a worker's load that the group is to hear of, in thousandths of a core, and as a part of what it was.
const SHIFT: u32 = 200;
const SHIFT_PART: u32 = 2;

/// The time that each task of a worker has kept a thread busy. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct BusyTimes(Arc<Mutex<BTreeMap<TaskId, Weak<AtomicU64>>>>);

impl BusyTimes {
    /// Measures a task that begins. It is known as long as the future is there.
    pub(crate) fn measured<F: Future>(&self, id: &TaskId, task: F) -> Measured<F> {
        let nanos = Arc::new(AtomicU64::new(0));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, nanos| 0 < nanos.strong_count());
        known.insert(id.clone(), Arc::downgrade(&nanos));
        Measured { task: Box::pin(task), nanos }
    }

    /// So far, of those that run.
    pub(crate) fn so_far(&self) -> BTreeMap<TaskId, Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = |nanos: &Weak<AtomicU64>| Some(Duration::from_nanos(nanos.upgrade()?.load(Ordering::Relaxed)));
        known.iter().filter_map(|(id, of)| Some((id.clone(), nanos(of)?))).collect()
    }
}

/// A task whose time is measured.
pub(crate) struct Measured<F> {
    task: Pin<Box<F>>,
    nanos: Arc<AtomicU64>,
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = Instant::now();
        let polled = self.task.as_mut().poll(context);
        let spent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(spent, Ordering::Relaxed);
        polled
    }
}

/// What is known of the loads of a worker's tasks. A plain value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    /// What had been spent at the last look, and when that was.
    before: BTreeMap<TaskId, Duration>,
    at: Duration,
    /// Smoothed, in thousandths of a core.
    known: BTreeMap<TaskId, f64>,
    /// What the group was told of all together.
    told: u32,
}

impl Loads {
    /// Looks again: `now` counts from whenever.
    pub(crate) fn look(&mut self, now: Duration, so_far: BTreeMap<TaskId, Duration>) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.known.retain(|id, _| so_far.contains_key(id));
        for (id, spent) in &so_far {
            // Of one that has just begun nothing can be said, nor of one that has begun anew.
            let Some(new) = self.before.get(id).and_then(|before| spent.checked_sub(*before)) else {
                self.known.remove(id);
                continue;
            };
            let load = 1000.0 * new.as_secs_f64() / passed.max(f64::EPSILON);
            let known = self.known.entry(id.clone()).or_insert(load);
            *known += NEWEST * (load - *known);
        }
        (self.before, self.at) = (so_far, now);
    }

    /// In steps of about forty per cent, so that what hardly changes does not change.
    pub(crate) fn in_steps(&self) -> BTreeMap<TaskId, u32> {
        self.known.iter().map(|(id, load)| (id.clone(), step(*load))).collect()
    }

    /// Whether the worker's load is another one than the group knows of.
    pub(crate) fn has_shifted(&self) -> bool {
        self.told.abs_diff(self.sum()) > SHIFT.max(self.told / SHIFT_PART)
    }

    fn sum(&self) -> u32 {
        self.in_steps().values().fold(0, |sum, load| sum.saturating_add(*load))
    }

    /// For the group.
    pub(crate) fn tell(&mut self) -> Vec<(String, Vec<(i32, u32)>)> {
        self.told = self.sum();
        let mut told: Vec<(String, Vec<(i32, u32)>)> = Vec::new();
        for (TaskId { connector, number }, load) in self.in_steps() {
            let task = (i32::try_from(number).unwrap_or(i32::MAX), load);
            match told.last_mut() {
                Some((name, tasks)) if *name == connector => tasks.push(task),
                _ => told.push((connector, vec![task])),
            }
        }
        told
    }
}

fn step(load: f64) -> u32 {
    if load < LEAST { 0 } else { ((2.0 * load.log2()).round() / 2.0).exp2().round() as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: u32) -> TaskId {
        TaskId { connector: "c".to_owned(), number }
    }

    fn spent(of: &[(u32, u64)]) -> BTreeMap<TaskId, Duration> {
        of.iter().map(|(number, ms)| (task(*number), Duration::from_millis(*ms))).collect()
    }

    #[test]
    fn a_load_is_what_a_task_took_of_a_core_since_the_last_look() {
        let mut loads = Loads::default();
        let at = Duration::from_secs;
        loads.look(at(30), spent(&[(0, 15_000), (1, 0)]));
        assert_eq!(loads.in_steps(), BTreeMap::new(), "one look tells nothing");
        loads.look(at(60), spent(&[(0, 30_000), (1, 30), (2, 1)]));
        assert_eq!(loads.in_steps(), [(task(0), 512), (task(1), 0)].into(), "in steps, and next to nothing is nothing");
        // Something short changes little, something that stays changes all.
        loads.look(at(90), spent(&[(0, 30_000), (1, 60), (2, 2)]));
        assert_eq!(loads.in_steps()[&task(0)], 256);
        for look in 4..12 {
            loads.look(at(30 * look), spent(&[(0, 30_000), (1, 60)]));
        }
        assert_eq!(loads.in_steps(), [(task(0), 0), (task(1), 0)].into());
        // One that was started anew has spent less than before.
        loads.look(at(390), spent(&[(0, 5)]));
        assert_eq!(loads.in_steps(), BTreeMap::new());
    }

    #[test]
    fn the_group_hears_of_what_has_shifted_and_not_of_what_wavers() {
        let mut loads = Loads::default();
        let mut now = 0;
        let mut total = 0;
        let mut run = |loads: &mut Loads, ms: u64, looks: u64| {
            for _ in 0..looks {
                now += 30;
                total += ms * 30;
                loads.look(Duration::from_secs(now), spent(&[(0, total)]));
            }
        };
        run(&mut loads, 100, 4);
        assert!(!loads.has_shifted(), "a tenth of a core");
        run(&mut loads, 800, 10);
        assert!(loads.has_shifted());
        assert_eq!(loads.tell(), [("c".to_owned(), vec![(0, 724)])]);
        assert!(!loads.has_shifted());
        for ms in [700, 900, 650, 1000] {
            run(&mut loads, ms, 2);
            assert!(!loads.has_shifted(), "{ms}");
        }
        run(&mut loads, 50, 10);
        assert!(loads.has_shifted());
    }

    #[tokio::test]
    async fn a_task_is_known_while_it_is_there_and_its_waiting_does_not_count() {
        let times = BusyTimes::default();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let measured = times.measured(&task(0), async move {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(5) {}
            gone.await
        });
        let running = tokio::spawn(measured);
        while times.so_far().get(&task(0)).is_none_or(|spent| *spent < Duration::from_millis(5)) {
            tokio::task::yield_now().await;
        }
        go.send(()).expect("it waits");
        running.await.expect("it ends").expect("told");
        assert_eq!(times.so_far(), BTreeMap::new());
    }
}
