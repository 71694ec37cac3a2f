//! What every assignor promises, over many small groups.

use super::*;

fn topic(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Members with their subscriptions, as bits of topics, and what they were to have.
fn assign(
    assignor: Assignor,
    members: &[(String, u32)],
    topics: &[i32],
    before: &BTreeMap<String, Partitions>,
) -> BTreeMap<String, Partitions> {
    let spec = Spec {
        members: members
            .iter()
            .map(|(id, bits)| {
                let subscribed = (0..topics.len()).filter(|number| bits >> number & 1 == 1);
                let member = MemberSpec {
                    instance_id: None,
                    topics: subscribed.map(|number| topic(number as u128)).collect(),
                    before: before.get(id),
                };
                (id.as_str(), member)
            })
            .collect(),
        topics: topics.iter().enumerate().map(|(number, count)| (topic(number as u128), *count)).collect(),
    };
    assignor.assign(&spec)
}

fn count(partitions: &Partitions) -> usize {
    partitions.values().map(BTreeSet::len).sum()
}

/// How many partitions are with another member than before, of those whose member is still there.
fn moved(before: &BTreeMap<String, Partitions>, after: &BTreeMap<String, Partitions>) -> usize {
    let of = |all: &BTreeMap<String, Partitions>| -> BTreeMap<(Uuid, i32), String> {
        let each = all.iter().flat_map(|(id, partitions)| {
            partitions
                .iter()
                .flat_map(move |(topic, indexes)| indexes.iter().map(move |index| ((*topic, *index), id.clone())))
        });
        each.collect()
    };
    let (before, after) = (of(before), of(after));
    before.iter().filter(|(partition, id)| after.get(*partition).is_some_and(|now| now != *id)).count()
}

fn check(assignor: Assignor, members: &[(String, u32)], topics: &[i32], after: &BTreeMap<String, Partitions>) {
    assert_eq!(after.len(), members.len());
    for (number, &partitions) in topics.iter().enumerate() {
        let subscribers: Vec<&String> =
            members.iter().filter(|(_, bits)| bits >> number & 1 == 1).map(|(id, _)| id).collect();
        for index in 0..partitions {
            let has = |id: &&String| after[*id].get(&topic(number as u128)).is_some_and(|all| all.contains(&index));
            let owners = members.iter().map(|(id, _)| id).filter(has).collect::<Vec<_>>();
            let expected = usize::from(!subscribers.is_empty());
            assert_eq!(owners.len(), expected, "{assignor:?} {members:?} {topics:?}: {after:?}");
            assert!(owners.iter().all(|owner| subscribers.contains(owner)));
        }
        if assignor == Assignor::Uniform {
            // Nobody could be given a partition of somebody who has two more.
            for holder in subscribers.iter().filter(|id| after[**id].contains_key(&topic(number as u128))) {
                for other in &subscribers {
                    assert!(count(&after[*holder]) < count(&after[*other]) + 2, "{members:?} {topics:?}: {after:?}");
                }
            }
        }
    }
}

#[test]
fn every_partition_is_with_one_subscriber_whatever_the_group() {
    for assignor in Assignor::ALL {
        for members in 1..=4_u32 {
            for subscriptions in 0..4_u32.pow(members) {
                let members: Vec<(String, u32)> =
                    (0..members).map(|number| (format!("m{number}"), subscriptions / 4_u32.pow(number) % 4)).collect();
                for topics in [[0, 1], [1, 1], [2, 3], [5, 4]] {
                    let first = assign(assignor, &members, &topics, &BTreeMap::new());
                    check(assignor, &members, &topics, &first);
                    let again = assign(assignor, &members, &topics, &first);
                    assert_eq!(again, first, "nothing moves without a reason");
                    let grown = [topics[0] + 1, topics[1] + 2];
                    check(assignor, &members, &grown, &assign(assignor, &members, &grown, &first));
                    let fewer = &members[1..];
                    check(assignor, fewer, &topics, &assign(assignor, fewer, &topics, &first));
                }
            }
        }
    }
}

#[test]
fn a_uniform_group_moves_no_more_than_the_share_of_who_came() {
    let member = |number: usize| (format!("m{number}"), 1);
    let mut members: Vec<(String, u32)> = vec![member(0)];
    let mut before = assign(Assignor::Uniform, &members, &[12], &BTreeMap::new());
    for number in 1..6 {
        members.push(member(number));
        let after = assign(Assignor::Uniform, &members, &[12], &before);
        check(Assignor::Uniform, &members, &[12], &after);
        assert_eq!(moved(&before, &after), count(&after[&format!("m{number}")]));
        before = after;
    }
    members.remove(2);
    let after = assign(Assignor::Uniform, &members, &[12], &before);
    assert_eq!(moved(&before, &after), count(&before["m2"]), "and only those of who went");
}

#[test]
fn range_gives_the_same_numbers_of_all_topics_to_the_same_member_and_static_members_keep_their_place() {
    let id = |number| topic(number);
    let both: BTreeSet<Uuid> = [id(0), id(1)].into();
    let member = |instance_id| MemberSpec { instance_id, topics: both.clone(), before: None };
    let spec = Spec {
        members: [("a", member(None)), ("b", member(Some("2"))), ("c", member(Some("1")))].into(),
        topics: [(id(0), 7), (id(1), 3)].into(),
    };
    let assigned = Assignor::Range.assign(&spec);
    let expected = |first: std::ops::Range<i32>, second: i32| -> Partitions {
        [(id(0), first.collect()), (id(1), [second].into())].into()
    };
    assert_eq!(assigned["c"], expected(0..3, 0));
    assert_eq!(assigned["b"], expected(3..5, 1));
    assert_eq!(assigned["a"], expected(5..7, 2));
}
