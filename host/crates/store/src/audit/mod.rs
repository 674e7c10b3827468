//! The audit trail, read and made evident (SPEC S4.67-69, F14). Its table and the function that writes it
//! belong to `applet-datasource`: a write's record is inserted by the write's own transaction.
//!
//! Afterwards [`Store::seal`] links the records of each tenant to a chain of hashes, in commit order, with
//! numbers without gaps; [`Store::verify_chain`] walks it. Writers of reads and denials number them;
//! [`Store::settle_writers`] turns numbers that never came into records of a gap.
//!
//! *Invariant:* nothing here changes or removes a record, and nothing but the sealer adds to the chain.
//! What the chain cannot show by itself (a tail cut off, a chain made anew) shows against signed heads that
//! are kept elsewhere: `proof.rs`.
//!
//! Start reading at `chain.rs`, then `seal.rs`.

mod chain;
mod entry;
mod export;
mod gaps;
mod proof;
mod read;
mod recorded;
mod refusal;
mod seal;
mod verify;

pub use chain::{ChainHash, Head};
pub use entry::{AuditEntry, Missing};
pub use export::{ExportFault, ExportHeader, ExportManifest, ExportRecord, ExportTrailer, check_export};
pub use gaps::AuditGap;
pub use proof::{AuditKey, AuditPublicKey, InvalidKey, SignedHead};
pub use read::AuditFilter;
pub use recorded::RecordedCall;
pub use refusal::Refusal;
pub use seal::Sealed;
pub use verify::{ChainFault, Step, Verification};

use applet_types::TenantId;
use uuid::Uuid;

/// Whose chain the host's own records are in: those of gaps, which belong to no tenant.
pub const HOST_CHAIN: TenantId = TenantId::new(Uuid::nil());
