//! Waiting for the request to end.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Failure;

/// Why a run ended before it was meant to.
#[derive(Debug)]
pub enum Ended {
    /// This signal asked for it.
    Signal(&'static str),
    /// Something failed.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Ended {
    /// A signal is an orderly end, also when it comes during the start.
    pub fn result(self) -> Result<(), Failure> {
        match self {
            Self::Signal(signal) => {
                tracing::info!("{signal}: the start was given up");
                Ok(())
            }
            Self::Failed(failure) => Err(failure),
        }
    }
}

/// SIGTERM and SIGINT. Made before anything starts, so that a signal during the start is not lost.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Carries out a part of the start, unless a signal comes: its future is dropped then.
    ///
    /// # Errors
    ///
    /// The signal, or why the part failed.
    pub async fn during<T>(&mut self, part: impl Future<Output = Result<T, Failure>>) -> Result<T, Ended> {
        tokio::select! {
            biased;
            signal = self.wait() => Err(Ended::Signal(signal)),
            result = part => Ok(result?),
        }
    }

    /// Returns at the first signal, with its name.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
