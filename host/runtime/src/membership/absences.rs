//! Work of members that have said that they leave, which waits for them: a restarted worker gets its own work back, and
//! nothing else is touched. A plain value, that every member of a group of ours has, since any may lead next.
//!
//! Work of a member that is gone without a word is not here: others are given that at once.

use std::time::Duration;

use super::{Away, Member, Work, WorkSet};

/// See the module's documentation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Absences(Vec<Absence>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Absence {
    url: String,
    /// Members that there are when everybody is back.
    members: usize,
    due_ms: i64,
    work: Work,
}

impl Absences {
    /// A round begins: whoever says that it leaves is waited for, at most for `wait`. Nobody is waited for any longer who is
    /// back, or whose place another member has taken, as that has another address after a restart elsewhere.
    pub fn round(&mut self, now_ms: i64, wait: Duration, members: &[Member]) {
        let staying: Vec<&Member> = members.iter().filter(|member| !member.is_leaving()).collect();
        self.0.retain(|absence| {
            let is_back = staying.iter().any(|member| member.url == absence.url);
            now_ms < absence.due_ms && !is_back && staying.len() < absence.members
        });
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        for member in members.iter().filter(|member| member.is_leaving() && 0 < wait_ms) {
            self.0.retain(|absence| absence.url != member.url);
            let members = members.len() + self.0.len();
            self.0.push(Absence {
                url: member.url.clone(),
                members,
                due_ms: now_ms.saturating_add(wait_ms),
                work: member.holds.clone(),
            });
        }
        // Should somebody have it nevertheless, it stays there.
        for member in staying {
            self.0.iter_mut().for_each(|absence| absence.work.remove(&member.holds.set()));
        }
        self.0.retain(|absence| !absence.work.is_empty());
    }

    /// What waits.
    pub fn work(&self) -> WorkSet {
        self.0.iter().fold(WorkSet::default(), |all, absence| all.plus(&absence.work.set()))
    }

    /// When the first wait is over, in milliseconds from now; 0 if nothing waits.
    pub fn left_ms(&self, now_ms: i64) -> i32 {
        let left = self.0.iter().map(|absence| left_ms(absence.due_ms, now_ms)).min();
        left.map_or(0, |left| left.max(1))
    }

    /// For all members.
    pub fn told(&self, now_ms: i64) -> Vec<Away> {
        let away = |absence: &Absence| Away {
            url: absence.url.clone(),
            members: i32::try_from(absence.members).unwrap_or(i32::MAX),
            left_ms: left_ms(absence.due_ms, now_ms),
            work: absence.work.shares(),
        };
        self.0.iter().map(away).collect()
    }

    /// What the leader has told takes the place of everything that was known.
    pub fn learn(&mut self, now_ms: i64, told: &[Away]) {
        let absence = |away: &Away| Absence {
            url: away.url.clone(),
            members: usize::try_from(away.members).unwrap_or(0),
            due_ms: now_ms.saturating_add(away.left_ms.into()),
            work: Work::of_shares(&away.work),
        };
        self.0 = told.iter().map(absence).collect();
    }
}

fn left_ms(due_ms: i64, now_ms: i64) -> i32 {
    i32::try_from(due_ms.saturating_sub(now_ms).max(0)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::OwnState;

    const WAIT: Duration = Duration::from_secs(10);

    fn member(url: &str, leaving: bool, tasks: &[i32]) -> Member {
        Member {
            id: format!("id of {url}"),
            url: url.to_owned(),
            offset: 0,
            holds: work(tasks),
            own: Some(OwnState { leaving, ..OwnState::default() }),
        }
    }

    fn work(tasks: &[i32]) -> Work {
        Work::of_shares(&[("c".to_owned(), tasks.to_vec())])
    }

    fn left(at_ms: i64) -> Absences {
        let mut absences = Absences::default();
        absences.round(at_ms, WAIT, &[member("a", false, &[0]), member("b", true, &[1, 2]), member("c", false, &[3])]);
        absences
    }

    #[test]
    fn work_of_whoever_leaves_waits_until_it_is_back() {
        let mut absences = left(0);
        assert_eq!(absences.work(), work(&[1, 2]).set());
        assert_eq!(absences.left_ms(4_000), 6_000);
        let others = [member("a", false, &[0]), member("c", false, &[3])];
        absences.round(4_000, WAIT, &others);
        assert_eq!(absences.work(), work(&[1, 2]).set(), "it has gone, and is waited for");
        let back = [&others[..], &[member("b", false, &[])]].concat();
        absences.round(5_000, WAIT, &back);
        assert_eq!((absences.work(), absences.left_ms(5_000)), (WorkSet::default(), 0));
    }

    #[test]
    fn nobody_is_waited_for_longer_than_the_wait_or_than_its_place_is_empty() {
        let others = [member("a", false, &[0]), member("c", false, &[3])];
        let mut absences = left(0);
        absences.round(9_999, WAIT, &others);
        assert!(!absences.work().is_empty());
        assert_eq!(absences.left_ms(10_000), 1, "whoever asks when it is due looks again");
        absences.round(10_000, WAIT, &others);
        assert!(absences.work().is_empty());
        let mut absences = left(0);
        absences.round(1, WAIT, &[&others[..], &[member("d", false, &[])]].concat());
        assert!(absences.work().is_empty(), "there are as many as before");
        let mut absences = Absences::default();
        absences.round(0, Duration::ZERO, &[member("b", true, &[1])]);
        assert_eq!(absences, Absences::default());
    }

    #[test]
    fn who_leaves_one_after_another_is_waited_for_each() {
        let mut absences = left(0);
        absences.round(1_000, WAIT, &[member("a", false, &[0]), member("c", true, &[3])]);
        assert_eq!(absences.work(), work(&[1, 2, 3]).set());
        // One is back: the other one is waited for still.
        absences.round(2_000, WAIT, &[member("a", false, &[0]), member("b", false, &[])]);
        assert_eq!(absences.work(), work(&[3]).set(), "the other one is not");
        absences.round(3_000, WAIT, &[member("a", false, &[0]), member("b", false, &[1, 2]), member("e", false, &[])]);
        assert_eq!(absences.work(), WorkSet::default(), "three of three are there, whoever they are");
        let mut absences = left(0);
        absences.round(1_000, WAIT, &[member("a", false, &[0]), member("c", true, &[3]), member("d", false, &[])]);
        assert_eq!(absences.work(), work(&[1, 2, 3]).set());
        absences.round(2_000, WAIT, &[member("a", false, &[0]), member("c", false, &[])]);
        assert_eq!(absences.work(), work(&[1, 2]).set());
    }

    #[test]
    fn whoever_leads_next_knows_the_same_and_what_somebody_has_waits_for_nobody() {
        let mut absences = left(500);
        let mut heir = Absences::default();
        heir.learn(70_000, &absences.told(1_500));
        assert_eq!((heir.work(), heir.left_ms(70_000)), (absences.work(), 9_000));
        absences.round(1_500, WAIT, &[member("a", false, &[0, 1]), member("c", false, &[3])]);
        assert_eq!(absences.work(), work(&[2]).set());
        heir.learn(80_000, &[]);
        assert_eq!(heir, Absences::default());
    }
}
