//! Time and chance, for invocations that are recorded or played again.
//!
//! A guest that gets the same answers, the same time and the same chance does the same: the rest of an instance is
//! its own memory. So a recorded invocation has chance from a seed that is kept, and its clocks are asked by way of
//! whoever records.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use applet_types::Invocation;
use rand::TryRng;
use sha2::{Digest, Sha256};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Says what an invocation's clocks show.
pub trait Clocks: Send + Sync {
    /// The wall clock is read, and would show this: milliseconds since 1970.
    fn wall(&self, milliseconds: u64) -> u64;

    /// The monotonic clock is read, and would show this: nanoseconds.
    fn monotonic(&self, nanoseconds: u64) -> u64;
}

/// What one invocation has instead of this machine's time and chance.
#[derive(Clone)]
pub struct Given {
    /// All of its chance comes from here.
    pub seed: [u8; 32],
    /// Its clocks.
    pub clocks: Arc<dyn Clocks>,
}

/// Knows which invocations are recorded or played again. Those run in a fresh instance, that serves no other.
pub trait Nature: Send + Sync {
    /// What this one is given, if it is one of them.
    fn given(&self, call: &Invocation) -> Option<Given>;
}

/// Has a context's chance and clocks come from there.
pub(crate) fn give<W, M>(builder: &mut WasiCtxBuilder, given: &Given, wall: W, monotonic: M)
where
    W: HostWallClock + 'static,
    M: HostMonotonicClock + 'static,
{
    let seed = Drawn::from(given.seed, "insecure seed").number();
    builder
        .secure_random(Drawn::from(given.seed, "secure"))
        .insecure_random(Drawn::from(given.seed, "insecure"))
        .insecure_random_seed(u128::from(seed))
        .wall_clock(Told { clock: wall, clocks: Arc::clone(&given.clocks) })
        .monotonic_clock(Told { clock: monotonic, clocks: Arc::clone(&given.clocks) });
}

/// A clock, read by way of somebody.
struct Told<C> {
    clock: C,
    clocks: Arc<dyn Clocks>,
}

impl<C: HostWallClock> HostWallClock for Told<C> {
    fn resolution(&self) -> Duration {
        self.clock.resolution()
    }

    fn now(&self) -> Duration {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.clocks.wall(now))
    }
}

impl<C: HostMonotonicClock> HostMonotonicClock for Told<C> {
    fn resolution(&self) -> u64 {
        self.clock.resolution()
    }

    fn now(&self) -> u64 {
        self.clocks.monotonic(self.clock.now())
    }
}

/// Random bytes from a seed: SHA-256 of the seed and a counter. As good as the seed, and the same with every
/// version of every library, so that a recording can be played after an upgrade.
struct Drawn {
    root: [u8; 32],
    block: u64,
    bytes: [u8; 32],
    used: usize,
}

impl Drawn {
    fn from(seed: [u8; 32], purpose: &str) -> Self {
        let root = Sha256::new().chain_update(seed).chain_update(purpose).finalize().into();
        Self { root, block: 0, bytes: [0; 32], used: 32 }
    }

    fn byte(&mut self) -> u8 {
        if self.used >= self.bytes.len() {
            self.bytes = Sha256::new()
                .chain_update(self.root)
                .chain_update(self.block.to_be_bytes())
                .finalize()
                .into();
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        let byte = self.bytes.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        byte
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(std::array::from_fn(|_| self.byte())))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.number())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.byte());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_chance_from_a_seed_is_the_same_again_and_another_for_each_purpose() {
        let draw = |seed: u8, purpose| Drawn::from([seed; 32], purpose).number();
        assert_eq!(draw(1, "secure"), draw(1, "secure"));
        assert_ne!(draw(1, "secure"), draw(2, "secure"));
        assert_ne!(draw(1, "secure"), draw(1, "insecure"));
        let mut bytes = [0; 100];
        Drawn::from([1; 32], "secure").try_fill_bytes(&mut bytes).unwrap();
        assert!(bytes.chunks(10).all(|part| part.iter().any(|byte| *byte != bytes[0])));
        // Recordings of earlier versions of this program are played by later ones.
        assert_eq!(draw(0, "secure"), GOLDEN);
    }

    const GOLDEN: u64 = 5_805_746_677_304_964_084;
}
