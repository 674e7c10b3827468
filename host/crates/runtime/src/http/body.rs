//! The body of a response, in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that one write may have.
const WRITE_BYTES: usize = 64 << 10;

/// Bytes that all responses of one invocation may have together: a component may make many.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// A body that is being written. Its streams share it.
#[derive(Debug, Clone)]
pub(super) struct Body(Arc<Mutex<Written>>);

#[derive(Debug)]
struct Written {
    bytes: Vec<u8>,
    allowance: Allowance,
    /// Somebody wanted to write more than may be.
    overflown: bool,
}

/// The body is longer than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Body {
    /// An empty one.
    pub(super) fn new(allowance: Allowance) -> Self {
        Self(Arc::new(Mutex::new(Written { bytes: Vec::new(), allowance, overflown: false })))
    }

    /// What was written, unless it was too much.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, TooLong> {
        let written = self.lock();
        if written.overflown { Err(TooLong) } else { Ok(written.bytes.clone()) }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {}
}

impl OutputStream for Body {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut written = self.lock();
        if !written.allowance.take(bytes.len()) {
            written.overflown = true;
            return Err(StreamError::Closed);
        }
        written.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let mut written = self.lock();
        match written.allowance.left() {
            // A component that is done does not ask.
            0 => {
                written.overflown = true;
                Err(StreamError::Closed)
            }
            left => Ok(left.min(WRITE_BYTES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: F15
    #[test]
    fn f15_a_body_that_is_too_long_is_an_error_and_not_a_shorter_body() {
        let allowance = Allowance::of(5);
        let (body, other) = (Body::new(allowance.clone()), Body::new(allowance));
        body.clone().write(Bytes::from_static(b"abcd")).unwrap();
        assert_eq!(body.bytes(), Ok(b"abcd".to_vec()));
        assert!(other.clone().write(Bytes::from_static(b"ef")).is_err(), "all bodies count together");
        assert_eq!(other.bytes(), Err(TooLong));
        other.clone().write(Bytes::from_static(b"e")).unwrap();
        assert!(other.clone().check_write().is_err());
        assert_eq!(other.bytes(), Err(TooLong), "it stays too long");
    }
}
