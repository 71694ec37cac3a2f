//! Who does what: the leader's decision. A plain function of the members and of what there is to do.
//!
//! Until work can be divided, the leader does all of it: a group has one worker that works, and others wait. What others
//! hold is taken from them first, so that nothing runs twice, and given to the leader in the round that follows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Member, Work};

/// What one member is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Part {
    /// New work.
    pub assigned: Work,
    /// Work to be given up.
    pub revoked: Work,
}

/// Divides what there is to do. The result has a part for every member, by id.
pub fn assign(members: &[Member], leader: &str, wanted: &Work) -> BTreeMap<String, Part> {
    let held_by_others: BTreeSet<(&str, i32)> =
        members.iter().filter(|member| member.id != leader).flat_map(|member| items(&member.holds)).collect();
    let wanted: BTreeSet<(&str, i32)> = items(wanted).collect();
    let part = |member: &Member| {
        let held: BTreeSet<(&str, i32)> = items(&member.holds).collect();
        if member.id != leader {
            return Part { assigned: Work::new(), revoked: work(held) };
        }
        let new = wanted.iter().filter(|item| !held.contains(item) && !held_by_others.contains(item)).copied();
        let gone = held.iter().filter(|item| !wanted.contains(item)).copied();
        Part { assigned: work(new), revoked: work(gone) }
    };
    members.iter().map(|member| (member.id.clone(), part(member))).collect()
}

fn items(work: &Work) -> impl Iterator<Item = (&str, i32)> {
    work.iter().flat_map(|(name, numbers)| numbers.iter().map(|&number| (name.as_str(), number)))
}

fn work<'a>(items: impl IntoIterator<Item = (&'a str, i32)>) -> Work {
    let mut work = Work::new();
    for (name, number) in items {
        work.entry(name.to_owned()).or_default().push(number);
    }
    work
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::CONNECTOR;

    fn member(id: &str, holds: &[(&str, &[i32])]) -> Member {
        Member { id: id.to_owned(), url: String::new(), offset: 0, holds: of(holds) }
    }

    fn of(items: &[(&str, &[i32])]) -> Work {
        items.iter().map(|(name, numbers)| ((*name).to_owned(), numbers.to_vec())).collect()
    }

    #[test]
    fn a_leader_alone_gets_what_is_new_and_loses_what_is_gone() {
        let wanted = of(&[("a", &[CONNECTOR, 0, 1]), ("b", &[CONNECTOR])]);
        let parts = assign(&[member("m", &[("a", &[CONNECTOR, 0]), ("c", &[CONNECTOR, 0])])], "m", &wanted);
        let part = Part { assigned: of(&[("a", &[1]), ("b", &[CONNECTOR])]), revoked: of(&[("c", &[CONNECTOR, 0])]) };
        assert_eq!(parts, BTreeMap::from([("m".to_owned(), part)]));
    }

    #[test]
    fn what_others_hold_is_taken_from_them_before_the_leader_gets_it() {
        let wanted = of(&[("a", &[CONNECTOR, 0])]);
        let parts = assign(&[member("m", &[]), member("n", &[("a", &[0])])], "m", &wanted);
        assert_eq!(parts["m"], Part { assigned: of(&[("a", &[CONNECTOR])]), revoked: Work::new() });
        assert_eq!(parts["n"], Part { assigned: Work::new(), revoked: of(&[("a", &[0])]) });
        let parts = assign(&[member("m", &[("a", &[CONNECTOR])]), member("n", &[])], "m", &wanted);
        assert_eq!(parts["m"].assigned, of(&[("a", &[0])]));
        assert_eq!(parts["n"], Part::default());
    }
}
