//! When an instance is to be replaced because of the memory that it holds: some languages never give any back.

use millstream_connector::PluginError;
use millstream_metrics::PluginInstance;

use super::InstanceFactory;
use crate::capability::InstanceName;
use crate::instance::Guest;
use crate::limits::PluginLimits;

/// An instance that reaches its mark within so many calls needs that memory for its work: its successor may hold more.
const FEW_CALLS: u64 = 64;

/// Looks after the memory of one instance after the other.
#[derive(Debug)]
pub(super) struct Recycling {
    /// The mark that configurations set, and the most that any mark may be.
    usual: usize,
    most: usize,
    /// Bytes from which on the instance at hand is replaced.
    mark: usize,
    /// Calls since it was made.
    calls: u64,
    logged: bool,
}

impl Recycling {
    /// Of an instance that has just been made.
    pub(super) fn new(limits: &PluginLimits, guest: &Guest) -> Self {
        Self::of(limits.memory_recycle, limits.memory_max, guest.held_bytes())
    }

    fn of(usual: usize, memory_max: usize, held: usize) -> Self {
        let most = memory_max / 4 * 3;
        let usual = if usual == 0 { most } else { usual.min(most) };
        Self { usual, most, mark: usual.max(held.saturating_mul(2)).min(most), calls: 0, logged: false }
    }

    /// Before a call of an instance that keeps nothing from one call to the next: one that is spent, or has outgrown its
    /// mark, gives way to what `made` brings, which is not asked for otherwise.
    ///
    /// # Errors
    ///
    /// There is no new instance. The old one is gone, so that the next call tries again.
    pub(super) async fn before_call<T>(
        &mut self,
        live: (&mut Guest, &mut T),
        factory: &InstanceFactory,
        made: impl Future<Output = Result<(Guest, T), PluginError>>,
    ) -> Result<(), PluginError> {
        let (guest, called) = live;
        let grown = self.is_due(guest).then(|| guest.held_bytes());
        if grown.is_some() || !guest.is_usable() {
            guest.discard();
            (*guest, *called) = made.await?;
        }
        if let Some(bytes) = grown {
            self.replaced(guest, bytes, &factory.name, &factory.metrics);
        }
        self.called();
        Ok(())
    }

    /// A call begins.
    pub(super) fn called(&mut self) {
        self.calls += 1;
    }

    /// Whether the instance is to be replaced before its next call.
    pub(super) fn is_due(&self, guest: &Guest) -> bool {
        guest.is_usable() && self.mark < guest.held_bytes()
    }

    /// The instance has been replaced, which held so many bytes.
    pub(super) fn replaced(&mut self, by: &Guest, bytes: usize, name: &InstanceName, metrics: &PluginInstance) {
        metrics.recycled.add(1);
        let calls = self.calls;
        self.next(by.held_bytes());
        let InstanceName { connector, task, plugin } = name;
        if !std::mem::replace(&mut self.logged, true) {
            tracing::info!(
                connector,
                task,
                plugin,
                bytes,
                calls,
                "an instance of the plugin has outgrown plugin.memory.recycle.bytes and was replaced; later ones are counted only (instance-recycled-total)"
            );
        } else {
            tracing::debug!(connector, task, plugin, bytes, calls, "an instance of the plugin was replaced");
        }
    }

    /// Another instance begins, which holds so many bytes.
    fn next(&mut self, held: usize) {
        let usual = if self.calls < FEW_CALLS { self.mark.saturating_mul(2) } else { self.usual };
        self.mark = usual.max(held.saturating_mul(2)).min(self.most);
        self.calls = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_mark_is_the_configured_one_unless_an_instance_begins_larger_or_its_predecessor_did_not_last() {
        let mark = |usual, held| Recycling::of(usual, 256 * MIB, held).mark / MIB;
        assert_eq!(mark(64 * MIB, MIB), 64);
        assert_eq!(mark(64 * MIB, 50 * MIB), 100);
        assert_eq!(mark(64 * MIB, 150 * MIB), 192, "three quarters of the most");
        assert_eq!(mark(0, MIB), 192, "none set");
        assert_eq!(mark(1024 * MIB, MIB), 192);
        let mut recycling = Recycling::of(64 * MIB, 256 * MIB, MIB);
        let mut after = |calls: u64| {
            (0..calls).for_each(|_| recycling.called());
            recycling.next(MIB);
            recycling.mark / MIB
        };
        assert_eq!(after(1000), 64);
        assert_eq!(after(63), 128);
        assert_eq!(after(1), 192);
        assert_eq!(after(64), 64, "as before once one has lasted");
    }
}
