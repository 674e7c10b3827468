//! The other side: asks every host of a data directory.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use applet_accounts::CircuitState;
use applet_types::InstallationId;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{FOLDER, HostReading};
use crate::socket;

/// How long a host may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer: far above a hundred thousand installations.
const LARGEST: u64 = 256 << 20;

/// What every host that serves from this data directory tells, by its socket. One that ends meanwhile is left
/// out.
pub(crate) async fn hosts(directory: &Path) -> Vec<(PathBuf, HostReading)> {
    let mut hosts = Vec::new();
    for path in socket::all(&directory.join(FOLDER)) {
        if let Ok(Ok(reading)) = timeout(PATIENCE, ask(&path)).await {
            hosts.push((path, reading));
        }
    }
    hosts
}

async fn ask(socket: &Path) -> io::Result<HostReading> {
    let mut answer = Vec::new();
    UnixStream::connect(socket).await?.take(LARGEST).read_to_end(&mut answer).await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// Where the circuits of installations stand on the hosts of this data directory; of several hosts the worst.
/// Of those that are not in it, none has been called of late.
pub(crate) async fn circuits(directory: &Path) -> HashMap<InstallationId, CircuitState> {
    let mut circuits = HashMap::new();
    for (_, host) in hosts(directory).await {
        for reading in host.accounts.installations {
            let known = circuits.entry(reading.whose.installation).or_insert(reading.circuit.state);
            *known = (*known).max(reading.circuit.state);
        }
    }
    circuits
}
