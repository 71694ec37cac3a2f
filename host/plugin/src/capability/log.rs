//! `host-log`: lines of guests, in the host's log.

use crate::contract::v0_1_0::imports::host_log::{Host, Level as Theirs};
use crate::instance::{GuestState, Level, Voice};

impl Host for GuestState {
    async fn enabled(&mut self, level: Theirs) -> wasmtime::Result<bool> {
        Ok(Voice::enabled(level.into()))
    }

    async fn log(&mut self, level: Theirs, message: String) -> wasmtime::Result<()> {
        self.voice.say(level.into(), &message);
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
