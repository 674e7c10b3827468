//! The host's side: a socket that answers with one line of JSON and hangs up.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_accounts::Accounts;
use applet_proxy::Proxy;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::{FOLDER, HostReading, Sessions};
use crate::output::CommandError;
use crate::socket;

/// How long a reader may take. They come one by one, and are the operator's own.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long nobody is let in after the socket failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Open until it is dropped.
pub(crate) struct Door {
    path: PathBuf,
    task: AbortHandle,
}

impl Door {
    /// Opens a door in the data directory.
    pub(crate) fn open(
        directory: &Path,
        accounts: Arc<Accounts>,
        proxy: Proxy,
        listening: SocketAddr,
    ) -> Result<Self, CommandError> {
        let (path, listener) = socket::open(&directory.join(FOLDER))?;
        let process = std::process::id();
        let read = move || {
            let status = proxy.status();
            let sessions = Sessions { open: status.open, in_use: status.in_use, waiting: status.waiting };
            HostReading { process, listening, sessions, accounts: accounts.reading(Instant::now()) }
        };
        let task = tokio::spawn(answer(listener, read)).abort_handle();
        Ok(Self { path, task })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        // One that stays is removed by the next host.
        let _gone = std::fs::remove_file(&self.path);
    }
}

async fn answer(listener: UnixListener, read: impl Fn() -> HostReading) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let told = timeout(PATIENCE, tell(stream, &read())).await;
                if !matches!(told, Ok(Ok(()))) {
                    tracing::debug!("somebody who asked for numbers went away");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "`applet top` cannot be answered");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn tell(mut stream: UnixStream, reading: &HostReading) -> io::Result<()> {
    let mut line = serde_json::to_vec(reading)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}
