//! This worker's place in its group: what is its own, who leads, and where everything else is. A plain value.

use std::collections::{BTreeMap, BTreeSet};

use millstream_connector::TaskId;

use super::{HerderError, plan::Owned};
use crate::membership::{Assigned, ConnectVersion, Member, Work, WorkSet};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Place {
    /// In no group: everything is this worker's.
    alone: bool,
    /// Whether this worker may run anything, and change anything.
    pub(super) member: bool,
    leads: bool,
    leader_url: String,
    version: Option<ConnectVersion>,
    /// The last generation that was complete for this worker; -1 for none.
    pub(super) completed: i32,
    /// How far the config log had been read when work was divided.
    offset: u64,
    work: Work,
    set: WorkSet,
    /// Where everything is, of a leader: what a URL is given.
    elsewhere: Vec<(String, WorkSet)>,
}

impl Place {
    /// Of a worker that has not been told anything yet.
    pub(super) fn new(alone: bool) -> Self {
        Self {
            alone,
            member: false,
            leads: false,
            leader_url: String::new(),
            version: None,
            completed: -1,
            offset: 0,
            work: Work::default(),
            set: WorkSet::default(),
            elsewhere: Vec::new(),
        }
    }

    /// What it was given and has not given up.
    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    /// Whether it is in a group and leads that.
    pub(super) fn leads_group(&self) -> bool {
        self.leads && !self.alone
    }

    /// Whether requests between workers are signed.
    pub(super) fn is_sessioned(&self) -> bool {
        self.version == Some(ConnectVersion::Sessioned)
    }

    /// Whether a rebalance begins with giving up everything.
    pub(super) fn is_eager(&self) -> bool {
        self.version == Some(ConnectVersion::Eager)
    }

    /// Where the leader is reached, unless that is this worker or not known.
    pub(super) fn other_leader(&self) -> Option<&str> {
        (self.member && !self.leads && !self.leader_url.is_empty()).then_some(&*self.leader_url)
    }

    /// Takes what the leader decided, and says what is to be given up before anything else.
    pub(super) fn take(&mut self, assigned: &Assigned) -> WorkSet {
        let Assigned { generation, leads, version, work } = assigned;
        self.member = true;
        self.leads = *leads;
        self.leader_url.clone_from(&work.leader_url);
        self.version = Some(*version);
        self.completed = *generation;
        self.offset = u64::try_from(work.offset).unwrap_or(0);
        if !leads {
            self.elsewhere.clear();
        }
        let (new, revoked) = (Work::of_shares(&work.assigned), Work::of_shares(&work.revoked));
        let before = std::mem::take(&mut self.set);
        if *version == ConnectVersion::Eager {
            self.work = new;
        } else {
            self.work.remove(&revoked.set());
            self.work.add(&new);
        }
        self.set = self.work.set();
        before.minus(&self.set)
    }

    /// Everything may run elsewhere from now on.
    pub(super) fn lose(&mut self) {
        self.member = false;
        self.leads = false;
        self.elsewhere.clear();
        drop(self.give_up());
    }

    /// Gives up what it holds, which is returned, and stays a member.
    pub(super) fn give_up(&mut self) -> WorkSet {
        self.work = Work::default();
        std::mem::take(&mut self.set)
    }

    /// Notes, as the leader, who has been given what.
    pub(super) fn note(&mut self, members: &[Member], holds: &BTreeMap<String, Work>) {
        let url_of = |member: &Member| Some((member.url.clone(), holds.get(&member.id)?.set()));
        self.elsewhere = members.iter().filter_map(url_of).collect();
    }

    /// What others than these were given last, of a leader.
    pub(super) fn of_others_than(&self, urls: &BTreeSet<&str>) -> WorkSet {
        let others = self.elsewhere.iter().filter(|(url, _)| !urls.contains(&**url));
        others.fold(WorkSet::default(), |all, (_, work)| all.plus(work))
    }

    /// What of a connector this worker runs. Tasks whose configurations are newer than the last division of work begin
    /// after the next one: until then those before them may still run elsewhere.
    pub(super) fn owned(&self, name: &str, tasks_position: u64) -> Owned {
        if !self.member {
            return Owned { connector: false, tasks: Some(BTreeSet::new()), starts_tasks: false };
        }
        if self.alone {
            return Owned { connector: true, tasks: None, starts_tasks: true };
        }
        Owned {
            connector: self.set.connectors.contains(name),
            tasks: Some(self.set.tasks_of(name).collect()),
            starts_tasks: tasks_position <= self.offset,
        }
    }

    /// Whether what only the leader does is to be done here.
    ///
    /// # Errors
    ///
    /// Where it is to be done, if that is known.
    pub(super) fn leader(&self) -> Result<(), HerderError> {
        if self.leads {
            return Ok(());
        }
        Err(self.other_leader().map_or(HerderError::NoLeader, |url| HerderError::Elsewhere { url: url.to_owned() }))
    }

    /// Whether a connector is this worker's, or one of its tasks.
    ///
    /// # Errors
    ///
    /// Who knows where it is, or is it, if that is known.
    pub(super) fn owner(&self, name: &str, task: Option<u32>) -> Result<(), HerderError> {
        let has = |set: &WorkSet| match task {
            None => set.connectors.contains(name),
            Some(number) => set.tasks.contains(&TaskId { connector: name.to_owned(), number }),
        };
        if self.alone || (self.member && has(&self.set)) {
            return Ok(());
        }
        self.leader()?;
        let owner = self.elsewhere.iter().find(|(_, set)| has(set));
        Err(owner.map_or(HerderError::NoLeader, |(url, _)| HerderError::Elsewhere { url: url.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::WorkAssignment;

    fn assigned(leads: bool, version: ConnectVersion, new: &[(&str, &[i32])], revoked: &[(&str, &[i32])]) -> Assigned {
        let shares =
            |shares: &[(&str, &[i32])]| shares.iter().map(|(name, of)| ((*name).to_owned(), of.to_vec())).collect();
        let work = WorkAssignment {
            leader_url: "http://leader:1/".to_owned(),
            offset: 7,
            assigned: shares(new),
            revoked: shares(revoked),
            ..WorkAssignment::default()
        };
        Assigned { generation: 3, leads, version, work }
    }

    fn url(error: HerderError) -> String {
        match error {
            HerderError::Elsewhere { url } => url,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_member_has_what_it_was_given_until_it_is_taken_away() {
        let mut place = Place::new(false);
        assert_eq!(place.owned("c", 0), Owned { connector: false, tasks: Some([].into()), starts_tasks: false });
        let first = assigned(false, ConnectVersion::Sessioned, &[("c", &[-1, 0, 1])], &[]);
        assert!(place.take(&first).is_empty());
        assert_eq!(place.owned("c", 7), Owned { connector: true, tasks: Some([0, 1].into()), starts_tasks: true });
        assert!(!place.owned("c", 8).starts_tasks, "newer than the division of work");
        let revoked = place.take(&assigned(false, ConnectVersion::Sessioned, &[("d", &[0])], &[("c", &[0])]));
        assert_eq!(revoked, Work::of_shares(&[("c".to_owned(), vec![0])]).set());
        assert_eq!(place.owned("c", 7).tasks, Some([1].into()));
        let whole = assigned(false, ConnectVersion::Eager, &[("d", &[0])], &[]);
        assert!(place.take(&whole).names().contains("c"), "what a complete assignment leaves out is given up");
        assert_eq!(place.work().shares(), [("d".to_owned(), vec![0])]);
    }

    #[test]
    fn what_is_not_done_here_is_done_by_the_leader_and_it_knows_the_owner() {
        let mut place = Place::new(false);
        assert_eq!(place.leader(), Err(HerderError::NoLeader));
        place.take(&assigned(false, ConnectVersion::Sessioned, &[("c", &[-1])], &[]));
        assert_eq!(url(place.leader().unwrap_err()), "http://leader:1/");
        assert_eq!(place.owner("c", None), Ok(()));
        assert_eq!(url(place.owner("c", Some(0)).unwrap_err()), "http://leader:1/");
        place.take(&assigned(true, ConnectVersion::Sessioned, &[], &[]));
        let holds = Work::of_shares(&[("c".to_owned(), vec![0])]);
        let other = Member {
            id: "m".to_owned(),
            url: "http://other:1/".to_owned(),
            offset: 7,
            holds: Work::default(),
            own: None,
        };
        place.note(&[other], &BTreeMap::from([("m".to_owned(), holds)]));
        assert_eq!(url(place.owner("c", Some(0)).unwrap_err()), "http://other:1/");
        assert_eq!(place.owner("c", Some(1)), Err(HerderError::NoLeader));
        assert_eq!(place.leader(), Ok(()));
        place.lose();
        assert_eq!(place.owner("c", None), Err(HerderError::NoLeader));
    }
}
