//! What goes wrong during a history, one thing after the other.

use std::time::Duration;

use rand::{Rng, rngs::StdRng};

use super::{
    Settings,
    proxy::{Disturbance, Proxy},
    target::Target,
    workload::Common,
};

/// How often what was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The broker was killed.
    pub kills: u64,
    /// The broker was frozen for a while.
    pub freezes: u64,
    /// Connections were cut.
    pub cuts: u64,
    /// Connections were stalled.
    pub stalls: u64,
    /// Clients were killed.
    pub clients_killed: u64,
    /// Clients were frozen for a while.
    pub clients_frozen: u64,
    /// Ends of transactions came while the next one was open, of each generation of the protocol.
    pub late_ends: [u64; 2],
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.cuts += other.cuts;
        self.stalls += other.stalls;
        self.clients_killed += other.clients_killed;
        self.clients_frozen += other.clients_frozen;
        self.late_ends.iter_mut().zip(other.late_ends).for_each(|(sum, more)| *sum += more);
    }
}

/// Does so many things, kills of the broker and late ends among them if wanted, and mends everything.
pub async fn disturb(
    dice: &mut StdRng,
    settings: Settings,
    target: &mut Target,
    proxy: &Proxy,
    common: &Common,
) -> Faults {
    let mut faults = Faults::default();
    let (late, cuts) = (proxy.late_ends(), proxy.cuts());
    for _ in 0..settings.rounds {
        common.until_progress().await;
        pause(dice, 100..500).await;
        match dice.random_range(0..20) {
            0..=8 if settings.kills => {
                tokio::task::block_in_place(|| target.kill());
                pause(dice, 0..60).await;
                tokio::task::block_in_place(|| target.start());
                faults.kills += 1;
            }
            9 => {
                tokio::task::block_in_place(|| target.freeze());
                pause(dice, 100..1500).await;
                target.thaw();
                faults.freezes += 1;
            }
            0..=8 | 10 | 11 => proxy.disturb(Disturbance::Cut, dice.random_range(30..=100)),
            12 | 13 => {
                let (bytes, from_broker) = (dice.random_range(1..3000), dice.random_bool(0.6));
                proxy.disturb(Disturbance::CutAfter { bytes, from_broker }, dice.random_range(30..=100));
            }
            14 => {
                let time = Duration::from_millis(dice.random_range(200..2500));
                proxy.disturb(Disturbance::Stall(time), dice.random_range(20..=80));
                faults.stalls += 1;
            }
            15 | 16 if settings.late_ends => proxy.keep_ends([dice.random_range(1..4), dice.random_range(1..4)]),
            17 => faults.clients_frozen += u64::from(common.victims.freeze(dice).await),
            _ => faults.clients_killed += u64::from(common.victims.kill(dice)),
        }
    }
    proxy.keep_ends([0, 0]);
    let now = proxy.late_ends();
    faults.late_ends = [now[0] - late[0], now[1] - late[1]];
    faults.cuts = proxy.cuts() - cuts;
    faults
}

/// Lets clients work for a while.
async fn pause(dice: &mut StdRng, millis: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(dice.random_range(millis))).await;
}
