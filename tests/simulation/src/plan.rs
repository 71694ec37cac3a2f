//! What a seed decides: the connectors of a run, how often each fault happens, what becomes of each record.
//!
//! A fault is drawn where it may happen. A run has only some of the kinds, so that rare combinations get their turn
//! and most tasks get somewhere.

use std::{collections::BTreeMap, time::Duration};

use crate::group_plan::GroupPlan;

/// Random numbers of a seed (splitmix64). The same on every machine and for ever, as a printed seed must replay.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound`, exclusive.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// True so many times of a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Everything that goes wrong by chance. What is wrong with a record for good is its [`Fate`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is named for the call and what becomes of it")]
pub enum Fault {
    ConnectorMakeFails,
    ConnectorStartFails,
    ConnectorStartPanics,
    ConnectorStartHangs,
    ConnectorStopHangs,
    ConnectorValidateFails,
    TaskConfigsFail,
    TaskConfigsHang,
    TaskMakeFails,
    TaskStartFails,
    TaskStartHangs,
    TaskStopFails,
    TaskStopHangs,
    PollRetriable,
    PollFails,
    PollBreaks,
    PollPanics,
    PollHangs,
    CommittedFails,
    CommitFails,
    CommitHangs,
    ChainMakeFails,
    ChainBreaks,
    ChainPanics,
    ChainHangs,
    ConverterBreaks,
    HeaderMakeFails,
    HeaderBreaks,
    OpenFails,
    OpenHangs,
    CloseFails,
    CloseHangs,
    PutRetriable,
    PutFails,
    PutPanics,
    PutHangs,
    PutRewinds,
    PreCommitFails,
    PreCommitHangs,
    PreCommitBeyond,
    ProducerMakeFails,
    LearnFails,
    LearnSlow,
    AckRefused,
    AckExpired,
    AckDelayed,
    LetterRefused,
    LetterDelayed,
    ConsumerMakeFails,
    ConsumeFails,
    PositionFails,
    PositionSlow,
    GroupCommitFails,
    GroupCommitSlow,
    GroupCommitAnswerLost,
    MemberExpires,
    Rebalance,
    StoreReadFails,
    StoreFails,
    StoreSlow,
    LogAppendFails,
    LogAnswerLost,
    LogReadSlow,
    RecordLost,
    RecordAnswerLost,
    RecordDelayed,
    BrokersAway,
    FenceFails,
    FenceSlow,
    TransactionFails,
    TransactionSlow,
    TransactionAnswerLost,
    TransactionUncertain,
}

use Fault::*;

/// All of them.
const FAULTS: [Fault; 73] = [
    ConnectorMakeFails,
    ConnectorStartFails,
    ConnectorStartPanics,
    ConnectorStartHangs,
    ConnectorStopHangs,
    ConnectorValidateFails,
    TaskConfigsFail,
    TaskConfigsHang,
    TaskMakeFails,
    TaskStartFails,
    TaskStartHangs,
    TaskStopFails,
    TaskStopHangs,
    PollRetriable,
    PollFails,
    PollBreaks,
    PollPanics,
    PollHangs,
    CommittedFails,
    CommitFails,
    CommitHangs,
    ChainMakeFails,
    ChainBreaks,
    ChainPanics,
    ChainHangs,
    ConverterBreaks,
    HeaderMakeFails,
    HeaderBreaks,
    OpenFails,
    OpenHangs,
    CloseFails,
    CloseHangs,
    PutRetriable,
    PutFails,
    PutPanics,
    PutHangs,
    PutRewinds,
    PreCommitFails,
    PreCommitHangs,
    PreCommitBeyond,
    ProducerMakeFails,
    LearnFails,
    LearnSlow,
    AckRefused,
    AckExpired,
    AckDelayed,
    LetterRefused,
    LetterDelayed,
    ConsumerMakeFails,
    ConsumeFails,
    PositionFails,
    PositionSlow,
    GroupCommitFails,
    GroupCommitSlow,
    GroupCommitAnswerLost,
    MemberExpires,
    Rebalance,
    StoreReadFails,
    StoreFails,
    StoreSlow,
    LogAppendFails,
    LogAnswerLost,
    LogReadSlow,
    RecordLost,
    RecordAnswerLost,
    RecordDelayed,
    BrokersAway,
    FenceFails,
    FenceSlow,
    TransactionFails,
    TransactionSlow,
    TransactionAnswerLost,
    TransactionUncertain,
];

/// Which stage a record fails at.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// A transform.
    Chain,
    /// The value converter.
    Converter,
    /// The header converter.
    Headers,
    /// The producer, which can never take it.
    Append,
    /// The sink, which reports it.
    Report,
    /// The sink, which fails over the whole batch.
    Put,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It comes through.
    Keep,
    /// The chain, if there is one, leaves it out.
    Filter,
    /// The chain of a source, if there is one, makes so many of it.
    Split(u32),
    /// It fails at a stage so many times, then comes through.
    Fail(Stage, u32, bool),
}

/// One connector of a run.
#[derive(Clone, Debug)]
pub struct ConnectorPlan {
    /// Its name.
    pub name: String,
    /// Whether it reads from Kafka.
    pub sink: bool,
    /// Whether its task hears of every row.
    pub commit_records: bool,
    /// Whether it has a chain.
    pub chain: bool,
    /// `errors.tolerance=all`.
    pub tolerant: bool,
    /// `errors.retry.timeout`.
    pub retry_timeout: Duration,
    /// Whether it has a dead-letter queue.
    pub letters: bool,
    /// Whether its header converter is a plugin.
    pub header_plugin: bool,
    /// Whether failures are logged, which lets a sink report rows.
    pub logs: bool,
    /// Source partitions, or partitions of its topic.
    pub partitions: i32,
    /// Records of each source partition or partition.
    pub records: i64,
    /// `tasks.max` at first.
    pub tasks: u64,
    /// `restart.policy=backoff`.
    pub restarts: bool,
    /// `errors.put.isolate`.
    pub isolates: bool,
    /// `errors.put.max.tries`.
    pub max_tries: u64,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was made of.
    pub seed: u64,
    /// How often each kind happens, of a thousand; kinds of other runs are left out.
    pub rates: BTreeMap<Fault, u64>,
    /// The connectors.
    pub connectors: Vec<ConnectorPlan>,
    /// Whether a rebalance takes everything from everybody first.
    pub eager: bool,
    /// Records that a producer takes before it is full.
    pub buffer: usize,
    /// Whether the config log and the statuses are kept in topics.
    pub in_topics: bool,
    /// How long faults happen.
    pub trouble: Duration,
    /// Longest wait between two requests of a user.
    pub request_gap_ms: u64,
    /// Of a thousand records, how many have a fate.
    fated: u64,
    /// Whether sources deliver exactly once.
    pub exactly_once: bool,
    /// What befalls workers, if there are several.
    pub group: Option<GroupPlan>,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let share = rng.pick(&[150, 300, 600]);
        let chosen = FAULTS.iter().copied().filter(|_| rng.chance(share)).collect::<Vec<_>>();
        let rates = chosen.into_iter().map(|fault| {
            // Few records come to these, few sets of tasks follow another one, and few commits come about.
            let is_rare = matches!(
                fault,
                LetterRefused | LetterDelayed | FenceFails | TransactionAnswerLost | TransactionUncertain
            );
            (fault, rng.pick(if is_rare { &[100, 300, 600] } else { &[5, 20, 60, 200] }))
        });
        let rates = rates.collect();
        let connectors = (0..1 + rng.below(2)).flat_map(|number| {
            let kinds: &[bool] = if number == 0 { &[false, true] } else { &[rng.chance(500)] };
            kinds.iter().map(|&sink| connector(&mut rng, sink, number)).collect::<Vec<_>>()
        });
        let connectors = connectors.collect();
        Self {
            seed,
            rates,
            connectors,
            eager: rng.chance(400),
            buffer: rng.pick(&[1, 3, 10, 100]),
            in_topics: rng.chance(500),
            trouble: Duration::from_secs(20 + rng.below(60)),
            request_gap_ms: rng.pick(&[200, 2_000, 10_000]),
            fated: rng.pick(&[0, 100, 400]),
            exactly_once: rng.chance(500),
            group: None,
        }
    }

    /// The plan of a connector.
    pub fn connector(&self, name: &str) -> &ConnectorPlan {
        self.connectors.iter().find(|connector| connector.name == name).expect("connectors of a run are planned")
    }

    /// Random numbers for one thing, whatever happens before it.
    pub fn dice_of(&self, number: u64, thing: &[u8]) -> Rng {
        let begin = self.seed ^ number.wrapping_mul(0x9e37_79b9) ^ 0xcbf2_9ce4_8422_2325;
        Rng::new(thing.iter().fold(begin, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    /// What becomes of a record, by its id. The same each time the record comes.
    pub fn fate(&self, id: &str) -> Fate {
        let mut rng = self.dice_of(0, id.as_bytes());
        if !rng.chance(self.fated) {
            return Fate::Keep;
        }
        let is_input = id.starts_with(crate::kafka::INPUT);
        let stage = match is_input {
            true => rng.pick(&[Stage::Chain, Stage::Converter, Stage::Headers, Stage::Report, Stage::Put]),
            false => rng.pick(&[Stage::Chain, Stage::Chain, Stage::Converter, Stage::Headers, Stage::Append]),
        };
        match rng.below(5) {
            0 => Fate::Filter,
            1 if !is_input => Fate::Split(2 + rng.below(2) as u32),
            _ => Fate::Fail(stage, 1 + rng.below(3) as u32, rng.chance(600)),
        }
    }
}

fn connector(rng: &mut Rng, sink: bool, number: u64) -> ConnectorPlan {
    let tolerant = rng.chance(500);
    ConnectorPlan {
        name: format!("{}{number}", if sink { "sink" } else { "source" }),
        sink,
        commit_records: rng.chance(500),
        chain: rng.chance(700),
        tolerant,
        retry_timeout: Duration::from_millis(rng.pick(&[0, 500, 5_000])),
        letters: rng.chance(700),
        header_plugin: rng.chance(500),
        logs: rng.chance(300),
        partitions: 1 + rng.below(4) as i32,
        records: rng.pick(&[5, 20, 40]),
        tasks: 1 + rng.below(3),
        restarts: rng.chance(400),
        isolates: sink && rng.chance(500),
        max_tries: if sink { rng.pick(&[0, 0, 1, 3]) } else { 0 },
    }
}
