use super::*;
use crate::assignment::Assignor;

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a valid name")
}

fn partition(text: &str) -> Partition {
    let (name, at) = text.split_at(1);
    (topic(name), at.parse().expect("a number"))
}

fn subscriber(id: &str, topics: &[&str], generation: i32, owned: &[&str]) -> Subscriber {
    Subscriber {
        member_id: id.to_owned(),
        group_instance_id: None,
        topics: topics.iter().map(|name| topic(name)).collect(),
        owned: owned.iter().map(|text| partition(text)).collect(),
        generation,
    }
}

fn divide(members: &[Subscriber], topics: &[(&str, u32)]) -> Vec<(String, Vec<String>)> {
    let partitions = topics.iter().map(|(name, count)| (topic(name), *count)).collect();
    let assignment = Assignor::CooperativeSticky.assign(members, &partitions);
    let text = |(topic, at): &Partition| format!("{topic}{at}");
    assignment.iter().map(|(id, partitions)| (id.clone(), partitions.iter().map(text).collect())).collect()
}

#[track_caller]
fn check(members: &[Subscriber], topics: &[(&str, u32)], expected: &[(&str, &[&str])]) {
    let expected: Vec<(String, Vec<String>)> = expected
        .iter()
        .map(|(id, partitions)| ((*id).to_owned(), partitions.iter().map(|p| (*p).to_owned()).collect()))
        .collect();
    assert_eq!(divide(members, topics), expected);
}

#[test]
fn a_new_group_is_divided_evenly() {
    let members = ["a", "b"].map(|id| subscriber(id, &["t"], -1, &[]));
    check(&members, &[("t", 3)], &[("a", &["t0", "t2"]), ("b", &["t1"])]);
}

#[test]
fn a_new_topic_moves_nothing_that_somebody_has() {
    let members = [subscriber("a", &["t", "u"], 3, &["t0", "t1"]), subscriber("b", &["t", "u"], 3, &["t2"])];
    check(&members, &[("t", 3), ("u", 1)], &[("a", &["t0", "t1"]), ("b", &["t2", "u0"])]);
}

#[test]
fn a_new_member_gets_its_part_only_when_the_others_have_given_it_up() {
    let (a, b) = (subscriber("a", &["t"], 3, &["t0", "t1", "t2", "t3"]), subscriber("b", &["t"], -1, &[]));
    check(&[a, b], &[("t", 4)], &[("a", &["t0", "t1"]), ("b", &[])]);
    let (a, b) = (subscriber("a", &["t"], 4, &["t0", "t1"]), subscriber("b", &["t"], 4, &[]));
    check(&[a, b], &[("t", 4)], &[("a", &["t0", "t1"]), ("b", &["t2", "t3"])]);
}

#[test]
fn what_a_member_lost_while_it_was_away_stays_with_who_has_it_now() {
    // The older claim does not count, but whoever makes it has to give the partition up first.
    let (a, b) = (subscriber("a", &["t"], 2, &["t0", "t1"]), subscriber("b", &["t"], 3, &["t0"]));
    check(&[a, b], &[("t", 2)], &[("a", &["t1"]), ("b", &[])]);
    let (a, b) = (subscriber("a", &["t"], 3, &["t0"]), subscriber("b", &["t"], 3, &["t0"]));
    check(&[a, b], &[("t", 2)], &[("a", &[]), ("b", &["t1"])]);
}

#[test]
fn nobody_gets_what_is_gone_or_what_it_does_not_read() {
    let (a, b) = (subscriber("a", &["t"], 3, &["t0", "t7", "u0"]), subscriber("b", &["u"], 3, &["u1"]));
    check(&[a, b], &[("t", 1), ("u", 2), ("v", 5)], &[("a", &["t0"]), ("b", &["u1"])]);
}

/// Repeats the division until nobody has to give up anything, as the members of a group do.
fn settle(members: &mut [Subscriber], topics: &[(&str, u32)]) -> u32 {
    for round in 1..=4 {
        let divided: BTreeMap<String, Vec<String>> = divide(members, topics).into_iter().collect();
        let mut revoked = false;
        for member in members.iter_mut() {
            let now: BTreeSet<Partition> = divided[&member.member_id].iter().map(|text| partition(text)).collect();
            revoked |= !member.owned.is_subset(&now);
            member.owned = now;
            member.generation += 1;
        }
        if !revoked {
            return round;
        }
    }
    panic!("it goes on for ever: {members:?}");
}

#[test]
fn whoever_comes_and_goes_everything_is_divided_evenly_after_two_rounds_and_little_moves() {
    let topics = [("t", 17), ("u", 5), ("v", 1)];
    let mut members: Vec<Subscriber> = Vec::new();
    for step in 0..12 {
        if step % 4 == 3 {
            members.remove(step % members.len());
        } else {
            members.push(subscriber(&format!("m{step}"), &["t", "u", "v"], -1, &[]));
        }
        let before: Vec<Subscriber> = members.clone();
        assert!(settle(&mut members, &topics) <= 2);
        let sizes: Vec<usize> = members.iter().map(|member| member.owned.len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 23, "each partition has one owner");
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        let least = 23 / members.len();
        for (before, now) in before.iter().zip(&members) {
            let stayed = before.owned.intersection(&now.owned).count();
            assert!(before.owned.len().min(least) <= stayed, "{before:?} became {now:?}");
        }
    }
}
