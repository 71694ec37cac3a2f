//! What is kept of many, of whom clients choose the names: a bounded number, from which those that are as if they were
//! new go when there are too many.

use std::{collections::HashMap, hash::Hash};

/// Most that are kept; what comes on top shares one.
pub const MOST: usize = 10_000;

/// Values by their keys.
#[derive(Debug)]
pub struct Few<K, V> {
    kept: HashMap<K, V>,
    /// When all of them were last looked at.
    swept_ms: Option<u64>,
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self { kept: HashMap::new(), swept_ms: None }
    }
}

impl<K: Eq + Hash, V> Few<K, V> {
    /// The value of a key, made if it is not there; that of `shared` where there are too many. All are looked at for those
    /// that are done with once in `pause_ms` at most, for anybody may come with one name after another.
    pub fn of(
        &mut self,
        key: K,
        shared: K,
        (now_ms, pause_ms): (u64, u64),
        mut is_done: impl FnMut(&mut V) -> bool,
        make: impl FnOnce() -> V,
    ) -> &mut V {
        let is_new = !self.kept.contains_key(&key);
        if is_new && MOST <= self.kept.len() && self.swept_ms.is_none_or(|at| pause_ms <= now_ms.saturating_sub(at)) {
            self.swept_ms = Some(now_ms);
            self.kept.retain(|_, value| !is_done(value));
        }
        let key = if is_new && MOST <= self.kept.len() { shared } else { key };
        self.kept.entry(key).or_insert_with(make)
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_all_share_one_and_are_looked_at_now_and_then_only() {
        let mut few = Few::<usize, u64>::default();
        let mut looks = 0;
        for key in 1..=2 * MOST {
            let mut is_done = |_: &mut u64| {
                looks += 1;
                false
            };
            *few.of(key, 0, (5, 100), &mut is_done, || 0) += 1;
        }
        assert_eq!((few.len(), looks), (MOST + 1, MOST), "once");
        assert_eq!(few.kept[&0], MOST as u64);
        few.of(3 * MOST, 0, (104, 100), |_| true, || 0);
        assert_eq!(few.len(), MOST + 1);
        few.of(3 * MOST, 0, (105, 100), |_| true, || 0);
        assert_eq!(few.len(), 1, "those that are done with are gone");
    }
}
