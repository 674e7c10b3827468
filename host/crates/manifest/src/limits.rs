//! How large a manifest, and what it declares, may be.

/// Bounds with the defaults of `host/docs/limits.md`; only the operator may raise those that can be raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestLimits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Nesting of lists and mappings.
    pub depth: usize,
    /// Scalars, lists and mappings in all, keys included.
    pub nodes: usize,
    /// Own tables (at most 200).
    pub tables: usize,
    /// Columns of an own table (at most 100).
    pub columns: usize,
    /// Indexes of an own table, the primary key not counted.
    pub indexes: usize,
    /// Foreign keys of an own table, the one to `tenants` not counted.
    pub foreign_keys: usize,
    /// Entries of a permission list, and named hooks.
    pub entries: usize,
}

impl Default for ManifestLimits {
    fn default() -> Self {
        Self {
            bytes: 256 << 10,
            depth: 16,
            nodes: 20_000,
            tables: 20,
            columns: 60,
            indexes: 8,
            foreign_keys: 4,
            entries: 200,
        }
    }
}
