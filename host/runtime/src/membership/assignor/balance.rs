//! Evenness: where one member has two items more than another, one of them moves; nothing else does.

use std::collections::BTreeMap;

/// What has to be taken from whom so that `total` items can be spread evenly. `held` is what everybody has, by id; of what
/// is taken the oldest goes first.
pub(super) fn surplus<T: Clone>(total: usize, held: &[(&str, &[T])]) -> BTreeMap<String, Vec<T>> {
    let (least, extra) = match held.len() {
        0 => return BTreeMap::new(),
        members => (total / members, total % members),
    };
    let with = |count: usize| held.iter().filter(|(_, items)| items.len() == count).count();
    if with(least + 1) == extra && with(least) + extra == held.len() {
        return BTreeMap::new();
    }
    let mut taken = BTreeMap::new();
    let rich = held.iter().filter(|(_, items)| least < items.len());
    for (place, (id, items)) in rich.enumerate() {
        let keeps = if place < extra { least + 1 } else { least };
        if keeps < items.len() {
            taken.insert((*id).to_owned(), items[..items.len() - keeps].to_vec());
        }
    }
    taken
}

/// Gives items out, one after another, each to who has the fewest. Of equals the first is the first to get one.
pub(super) fn deal<T>(mut members: Vec<&mut Vec<T>>, items: impl IntoIterator<Item = T>) {
    members.sort_by_key(|held| held.len());
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let Some(least) = members.first().map(|held| held.len()) else { return };
        let equals = members.iter().position(|held| least < held.len()).unwrap_or(members.len());
        for (held, item) in members[..equals].iter_mut().zip(items.by_ref()) {
            held.push(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(total: usize, held: &[&[u32]]) -> Vec<Vec<u32>> {
        let ids = ["a", "b", "c"];
        let held: Vec<(&str, &[u32])> = ids.into_iter().zip(held.iter().copied()).collect();
        let taken = surplus(total, &held);
        held.iter().map(|(id, _)| taken.get(*id).cloned().unwrap_or_default()).collect()
    }

    #[test]
    fn what_is_over_is_taken_and_what_is_even_stays() {
        assert_eq!(taken(4, &[&[1, 2, 3, 4], &[]]), [vec![1, 2], vec![]]);
        assert_eq!(taken(5, &[&[1, 2], &[3, 4, 5]]), [vec![], vec![]] as [Vec<u32>; 2]);
        assert_eq!(taken(4, &[&[1, 2], &[3, 4], &[]]), [vec![], vec![3], vec![]]);
        // Not all of it is held by anybody yet.
        assert_eq!(taken(6, &[&[1], &[2], &[]]), [vec![], vec![], vec![]] as [Vec<u32>; 3]);
    }

    #[test]
    fn who_has_the_fewest_gets_the_next() {
        let (mut a, mut b, mut c) = (vec![1, 2], vec![], vec![3]);
        deal(vec![&mut a, &mut b, &mut c], 10..15);
        assert_eq!([a, b, c], [vec![1, 2], vec![10, 11, 13], vec![3, 12, 14]]);
    }
}
