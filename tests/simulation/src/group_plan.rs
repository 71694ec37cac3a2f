//! What a seed decides about a group of workers, and what befalls them.

use std::time::Duration;

use millstream_runtime::membership::ConnectVersion;

use crate::plan::{Fault, Plan, Rng};

/// What befalls a worker.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Misfortune {
    /// It is killed, and started again after a while.
    Kill,
    /// It is stopped in good order, and started again after a while.
    Leave,
    /// It does nothing for a while.
    Freeze,
    /// It reaches neither brokers nor other workers for a while.
    CutOff,
    /// It does not reach the coordinator of its group for a while, and everybody else: it goes on with what others are given.
    Unheard,
    /// It gets little of the processor for a while.
    Slow,
    /// It reads the config log late for a while.
    ReadsLate,
}

/// All of them.
const MISFORTUNES: [Misfortune; 7] = [
    Misfortune::Kill,
    Misfortune::Leave,
    Misfortune::Freeze,
    Misfortune::CutOff,
    Misfortune::Unheard,
    Misfortune::Slow,
    Misfortune::ReadsLate,
];

/// Calls that may not return in time.
const HANGS: [Fault; 12] = [
    Fault::ConnectorStartHangs,
    Fault::ConnectorStopHangs,
    Fault::TaskConfigsHang,
    Fault::TaskStartHangs,
    Fault::TaskStopHangs,
    Fault::PollHangs,
    Fault::CommitHangs,
    Fault::ChainHangs,
    Fault::OpenHangs,
    Fault::CloseHangs,
    Fault::PutHangs,
    Fault::PreCommitHangs,
];

/// Time without a word of a member after which its group gives it up.
pub const SESSION: Duration = Duration::from_secs(6);

/// Time that members have to join again.
pub const REBALANCE: Duration = Duration::from_secs(60);

/// Time that a worker has for stopping everything if a call may hang: see the herder's own limits.
const STOPS_LATE: Duration = Duration::from_secs(26);

/// The same, if none does.
const STOPS: Duration = Duration::from_secs(8);

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// The newest protocol that each worker offers.
    pub protocols: Vec<ConnectVersion>,
    /// `scheduled.rebalance.max.delay.ms`, if it is set.
    pub max_delay: Option<Duration>,
    /// Whether the coordinator hears of a death at once.
    pub hears_of_deaths: bool,
    /// Time after which the coordinator gives up a worker whose connection has broken, if it sees that: the worker itself
    /// goes on until it hears of that, or its session is over.
    pub grace: Option<Duration>,
    /// Longest time between two misfortunes.
    pub gap_ms: u64,
    /// Longest time that one lasts.
    pub lasts_ms: u64,
    /// What befalls workers.
    pub misfortunes: Vec<Misfortune>,
    /// Of a thousand requests and answers between workers, how many get lost.
    pub lost_per_mille: u64,
    /// Time that a worker needs for stopping what it runs.
    pub stops_within: Duration,
}

impl GroupPlan {
    /// Whether some workers are eager and some not.
    pub fn may_turn_eager(&self) -> bool {
        let eager = self.protocols.iter().filter(|protocol| **protocol == ConnectVersion::Eager).count();
        0 < eager && eager < self.protocols.len()
    }

    /// Longest time for which a worker that hears nothing of its group may go on with what it runs.
    pub fn patience(&self) -> Duration {
        SESSION + Duration::from_secs(1) + self.stops_within
    }
}

impl Plan {
    /// The plan of a seed for two to four workers.
    pub fn of_group(seed: u64) -> Self {
        let mut plan = Self::new(seed);
        let mut rng = Rng::new(seed ^ 0x6_0009);
        let workers = 2 + rng.below(3);
        let usual = rng.pick(&[ConnectVersion::Sessioned, ConnectVersion::Sessioned, ConnectVersion::Compatible]);
        let protocol = |rng: &mut Rng| if rng.chance(80) { ConnectVersion::Eager } else { usual };
        let protocols = (0..workers).map(|_| protocol(&mut rng)).collect();
        let mut misfortunes: Vec<Misfortune> = MISFORTUNES.into_iter().filter(|_| rng.chance(500)).collect();
        if misfortunes.is_empty() {
            misfortunes.push(rng.pick(&MISFORTUNES));
        }
        // What befalls workers is what matters here: of half of the seeds nothing else goes wrong.
        if rng.chance(500) {
            plan.rates.clear();
        }
        let hangs = HANGS.iter().any(|hang| plan.rates.contains_key(hang));
        plan.in_topics = true;
        plan.group = Some(GroupPlan {
            protocols,
            max_delay: rng.pick(&[None, None, Some(Duration::from_secs(3)), Some(Duration::from_secs(20))]),
            hears_of_deaths: rng.chance(500),
            gap_ms: rng.pick(&[2_000, 6_000, 15_000]),
            lasts_ms: rng.pick(&[1_000, 10_000, 20_000]),
            misfortunes,
            lost_per_mille: rng.pick(&[0, 0, 20, 200]),
            stops_within: if hangs { STOPS_LATE } else { STOPS },
            grace: rng.pick(&[None, Some(Duration::from_secs(1))]),
        });
        plan
    }
}
