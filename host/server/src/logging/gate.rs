//! Which lines are let through: what the loggers' levels allow.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tracing::{
    Event, Metadata,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::Interest,
};
use tracing_subscriber::{
    filter::Targets,
    layer::{Context, Filter},
};

use super::{
    context::is_context,
    loggers::{Loggers, PLUGINS},
};

/// What the loggers' levels allow.
pub(super) struct Allowed {
    targets: Targets,
    any_plugin: LevelFilter,
    loggers: Loggers,
}

impl Allowed {
    pub(super) fn by(loggers: &Loggers) -> Self {
        Self { targets: loggers.targets(), any_plugin: loggers.of_any_plugin(), loggers: loggers.clone() }
    }

    fn allows(&self, metadata: &Metadata<'_>) -> bool {
        if is_context(metadata) {
            true
        } else if metadata.target() == PLUGINS {
            *metadata.level() <= self.any_plugin
        } else {
            self.targets.would_enable(metadata.target(), metadata.level())
        }
    }
}

/// Lets lines through to where they are written. Unlike the library's own filter that can be exchanged, it looks at what
/// a line says.
pub(super) struct Gate(pub(super) Arc<RwLock<Allowed>>);

impl Gate {
    fn allowed(&self) -> RwLockReadGuard<'_, Allowed> {
        // It is replaced as a whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Filter<S> for Gate {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.allowed().allows(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match (self.allowed().allows(metadata), metadata.target() == PLUGINS) {
            (false, _) => Interest::never(),
            // Depends on the plugin.
            (true, true) => Interest::sometimes(),
            (true, false) => Interest::always(),
        }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if event.metadata().target() != PLUGINS {
            return true;
        }
        let mut class = Class(String::new());
        event.record(&mut class);
        *event.metadata().level() <= self.allowed().loggers.of_plugin(&class.0)
    }
}

/// The class of the plugin that logs a line.
struct Class(String);

impl Visit for Class {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "plugin" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "plugin" {
            self.0 = format!("{value:?}").trim_matches('"').to_owned();
        }
    }
}
