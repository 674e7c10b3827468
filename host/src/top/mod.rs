//! `applet top`: what is going on inside hosts that serve.
//!
//! A host that serves has a socket in the folder `top` of its data directory, which only its own user may
//! enter, and tells everybody who gets there its numbers. *Invariant:* no tenant gets there: nothing of this
//! is reachable over the network, and nothing but numbers and ids is told.
//!
//! Start reading at [`door`] (the host's side), then [`ask`] and [`view`].

mod ask;
mod door;
mod view;

use std::net::SocketAddr;

use applet_accounts::Reading;
use serde::{Deserialize, Serialize};

pub(crate) use ask::{circuits, hosts};
pub(crate) use door::Door;
pub(crate) use view::{Filter, View};

/// The folder of sockets, in the data directory.
const FOLDER: &str = "top";

/// What a host tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostReading {
    /// Its process.
    pub(crate) process: u32,
    /// Where it listens.
    pub(crate) listening: SocketAddr,
    /// Its sessions, all applets together.
    pub(crate) sessions: Sessions,
    /// Its accounts.
    pub(crate) accounts: Reading,
}

/// Sessions of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sessions {
    /// Open at the server.
    pub(crate) open: usize,
    /// Working for somebody.
    pub(crate) in_use: usize,
    /// Statements that wait for one.
    pub(crate) waiting: usize,
}
