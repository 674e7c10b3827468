//! `applet logs`: what applets write to their logs, kept for a while and told to the operator.
//!
//! A host that serves keeps the last lines in memory and has a socket in the folder `logs` of its data
//! directory, which only its own user may enter: a line may hold whatever an applet knows of a tenant.
//! Besides, every line goes to the host's own log under the target `applet`.
//!
//! Start reading at [`Lines`], then [`door`] (the host's side) and [`ask`].

mod ask;
mod door;

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use applet_runtime::{GuestLog, GuestLogLevel, TracingLog};
use applet_types::{AppletId, Invocation, RequestId, TenantId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

pub use ask::{Asked, listen};
pub use door::LogDoor;

/// The folder of sockets, in the data directory.
pub const FOLDER: &str = "logs";

/// Lines kept.
const MOST_LINES: usize = 2_000;
/// Bytes of text kept.
const MOST_BYTES: usize = 4 << 20;
/// Lines that a slow reader may be behind before it misses some.
const BEHIND: usize = 1_024;

/// How important an applet finds its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Details for the developer.
    Debug,
    /// What happens normally.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// All of them, the least important first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let level = Self::ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| format!("`{text}` is not a level: debug, info, warn, error"))
    }
}

impl From<GuestLogLevel> for Level {
    fn from(level: GuestLogLevel) -> Self {
        match level {
            GuestLogLevel::Debug => Self::Debug,
            GuestLogLevel::Info => Self::Info,
            GuestLogLevel::Warn => Self::Warn,
            GuestLogLevel::Error => Self::Error,
        }
    }
}

/// A line that an applet wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: DateTime<Utc>,
    /// In which invocation.
    pub request: RequestId,
    /// Which applet.
    pub applet: AppletId,
    /// For which tenant.
    pub tenant: TenantId,
    /// How important.
    pub level: Level,
    /// Its text; control characters are escaped.
    pub text: String,
}

/// The last lines of all applets on this host. Cheap to clone.
#[derive(Clone)]
pub struct Lines {
    kept: Arc<Mutex<Kept>>,
    news: broadcast::Sender<Arc<Line>>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { kept: Arc::default(), news: broadcast::Sender::new(BEHIND) }
    }
}

impl Lines {
    /// What is kept, the oldest first, and everything that comes after.
    pub fn follow(&self) -> (Vec<Arc<Line>>, broadcast::Receiver<Arc<Line>>) {
        // Both under one lock, so that no line is told twice or not at all.
        let kept = self.kept();
        (kept.lines.iter().cloned().collect(), self.news.subscribe())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: Line) {
        let line = Arc::new(line);
        let mut kept = self.kept();
        kept.bytes += line.text.len();
        kept.lines.push_back(Arc::clone(&line));
        while kept.lines.len() > MOST_LINES || kept.bytes > MOST_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(oldest.text.len());
        }
        // Nobody may be listening.
        let _unheard = self.news.send(line);
    }
}

impl GuestLog for Lines {
    fn line(&self, call: &Invocation, level: GuestLogLevel, text: &str) {
        TracingLog.line(call, level, text);
        self.add(Line {
            at: Utc::now(),
            request: call.request,
            applet: call.applet.clone(),
            tenant: call.tenant,
            level: level.into(),
            text: text.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn line(text: &str) -> Line {
        Line {
            at: DateTime::UNIX_EPOCH,
            request: RequestId::new(Uuid::nil()),
            applet: "notes".parse().unwrap(),
            tenant: TenantId::new(Uuid::nil()),
            level: Level::Info,
            text: text.to_owned(),
        }
    }

    #[test]
    fn f13_the_oldest_lines_make_room() {
        let lines = Lines::default();
        for number in 0..MOST_LINES + 10 {
            lines.add(line(&number.to_string()));
        }
        let (kept, _) = lines.follow();
        assert_eq!((kept.len(), kept[0].text.as_str()), (MOST_LINES, "10"));

        let long = "x".repeat(MOST_BYTES / 2);
        for _ in 0..5 {
            lines.add(line(&long));
        }
        assert_eq!(lines.follow().0.len(), 2, "bytes are bounded as well");
    }

    #[tokio::test]
    async fn f13_who_follows_misses_nothing_and_hears_nothing_twice() {
        let lines = Lines::default();
        lines.add(line("before"));
        let (kept, mut news) = lines.follow();
        lines.add(line("after"));
        assert_eq!(kept.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["before"]);
        assert_eq!(news.recv().await.unwrap().text, "after");
    }
}
