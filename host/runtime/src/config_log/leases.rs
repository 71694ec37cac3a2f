//! Who has claimed the lease of each connector last, and in which epoch. A plain value.

use std::collections::BTreeMap;

use super::LeaseClaim;

/// Who has claimed a lease last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeaseHolder {
    /// Higher than that of every claim before it.
    pub epoch: u64,
    /// The claim.
    pub claim: LeaseClaim,
}

/// Of each connector that ever had one, whether it is there or not: its name may come again, and its epochs go on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Leases(BTreeMap<String, LeaseHolder>);

impl Leases {
    /// Takes a claim at a position of the log. The last one alone decides, so that compaction changes nothing.
    pub(super) fn take(&mut self, name: String, claim: LeaseClaim, position: u64) {
        let epoch = claim.base.saturating_add(position);
        self.0.insert(name, LeaseHolder { epoch, claim });
    }

    pub(super) fn of(&self, connector: &str) -> Option<&LeaseHolder> {
        self.0.get(connector)
    }

    /// What a further claim of a connector's lease begins to count from, so that its epoch is higher than `above` and
    /// than that of every claim that is known.
    ///
    /// `above` is beyond what the log counts where that has begun anew since: a log in memory, or a topic that was made
    /// once more.
    pub(super) fn base(&self, connector: &str, above: u64) -> u64 {
        match self.0.get(connector) {
            Some(holder) if above <= holder.epoch => holder.claim.base,
            _ => above,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(base: u64) -> LeaseClaim {
        LeaseClaim { worker: "w".to_owned(), task: 0, token: String::new(), base }
    }

    #[test]
    fn each_claim_has_a_higher_epoch_than_all_before_it_even_if_the_log_begins_anew() {
        let (mut highest, mut leases) = (0, Leases::default());
        for position in [1, 2, 7, 8, 400] {
            let base = leases.base("c", highest);
            leases.take("c".to_owned(), claim(base), position);
            let epoch = leases.of("c").expect("it was claimed").epoch;
            assert!(highest < epoch, "{epoch}");
            highest = epoch;
        }
        assert_eq!(highest, 400, "the positions themselves");
        for position in [1, 2] {
            let mut anew = Leases::default();
            let base = anew.base("c", highest);
            anew.take("c".to_owned(), claim(base), position);
            let epoch = anew.of("c").expect("it was claimed").epoch;
            assert!(highest < epoch, "{epoch}");
            highest = epoch;
        }
    }
}
