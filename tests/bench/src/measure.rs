//! The measuring loop that all tables of single steps share.

use std::{hint::black_box, time::Duration};

use clap::Args;
use millstream_connector::LinkedTransforms;
use millstream_record::batch::Batch;

use crate::{counting::allocations, json::Encoder, peer::PeerWork, thread_clock::busy};

/// How long is measured.
#[derive(Args, Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Processor time of one measurement in a round, in milliseconds
    #[arg(long, default_value_t = 4)]
    slice_ms: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { rounds: 9, slice_ms: 4 }
    }
}

/// Something made ready over one batch.
pub enum Work {
    /// Something that does not wait.
    Native(Box<dyn FnMut()>),
    /// A chain in a guest.
    Guest(Box<dyn LinkedTransforms>, Batch),
    /// A chain in a guest, and what comes out of it as JSON.
    GuestToJson(Box<dyn LinkedTransforms>, Batch, Encoder),
    /// Something in the other process.
    Peer(PeerWork),
}

impl Work {
    /// Does it so many times, and returns the processor time that took.
    async fn run(&mut self, times: u32) -> Duration {
        let begin = busy();
        match self {
            Self::Native(work) => (0..times).for_each(|_| work()),
            Self::Guest(chain, batch) => {
                for _ in 0..times {
                    black_box(chain.apply(batch).await.expect("the guest works"));
                }
            }
            Self::GuestToJson(chain, batch, encoder) => {
                for _ in 0..times {
                    let outcome = chain.apply(batch).await.expect("the guest works");
                    black_box(encoder.encode(&outcome.batch));
                }
            }
            Self::Peer(work) => return work.run(times),
        }
        busy() - begin
    }
}

/// What one run costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time, the median of all rounds.
    pub nanos: f64,
    /// Allocations of this process, those of a guest's memory left out.
    pub allocations: u64,
}

/// Measures all in turn, so many rounds. A disturbance then hits all alike.
pub async fn measure(works: &mut [Work], effort: Effort) -> Vec<Cost> {
    let slice = Duration::from_millis(effort.slice_ms);
    let mut ready = Vec::with_capacity(works.len());
    for work in &mut *works {
        // Caches and scratch memory are filled first.
        work.run(3).await;
        let before = allocations();
        work.run(1).await;
        let allocations = allocations() - before;
        let mut runs = 1;
        while work.run(runs).await < slice {
            runs *= 2;
        }
        ready.push((runs, allocations));
    }
    let mut nanos = vec![Vec::with_capacity(effort.rounds); works.len()];
    for _ in 0..effort.rounds {
        for ((work, (runs, _)), nanos) in works.iter_mut().zip(&ready).zip(&mut nanos) {
            nanos.push(work.run(*runs).await.as_nanos() as f64 / f64::from(*runs));
        }
    }
    let costs = ready.into_iter().zip(nanos);
    costs.map(|((_, allocations), nanos)| Cost { nanos: median(nanos), allocations }).collect()
}

fn median(mut nanos: Vec<f64>) -> f64 {
    nanos.sort_by(f64::total_cmp);
    nanos.get(nanos.len() / 2).copied().unwrap_or(f64::NAN)
}
