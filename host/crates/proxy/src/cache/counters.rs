//! What the cache has done since the host was started.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident),* $(,)?) => {
        /// Counts.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        /// What was counted.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct CacheCounts {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> CacheCounts {
                CacheCounts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Answers from memory.
    memory_hits,
    /// Answers from Redis.
    redis_hits,
    /// Questions that went to the database and whose answer could be kept.
    misses,
    /// Answers that were kept.
    stored,
    /// Questions that went to the database because nothing cached may be served at the moment.
    passed,
    /// Questions that waited for the answer to the same question.
    followed,
    /// Answers that were not kept: too large, or the share was full.
    refused,
    /// Answers in Redis from before a write.
    stale,
    /// Alarm: values in Redis that are not what they say, or not for their key.
    forged,
    /// Alarm: answers of Redis that belonged to another question.
    out_of_step,
    /// Calls of Redis that took too long.
    timeouts,
    /// Calls that Redis refused, or whose connection broke.
    errors,
    /// Writes before which Redis could not be told, so that everybody's answers were left behind.
    silent_writes,
    /// Alarm: writes before which nobody could be told. What is stale stays so up to its ttl.
    unannounced,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
