//! `host-log`.

use super::super::imports::host_log::{Host, Level as Theirs};
use crate::capability::{GuestLog, Level};
use crate::instance::GuestState;

impl Host for GuestState {
    async fn enabled(&mut self, level: Theirs) -> wasmtime::Result<bool> {
        Ok(GuestLog::enabled(level.into()))
    }

    async fn log(&mut self, level: Theirs, message: String) -> wasmtime::Result<()> {
        self.capabilities.log.log(level.into(), &message);
        Ok(())
    }
}

impl From<Theirs> for Level {
    fn from(theirs: Theirs) -> Self {
        match theirs {
            Theirs::Trace => Self::Trace,
            Theirs::Debug => Self::Debug,
            Theirs::Info => Self::Info,
            Theirs::Warn => Self::Warn,
            Theirs::Error => Self::Error,
        }
    }
}
