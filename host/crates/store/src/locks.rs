//! Numbers of the advisory locks that the store takes. The list of all is `applet_datasource::locks`.

use applet_types::OperationId;

/// Migrating the host's own tables.
pub(crate) const MIGRATE: (i32, i32) = (0x4148, 2);

/// Sealing the audit trail; tried and never awaited.
pub(crate) const SEAL_AUDIT: (i32, i32) = (0x4148, 20);

/// First half of the numbers of locks that say "a process works on this operation".
pub(crate) const OPERATION: i32 = 0x414A;

/// First half of the numbers of locks that say "this session changes tables for this operation". Shared, and
/// so never waited for.
pub(crate) const WORK: i32 = 0x414B;

/// The second half: the last 32 bits of the operation's id, which are random. Two operations that share
/// them are worked on one after the other, nothing worse.
pub(crate) fn operation(id: OperationId) -> i32 {
    let [.., a, b, c, d] = id.as_uuid().into_bytes();
    i32::from_be_bytes([a, b, c, d])
}
