//! The host's side: a socket that tells what is kept, and then every new line.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::{FOLDER, Lines};
use crate::HostError;
use crate::socket;

/// How long a reader may take for one line.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nobody is let in after the socket failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Readers at once. They are the operator's own.
const MOST_READERS: usize = 16;

/// The first line that a reader gets: how many of those that follow were kept.
#[derive(Debug, serde::Deserialize, Serialize)]
pub(super) struct Greeting {
    pub(super) kept: usize,
}

/// Open until it is dropped.
pub struct LogDoor {
    path: PathBuf,
    task: AbortHandle,
}

impl LogDoor {
    /// Opens a door in the data directory.
    pub fn open(directory: &Path, lines: Lines) -> Result<Self, HostError> {
        let (path, listener) = socket::open(&directory.join(FOLDER))?;
        let task = tokio::spawn(answer(listener, lines)).abort_handle();
        Ok(Self { path, task })
    }
}

impl Drop for LogDoor {
    fn drop(&mut self) {
        self.task.abort();
        // One that stays is removed by the next host.
        let _gone = std::fs::remove_file(&self.path);
    }
}

async fn answer(listener: UnixListener, lines: Lines) {
    let mut readers = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while readers.try_join_next().is_some() {}
                if readers.len() < MOST_READERS {
                    let lines = lines.clone();
                    readers.spawn(async move {
                        if let Err(error) = tell(stream, &lines).await {
                            tracing::debug!(%error, "somebody who read applets' logs went away");
                        }
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "`applet logs` cannot be answered");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn tell(mut stream: UnixStream, lines: &Lines) -> io::Result<()> {
    let (kept, mut news) = lines.follow();
    write(&mut stream, &Greeting { kept: kept.len() }).await?;
    for line in kept {
        write(&mut stream, &*line).await?;
    }
    loop {
        match news.recv().await {
            Ok(line) => write(&mut stream, &*line).await?,
            // A reader that is slower than the applets misses lines; the host does not wait for it.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return stream.shutdown().await,
        }
    }
}

async fn write(stream: &mut UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    timeout(PATIENCE, stream.write_all(&text)).await?
}
