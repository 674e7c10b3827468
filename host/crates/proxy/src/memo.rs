//! Statements that the gate has judged before.
//!
//! *Invariant:* an entry is used only for the very text it was made for, under the same grants, limits and
//! walls: the full text is compared on every hit, because a hash alone could be made to collide. A memo
//! belongs to one catalogue and is thrown away with it.
//!
//! Each set of grants has a budget of its own, so that an applet which sends ever new texts forgets its own
//! statements and nobody else's.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use applet_catalog::Catalog;
use applet_gate::{ColumnUse, ScopeContext, ScopedStatement, Wall, columns, scope};
use applet_types::{AppletId, Failure, GrantsDigest, Invocation, StatementLimits};

/// Bytes that the newer half of one set's statements may take.
const HALF_BUDGET: usize = 512 << 10;
/// Sets of grants remembered in the newer half.
const HALF_SETS: usize = 512;
/// What an entry takes besides its texts.
const ENTRY_BYTES: usize = 512;

type Verdict = Result<Arc<ScopedStatement>, Failure>;

/// The verdicts for one set of grants, by text.
type Statements = Arc<Mutex<Halves<Arc<str>, Verdict>>>;

/// Everything that a verdict depends on besides the text and the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Circumstances {
    applet: AppletId,
    grants: GrantsDigest,
    limits: StatementLimits,
}

/// A catalogue, and what was judged with it.
#[derive(Debug)]
pub(crate) struct Judge {
    catalog: Arc<Catalog>,
    /// Made when it is first asked for.
    catalog_digest: OnceLock<String>,
    /// Counts the schemas that this proxy has seen.
    era: u64,
    wall: Wall,
    allow_global_keys: bool,
    sets: Mutex<Halves<Circumstances, Statements>>,
}

impl Judge {
    pub(crate) fn new(catalog: Arc<Catalog>, wall: Wall, allow_global_keys: bool) -> Self {
        let (catalog_digest, sets) = (OnceLock::new(), Mutex::new(Halves::default()));
        Self { catalog, catalog_digest, era: 0, wall, allow_global_keys, sets }
    }

    /// One for another catalogue, or for the same one read again; `digest` is that catalogue's.
    pub(crate) fn after(&self, catalog: Arc<Catalog>, digest: String) -> Self {
        let era = if digest == self.catalog_digest() { self.era } else { self.era + 1 };
        let next = Self::new(catalog, self.wall, self.allow_global_keys);
        Self { era, catalog_digest: digest.into(), ..next }
    }

    /// Tells one schema from the next.
    pub(crate) const fn era(&self) -> u64 {
        self.era
    }

    /// The digest of the catalogue: what an answer depends on besides its statement.
    pub(crate) fn catalog_digest(&self) -> &str {
        self.catalog_digest.get_or_init(|| self.catalog.digest())
    }

    pub(crate) const fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// What the gate says of this text, for this invocation's grants and limits.
    pub(crate) fn scope(&self, call: &Invocation, sql: &str) -> Verdict {
        let statements = self.statements(call);
        if let Some(verdict) = statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql, HALF_BUDGET)
        {
            return verdict;
        }
        let verdict = scope(sql, &self.context(call)).map(Arc::new);
        let size = ENTRY_BYTES + sql.len() * 2 + verdict.as_ref().map_or(0, |scoped| scoped.text().len());
        // A text that is too large for the gate is cheap to refuse again and dear to keep.
        if size <= HALF_BUDGET / 4 {
            let mut statements = statements.lock().unwrap_or_else(PoisonError::into_inner);
            statements.insert(Arc::from(sql), verdict.clone(), size, HALF_BUDGET);
        }
        verdict
    }

    /// The columns that this text uses. Judged anew each time.
    pub(crate) fn columns(&self, call: &Invocation, sql: &str) -> Result<BTreeSet<ColumnUse>, Failure> {
        columns(sql, &self.context(call))
    }

    fn context<'a>(&'a self, call: &'a Invocation) -> ScopeContext<'a> {
        ScopeContext {
            grants: &call.grants,
            catalog: &self.catalog,
            limits: &call.limits.statement,
            wall: self.wall,
            allow_global_keys: self.allow_global_keys,
        }
    }

    fn statements(&self, call: &Invocation) -> Statements {
        let key = Circumstances {
            applet: call.applet.clone(),
            grants: call.grants.digest(),
            limits: call.limits.statement.clone(),
        };
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = sets.get(&key, HALF_SETS) {
            return found;
        }
        let fresh = Arc::new(Mutex::new(Halves::default()));
        sets.insert(key, Arc::clone(&fresh), 1, HALF_SETS);
        fresh
    }
}

/// A map that forgets what was not used lately: when the newer half is full it becomes the older one, and
/// the older one is dropped. A hit in the older half moves to the newer.
#[derive(Debug)]
struct Halves<K, V> {
    newer: HashMap<K, (V, usize)>,
    older: HashMap<K, (V, usize)>,
    size: usize,
}

impl<K, V> Default for Halves<K, V> {
    fn default() -> Self {
        Self { newer: HashMap::new(), older: HashMap::new(), size: 0 }
    }
}

impl<K: std::hash::Hash + Eq, V: Clone> Halves<K, V> {
    fn get<Q>(&mut self, key: &Q, budget: usize) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: std::hash::Hash + Eq + ?Sized,
    {
        if let Some((value, _)) = self.newer.get(key) {
            return Some(value.clone());
        }
        let (key, (value, size)) = self.older.remove_entry(key)?;
        self.insert(key, value.clone(), size, budget);
        Some(value)
    }

    fn insert(&mut self, key: K, value: V, size: usize, budget: usize) {
        if self.size + size > budget {
            self.older = std::mem::take(&mut self.newer);
            self.size = 0;
        }
        self.size += size;
        self.newer.insert(key, (value, size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g06_a_flood_of_new_keys_stays_within_the_budget() {
        let mut halves = Halves::default();
        halves.insert("kept".to_owned(), 0, 10, 100);
        for number in 1..1_000 {
            halves.insert(format!("text {number}"), number, 10, 100);
            assert_eq!(halves.get("kept", 100), Some(0), "what is used stays");
            assert!(halves.newer.len() + halves.older.len() <= 20);
        }
        assert_eq!(halves.get("text 1", 100), None);
    }
}
