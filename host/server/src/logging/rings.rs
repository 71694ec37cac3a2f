//! The last lines about each connector, as many as there is room for.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use millstream_rest::{LogLines, LogQuery};
use serde_json::{Map, Value};
use tracing::Level;

/// What a line takes beside its text, about, in bytes.
const OVERHEAD: usize = 96;

/// How much is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RingLimits {
    /// Of a connector, in bytes; 0 keeps nothing.
    pub each: usize,
    /// Of all connectors, in bytes.
    pub total: usize,
}

/// See the module's documentation. A plain value.
#[derive(Debug)]
pub(super) struct Rings {
    limits: RingLimits,
    rings: HashMap<Arc<str>, Ring>,
    bytes: usize,
    /// Number of the next line, of whatever connector.
    next: u64,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    time_ms: i64,
    level: Level,
    task: Option<u64>,
    /// An object.
    json: Box<str>,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.json.len() + OVERHEAD
    }
}

impl Ring {
    fn drop_oldest(&mut self) -> usize {
        let freed = self.lines.pop_front().map_or(0, |line| line.bytes());
        self.bytes -= freed;
        freed
    }
}

impl Rings {
    pub(super) fn new(limits: RingLimits) -> Self {
        Self { limits, rings: HashMap::new(), bytes: 0, next: 1 }
    }

    /// Sets other limits; what is too much by them is forgotten.
    pub(super) fn set_limits(&mut self, limits: RingLimits) {
        self.limits = limits;
        let names: Vec<Arc<str>> = self.rings.keys().cloned().collect();
        names.iter().for_each(|name| self.make_room(name));
    }

    /// Whether lines are kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.limits.each != 0 && self.limits.total != 0
    }

    /// Keeps a line about a connector; older ones make room for it.
    pub(super) fn keep(&mut self, connector: &Arc<str>, time_ms: i64, level: Level, task: Option<u64>, json: String) {
        let line = Kept { number: self.next, time_ms, level, task, json: json.into() };
        self.next += 1;
        let bytes = line.bytes();
        let ring = self.rings.entry(Arc::clone(connector)).or_default();
        ring.lines.push_back(line);
        ring.bytes += bytes;
        self.bytes += bytes;
        self.make_room(connector);
    }

    /// Has a connector's own limit kept, and that of all at the cost of those that have most.
    fn make_room(&mut self, connector: &Arc<str>) {
        if let Some(ring) = self.rings.get_mut(connector) {
            while self.limits.each < ring.bytes {
                self.bytes -= ring.drop_oldest();
            }
        }
        while self.limits.total < self.bytes {
            let Some((name, largest)) = self.rings.iter_mut().max_by_key(|(_, ring)| ring.bytes) else { break };
            // Several at once, so that not each line looks for the largest.
            let enough = largest.bytes / 8;
            let mut freed = 0;
            while freed <= enough && !largest.lines.is_empty() {
                freed += largest.drop_oldest();
            }
            self.bytes -= freed;
            let name = Arc::clone(name);
            self.drop_if_empty(&name);
        }
        self.drop_if_empty(connector);
    }

    fn drop_if_empty(&mut self, connector: &str) {
        if self.rings.get(connector).is_some_and(|ring| ring.lines.is_empty()) {
            self.rings.remove(connector);
        }
    }

    /// Forgets all lines about a connector.
    pub(super) fn forget(&mut self, connector: &str) {
        self.bytes -= self.rings.remove(connector).map_or(0, |ring| ring.bytes);
    }

    /// The newest of the lines that are asked for, in order.
    pub(super) fn read(&self, connector: &str, query: &LogQuery) -> LogLines {
        let lines = self.rings.get(connector).map(|ring| &ring.lines);
        let wanted = lines.into_iter().flatten().rev().take_while(|line| query.after < line.number).filter(|line| {
            line.level <= query.level
                && query.task.is_none_or(|task| line.task == Some(task.into()))
                && query.since_ms.is_none_or(|since| since <= line.time_ms)
        });
        let mut lines: Vec<Value> = wanted.take(query.limit).filter_map(Kept::value).collect();
        lines.reverse();
        LogLines { lines, next: self.next - 1 }
    }
}

impl Kept {
    /// The line with its number.
    fn value(&self) -> Option<Value> {
        let mut line: Map<String, Value> = serde_json::from_str(&self.json).ok()?;
        line.insert("number".to_owned(), self.number.into());
        Some(line.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: LogQuery = LogQuery { task: None, level: Level::TRACE, since_ms: None, after: 0, limit: 1000 };

    fn rings(each: usize, total: usize) -> Rings {
        Rings::new(RingLimits { each, total })
    }

    fn keep(rings: &mut Rings, connector: &str, time_ms: i64, level: Level, task: Option<u64>) {
        rings.keep(&connector.into(), time_ms, level, task, format!("{{\"at\":{time_ms}}}"));
    }

    fn times(read: &LogLines) -> Vec<i64> {
        read.lines.iter().filter_map(|line| line["at"].as_i64()).collect()
    }

    #[test]
    fn lines_are_found_by_task_level_time_and_what_was_read_before() {
        let mut rings = rings(10_000, 10_000);
        keep(&mut rings, "c", 1, Level::INFO, None);
        keep(&mut rings, "d", 2, Level::INFO, None);
        keep(&mut rings, "c", 3, Level::WARN, Some(0));
        keep(&mut rings, "c", 4, Level::DEBUG, Some(1));
        keep(&mut rings, "c", 5, Level::ERROR, Some(1));
        let all = rings.read("c", &ALL);
        assert_eq!((times(&all), all.next), (vec![1, 3, 4, 5], 5));
        assert_eq!(all.lines[1]["number"], 3);
        for (query, expected) in [
            (LogQuery { task: Some(1), ..ALL }, vec![4, 5]),
            (LogQuery { level: Level::WARN, ..ALL }, vec![3, 5]),
            (LogQuery { since_ms: Some(4), ..ALL }, vec![4, 5]),
            (LogQuery { after: 3, ..ALL }, vec![4, 5]),
            (LogQuery { limit: 2, ..ALL }, vec![4, 5]),
            (LogQuery { after: 5, ..ALL }, vec![]),
        ] {
            assert_eq!(times(&rings.read("c", &query)), expected, "{query:?}");
        }
        assert_eq!(times(&rings.read("nobody", &ALL)), Vec::<i64>::new());
    }

    #[test]
    fn neither_a_connector_nor_all_together_take_more_than_they_may() {
        let line = OVERHEAD + 10;
        let mut rings = rings(line * 20, line * 50);
        for time in 0..1000 {
            keep(&mut rings, "loud", time, Level::INFO, None);
        }
        keep(&mut rings, "quiet", 1, Level::INFO, None);
        let loud = times(&rings.read("loud", &ALL));
        assert!((19..=22).contains(&loud.len()) && loud.ends_with(&[998, 999]), "{loud:?}");
        for connector in 0..100 {
            for time in 0..10 {
                keep(&mut rings, &format!("c{connector}"), time, Level::INFO, None);
                assert!(rings.bytes <= line * 50);
            }
        }
        let counted = |rings: &Rings| rings.rings.values().map(|ring| ring.bytes).sum::<usize>();
        assert_eq!(rings.bytes, counted(&rings));
        let before = (rings.bytes, rings.rings.len());
        let one = rings.rings.keys().next().cloned().unwrap();
        assert!(!rings.read(&one, &ALL).lines.is_empty());
        rings.forget(&one);
        assert!(rings.read(&one, &ALL).lines.is_empty() && rings.rings.len() == before.1 - 1);
        assert!(rings.bytes < before.0 && rings.bytes == counted(&rings));
        rings.forget("nobody");
        assert_eq!(rings.rings.len(), before.1 - 1);
        rings.set_limits(RingLimits { each: 0, total: 0 });
        assert_eq!((rings.bytes, rings.rings.len(), rings.keeps()), (0, 0, false));
    }
}
