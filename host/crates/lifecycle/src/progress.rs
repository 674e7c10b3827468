//! Telling somebody how far a long operation has come.

/// Hears of every step before it is taken.
pub trait Progress: Send + Sync {
    /// Step `step` of `of` begins, counted from one.
    fn step(&self, step: u32, of: u32, what: &str);

    /// So many rows of a table are done, of so many.
    fn rows(&self, table: &str, done: u64, of: u64) {
        let _ = (table, done, of);
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _step: u32, _of: u32, _what: &str) {}
}
