//! The other side: reads the lines of every host of a data directory.

use std::io;
use std::path::Path;
use std::time::Duration;

use applet_types::{AppletId, TenantId};
use tokio::io::{AsyncBufReadExt, BufReader, Lines as TextLines};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::door::Greeting;
use super::{FOLDER, Level, Line};
use crate::socket;

/// How long a host may take to tell what it has kept.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lines on their way to the terminal.
const UNDERWAY: usize = 256;

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Of this applet.
    pub applet: Option<AppletId>,
    /// For this tenant.
    pub tenant: Option<TenantId>,
    /// At least this important.
    pub level: Option<Level>,
}

impl Asked {
    /// Whether a line is one of them.
    pub fn wants(&self, line: &Line) -> bool {
        self.applet.as_ref().is_none_or(|applet| *applet == line.applet)
            && self.tenant.is_none_or(|tenant| tenant == line.tenant)
            && self.level.is_none_or(|level| line.level >= level)
    }
}

/// What hosts have kept, and a way to hear what comes next.
pub struct Heard {
    /// Of all hosts, in the order of time.
    pub kept: Vec<Line>,
    /// Every later line, until the last host has ended.
    pub news: mpsc::Receiver<Line>,
}

/// Listens to every host that serves from this data directory. `None` when there is none.
pub async fn listen(directory: &Path) -> Option<Heard> {
    let (teller, news) = mpsc::channel(UNDERWAY);
    let mut kept = Vec::new();
    let mut any = false;
    for path in socket::all(&directory.join(FOLDER)) {
        // One that ends meanwhile is left out.
        let Ok(Ok((lines, mut rest))) = timeout(PATIENCE, greet(&path)).await else { continue };
        any = true;
        kept.extend(lines);
        let teller = teller.clone();
        tokio::spawn(async move {
            while let Ok(Some(text)) = rest.next_line().await {
                let Ok(line) = serde_json::from_str(&text) else { continue };
                if teller.send(line).await.is_err() {
                    return;
                }
            }
        });
    }
    kept.sort_by_key(|line| line.at);
    any.then_some(Heard { kept, news })
}

async fn greet(path: &Path) -> io::Result<(Vec<Line>, TextLines<BufReader<UnixStream>>)> {
    let mut lines = BufReader::new(UnixStream::connect(path).await?).lines();
    let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let Greeting { kept } = serde_json::from_str(&lines.next_line().await?.ok_or_else(ended)?)?;
    let mut told = Vec::new();
    for _ in 0..kept {
        told.push(serde_json::from_str(&lines.next_line().await?.ok_or_else(ended)?)?);
    }
    Ok((told, lines))
}
