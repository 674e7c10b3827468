//! Packages: the `.applet` file, its digest, signatures over it, where one came from, and what an operator
//! lets onto a host.
//!
//! *Invariants:* a package file is hostile input. It is read in place, strictly, with work and memory bounded
//! by its own size and [`MOST_PARTS`]; there is one sequence of bytes for each content, and any other is
//! refused. Does no I/O, reads no clock, draws no random number.
//!
//! Start reading at [`Package`], then [`InstallPolicy`].

mod digest;
mod fault;
mod format;
mod policy;
mod reference;
mod signing;
mod source;

pub use digest::{AppletDigest, AssetRecord, InvalidDigest, Sha256Digest};
pub use fault::PackageFault;
pub use format::{Asset, MOST_PARTS, MOST_SIGNATURES, Package, PackageLimits, signers};
pub use policy::{Candidate, InstallPolicy, PolicyFault, PolicyRefusal, PolicyTexts};
pub use reference::{InvalidReference, Reference, Repository};
pub use signing::{InvalidKey, PrivateKey, PublicKey, Signature};
pub use source::Source;
