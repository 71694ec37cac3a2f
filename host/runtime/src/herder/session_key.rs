//! The key by which workers of a group sign what they ask of each other: the leader makes it, and another one in time.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use millstream_record::{ErrorChain, Timestamp};
use tokio::time::Instant;

use super::{group::GroupRules, run::Loop};
use crate::config_log::{Entry, SessionKey};

/// Wait before a session key is written again that could not be.
const KEY_RETRY: Duration = Duration::from_secs(10);

impl GroupRules {
    /// Bytes of a session key: those that Java's generators make.
    fn key_len(&self) -> usize {
        let own = match self.key_algorithm.to_ascii_uppercase().as_str() {
            "HMACSHA1" | "HMACMD5" | "HMACSHA512" => 64,
            "HMACSHA224" => 28,
            "HMACSHA384" => 48,
            _ => 32,
        };
        self.key_bits.map_or(own, |bits| bits.div_ceil(8) as usize)
    }

    /// How long a key may still be used at this time (in milliseconds of Unix time); `None` for ever.
    fn life_of(&self, key: Option<&SessionKey>, now_ms: i64) -> Option<Duration> {
        let fits = |key: &&SessionKey| {
            key.algorithm == self.key_algorithm
                && STANDARD.decode(&key.key).is_ok_and(|bytes| bytes.len() == self.key_len())
        };
        let Some(key) = key.filter(fits) else { return Some(Duration::ZERO) };
        if self.key_ttl.is_zero() {
            return None;
        }
        let age = u64::try_from(now_ms.saturating_sub(key.created_ms)).unwrap_or(0);
        Some(self.key_ttl.saturating_sub(Duration::from_millis(age)))
    }
}

impl Loop {
    /// Writes a session key if none is there that may still be used.
    pub(super) async fn renew_session_key(&mut self) {
        self.key_due = None;
        let renews = {
            let place = self.shared.place();
            place.leads_group() && place.is_sessioned()
        };
        let Some(rules) = self.group.clone().filter(|_| renews) else { return };
        let now_ms = Timestamp::now().as_millis();
        let life = rules.life_of(self.shared.view().cluster().session_key(), now_ms);
        if life != Some(Duration::ZERO) {
            return self.note_session_key();
        }
        let key = SessionKey {
            key: STANDARD.encode((rules.secrets)(rules.key_len())),
            algorithm: rules.key_algorithm.clone(),
            created_ms: now_ms,
        };
        if let Err(error) = self.write(vec![Entry::SessionKey(Some(key))]).await {
            tracing::warn!(error = %ErrorChain(&error), "the session key could not be renewed, and is tried again");
            self.key_due = Some(Instant::now() + KEY_RETRY);
        }
    }

    /// Notes when the session key that is there has to be renewed.
    pub(super) fn note_session_key(&mut self) {
        let Some(rules) = self.group.as_ref().filter(|_| self.shared.place().leads_group()) else { return };
        let life = rules.life_of(self.shared.view().cluster().session_key(), Timestamp::now().as_millis());
        self.key_due = life.and_then(|life| Instant::now().checked_add(life));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_config::ConfigMap;

    use super::*;
    use crate::herder::Peers;

    struct Nobody;

    #[async_trait::async_trait]
    impl Peers for Nobody {
        async fn put_task_configs(
            &self,
            _: &str,
            _: &str,
            _: &[ConfigMap],
            _: Option<&SessionKey>,
        ) -> Result<(), crate::herder::PeerError> {
            Ok(())
        }
    }

    fn rules(algorithm: &str, bits: Option<u32>, ttl_ms: u64) -> GroupRules {
        GroupRules {
            key_algorithm: algorithm.to_owned(),
            key_bits: bits,
            key_ttl: Duration::from_millis(ttl_ms),
            sync_timeout: Duration::from_secs(3),
            max_delay: None,
            secrets: Arc::new(|len| vec![7; len]),
            peers: Arc::new(Nobody),
        }
    }

    fn key(algorithm: &str, len: usize, created_ms: i64) -> SessionKey {
        SessionKey { key: STANDARD.encode(vec![1; len]), algorithm: algorithm.to_owned(), created_ms }
    }

    #[test]
    fn a_session_key_lives_for_its_time_if_it_is_of_the_right_kind() {
        let rules = rules("HmacSHA256", None, 1000);
        let life = |key: Option<&SessionKey>, now| rules.life_of(key, now);
        assert_eq!(life(None, 0), Some(Duration::ZERO));
        assert_eq!(life(Some(&key("HmacSHA256", 32, 500)), 700), Some(Duration::from_millis(800)));
        assert_eq!(life(Some(&key("HmacSHA256", 32, 500)), 1500), Some(Duration::ZERO));
        assert_eq!(life(Some(&key("HmacSHA512", 32, 500)), 700), Some(Duration::ZERO));
        assert_eq!(life(Some(&key("HmacSHA256", 64, 500)), 700), Some(Duration::ZERO));
        // A clock that was set back makes no key older, nor any arithmetic wrong.
        assert_eq!(life(Some(&key("HmacSHA256", 32, i64::MAX)), i64::MIN), Some(Duration::from_millis(1000)));
    }

    #[test]
    fn keys_are_as_long_as_javas_unless_said_and_last_for_ever_with_a_ttl_of_0() {
        for (algorithm, len) in [("HmacSHA1", 64), ("HmacSHA256", 32), ("HmacSHA384", 48), ("HmacSHA512", 64)] {
            assert_eq!(rules(algorithm, None, 1).key_len(), len, "{algorithm}");
        }
        assert_eq!(rules("HmacSHA256", Some(512), 1).key_len(), 64);
        assert_eq!(rules("HmacSHA256", None, 0).life_of(Some(&key("HmacSHA256", 32, 0)), i64::MAX), None);
    }
}
