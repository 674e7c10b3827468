//! What a host does for its audit trail beside recording: sealing it while it serves, and keeping signed
//! heads of its chains in the data directory, where who only has the database cannot reach them.
//!
//! Start reading at `sealing.rs`.

mod export;
mod heads;
mod key;
mod sealing;

pub use export::{check_file, export};
pub use heads::{SignedHeads, sign_heads};
pub use key::{audit_key, public_key};
pub use sealing::{LEASE, Sealing, seal_at_the_end};
