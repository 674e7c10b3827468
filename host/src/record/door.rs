//! The host's side of `applet record`: a socket in the folder `record` of the data directory, there only where the
//! operator allows recording. Whoever comes in shows a token of the tenant, an admin's or the platform's; the order
//! stands as long as the connection does.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use applet_api::token::Verifier;
use applet_types::{AppletId, Role};
use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::{Folder, ORDER_BYTES, Order, Recorder};
use applet_wiring::socket;

use crate::output::CommandError;

/// The folder of sockets, in the data directory.
pub(crate) const FOLDER: &str = "record";
/// The folder of recordings, in the data directory.
pub(crate) const RECORDINGS: &str = "recordings";
/// The most calls of one order.
pub(crate) const MOST_CALLS: u32 = 100;
/// The longest that an order stands, in seconds.
pub(crate) const MOST_SECONDS: u32 = 3_600;
/// The longest that a recording may be kept, in days.
pub(crate) const MOST_DAYS: u32 = 90;
/// Orders at once.
const MOST_ORDERS: usize = 4;
/// Bytes of what is asked for.
const LONGEST_ASK: u64 = 16 << 10;
/// How long a reader may take for one recording.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long nobody is let in after the socket failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks for recordings that may be kept no longer.
const CLEAN_EVERY: Duration = Duration::from_secs(600);

/// What is asked for. Not to be printed: it has a token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    pub(crate) token: String,
    pub(crate) applet: AppletId,
    pub(crate) calls: u32,
    pub(crate) seconds: u32,
    pub(crate) days: u32,
    pub(crate) redact: bool,
}

/// What comes back, line by line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Told {
    /// The order stands.
    Started,
    /// So many bytes of a recording follow.
    Recording { bytes: usize },
    /// A call could not be recorded.
    Missed { why: String },
    /// The order is over.
    Over,
    /// It is no order.
    Refused { code: String, message: String },
}

/// Open until it is dropped.
pub(crate) struct RecordDoor {
    path: PathBuf,
    task: AbortHandle,
}

impl RecordDoor {
    /// Opens a door in the data directory.
    pub(crate) fn open(
        directory: &Path,
        recorder: Recorder,
        verifier: Verifier,
    ) -> Result<Self, CommandError> {
        let kept = Folder::open(directory.join(RECORDINGS))?;
        let (path, listener) = socket::open(&directory.join(FOLDER))?;
        let task = tokio::spawn(async move {
            tokio::select! {
                () = answer(listener, recorder, verifier) => {}
                () = clean(kept) => {}
            }
        });
        Ok(Self { path, task: task.abort_handle() })
    }
}

impl Drop for RecordDoor {
    fn drop(&mut self) {
        self.task.abort();
        // One that stays is removed by the next host.
        let _gone = std::fs::remove_file(&self.path);
    }
}

async fn clean(kept: Folder) {
    loop {
        sleep(CLEAN_EVERY).await;
        kept.remove_expired(Utc::now());
    }
}

async fn answer(listener: UnixListener, recorder: Recorder, verifier: Verifier) {
    let verifier = std::sync::Arc::new(verifier);
    let mut orders = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while orders.try_join_next().is_some() {}
                let full = orders.len() >= MOST_ORDERS;
                let (recorder, verifier) = (recorder.clone(), std::sync::Arc::clone(&verifier));
                orders.spawn(async move {
                    if let Err(error) = serve(stream, &recorder, &verifier, full).await {
                        tracing::debug!(%error, "somebody who ordered recordings went away");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "`applet record` cannot be answered");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, recorder: &Recorder, verifier: &Verifier, full: bool) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut text = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST_ASK));
    timeout(PATIENCE, reader.read_line(&mut text)).await??;
    let order = match order(&text, verifier).and_then(|order| {
        let busy = ("busy", format!("{MOST_ORDERS} orders stand already"));
        if full { Err(busy) } else { Ok(order) }
    }) {
        Ok(order) => order,
        Err((code, message)) => {
            return tell(&mut writer, &Told::Refused { code: code.to_owned(), message }).await;
        }
    };
    tracing::info!(tenant = ?order.tenant, applet = ?order.applet, by = ?order.by, calls = order.calls, "recording was switched on");
    let done = hand_over(&mut writer, reader.into_inner().into_inner(), recorder, order).await;
    tracing::info!("recording was switched off");
    done
}

async fn hand_over(
    writer: &mut OwnedWriteHalf,
    mut reader: OwnedReadHalf,
    recorder: &Recorder,
    order: Order,
) -> io::Result<()> {
    let until = order.until.unwrap_or_else(Instant::now);
    let mut left = order.calls;
    let mut taken = recorder.order(order);
    tell(writer, &Told::Started).await?;
    let mut nothing = [0];
    while left > 0 {
        let next = tokio::select! {
            next = taken.recv() => next,
            () = tokio::time::sleep_until(until.into()) => None,
            // Whoever ordered says nothing more: a word, or the end of the connection, is the end of the order.
            _gone = reader.read(&mut nothing) => return Ok(()),
        };
        left -= 1;
        match next {
            Some(Ok(recording)) => match recording.to_bytes() {
                Ok(bytes) => {
                    tell(writer, &Told::Recording { bytes: bytes.len() }).await?;
                    timeout(PATIENCE, writer.write_all(&bytes)).await??;
                }
                Err(fault) => tell(writer, &Told::Missed { why: fault.to_string() }).await?,
            },
            Some(Err(why)) => tell(writer, &Told::Missed { why }).await?,
            None => break,
        }
    }
    tell(writer, &Told::Over).await
}

async fn tell(writer: &mut OwnedWriteHalf, told: &Told) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await?
}

/// The tenant comes from the token and from nowhere else.
fn order(text: &str, verifier: &Verifier) -> Result<Order, (&'static str, String)> {
    let ask: Ask =
        serde_json::from_str(text).map_err(|error| ("bad-order", format!("this is no order: {error}")))?;
    let caller = verifier.verify(&ask.token).map_err(|error| ("bad-token", error.to_string()))?;
    match caller.role {
        Role::Admin | Role::Platform => {}
        Role::Member => {
            let why = "a recording holds the tenant's rows: it takes a token of an admin or of the platform";
            return Err(("forbidden", why.to_owned()));
        }
    }
    let most = [(ask.calls, MOST_CALLS), (ask.seconds, MOST_SECONDS), (ask.days, MOST_DAYS)];
    if let Some((_, most)) = most.into_iter().find(|(asked, most)| asked > most || *asked == 0) {
        return Err(("bad-order", format!("calls, seconds and days are bounded: from 1 to {most} here")));
    }
    Ok(Order {
        tenant: Some(caller.tenant),
        applet: Some(ask.applet),
        calls: ask.calls,
        bytes: ORDER_BYTES,
        until: Some(Instant::now() + Duration::from_secs(ask.seconds.into())),
        redact: ask.redact,
        keep: Some(TimeDelta::days(ask.days.into())),
        by: caller.actor().user(),
    })
}
