//! Statements that a session has prepared, by their full text.

use std::collections::HashMap;
use std::sync::Arc;

use applet_types::Column;

use crate::values::Decoder;

/// A statement that the server has parsed: what it takes and what it gives.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its name on the server.
    pub(crate) name: String,
    /// The type of each parameter, `$1` first.
    pub(crate) parameters: Vec<u32>,
    /// What a guest is told about the columns.
    pub(crate) columns: Arc<[Column]>,
    /// How to read each column.
    pub(crate) decoders: Vec<Decoder>,
}

/// Least recently used statements are closed beyond the capacity.
#[derive(Debug)]
pub(super) struct StatementCache {
    capacity: usize,
    next_name: u64,
    clock: u64,
    entries: HashMap<Arc<str>, Entry>,
}

#[derive(Debug)]
struct Entry {
    prepared: Arc<Prepared>,
    used: u64,
}

impl StatementCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), next_name: 0, clock: 0, entries: HashMap::new() }
    }

    /// The statement of exactly this text.
    pub(super) fn get(&mut self, text: &str) -> Option<Arc<Prepared>> {
        self.clock += 1;
        let entry = self.entries.get_mut(text)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.prepared))
    }

    /// A name that this session has never used.
    pub(super) fn fresh_name(&mut self) -> String {
        self.next_name += 1;
        format!("s{}", self.next_name)
    }

    /// Gives up the least recently used statements until another one fits. They must be closed on the
    /// server.
    pub(super) fn make_room(&mut self) -> Vec<Arc<Prepared>> {
        let mut evicted = Vec::new();
        while self.entries.len() >= self.capacity {
            let oldest =
                self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(text, _)| Arc::clone(text));
            let Some(entry) = oldest.and_then(|text| self.entries.remove(&text)) else { break };
            evicted.push(entry.prepared);
        }
        evicted
    }

    /// Gives up all of them. They must be closed on the server.
    pub(super) fn forget(&mut self) -> Vec<Arc<Prepared>> {
        self.entries.drain().map(|(_, entry)| entry.prepared).collect()
    }

    /// Keeps a statement.
    pub(super) fn insert(&mut self, text: &str, prepared: Arc<Prepared>) {
        self.clock += 1;
        self.entries.insert(Arc::from(text), Entry { prepared, used: self.clock });
    }
}
