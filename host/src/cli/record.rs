//! `applet record`: calls of an applet on hosts that serve, for `applet replay`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use applet_recording::{MOST_BYTES, Recording};
use applet_types::AppletId;
use clap::Args;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::operator::Operator;
use crate::output::{CommandError, Output};
use crate::record::door::{Ask, FOLDER, MOST_CALLS, MOST_DAYS, MOST_SECONDS, RECORDINGS, Told};
use crate::record::{Folder, is_expired};
use crate::{shutdown, socket};

/// Records the next calls of an applet, of one tenant, on the hosts that serve from this data directory.
///
/// A recording holds the tenant's rows. So the operator allows it (`applet serve --allow-recording`), a token of the
/// tenant's admin or of the platform orders it, every recorded call is in the tenant's audit trail, and the files are
/// for their owner alone and expire.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet record ai-chat --token \"$(applet token --tenant … --role admin)\"
  applet record ai-chat --calls 20 --for 600 --redact
  applet replay ~/…/recordings/20260101T120000-ai-chat-summary-0f3a….recording.jsonl
  applet audit --workspace …                              who had what recorded: operation `record`")]
pub(crate) struct Record {
    #[command(flatten)]
    operator: Operator,
    /// The applet.
    #[arg(value_name = "APPLET")]
    applet: AppletId,
    /// The next so many calls.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CALLS)))]
    calls: u32,
    /// No longer than this.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SECONDS)))]
    seconds: u32,
    /// How long the files may be kept.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    keep: u32,
    /// Without values: each is replaced by another of the same kind and length.
    #[arg(long)]
    redact: bool,
    /// The folder to write to [default: `recordings` in the data directory].
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

enum News {
    Started,
    Recording(Box<Recording>),
    Missed(String),
    Refused { code: String, message: String },
}

impl Record {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let directory = self.operator.place.directory()?;
        let folder = Folder::open(self.output.clone().unwrap_or_else(|| directory.join(RECORDINGS)))?;
        let (teller, mut news) = mpsc::channel(4);
        for path in socket::all(&directory.join(FOLDER)) {
            tokio::spawn(listen(path, self.ask(), teller.clone()));
        }
        drop(teller);
        let mut taken = 0;
        let (mut hosts, mut missed) = (0, 0);
        while taken + missed < self.calls {
            let next = tokio::select! {
                next = news.recv() => next,
                () = shutdown::requested() => None,
            };
            match next {
                Some(News::Started) => {
                    hosts += 1;
                    if !self.redact {
                        output.warning("what is recorded now holds rows of the tenant");
                    }
                    output.progress(format_args!("recording the next calls of {}", self.applet));
                }
                Some(News::Recording(recording)) => {
                    taken += 1;
                    keep(&folder, &recording, output)?;
                }
                Some(News::Missed(why)) => {
                    missed += 1;
                    output.warning(format_args!("a call was not recorded: {why}"));
                }
                Some(News::Refused { code, message }) => return Err(refused(&code, message)),
                None => break,
            }
        }
        if hosts == 0 {
            return Err(CommandError::refused(
                "no-host",
                "no host that serves here lets calls be recorded: the operator allows it with `applet serve \
                 --allow-recording`",
            ));
        }
        let words = if taken == 1 {
            "1 call was recorded".to_owned()
        } else {
            format!("{taken} calls were recorded")
        };
        output.result(&json!({ "ok": taken > 0, "recorded": taken, "missed": missed }), words);
        Ok(if taken > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn ask(&self) -> Ask {
        Ask {
            token: self.operator.token.clone(),
            applet: self.applet.clone(),
            calls: self.calls,
            seconds: self.seconds,
            days: self.keep,
            redact: self.redact,
        }
    }
}

fn refused(code: &str, message: String) -> CommandError {
    let known = ["forbidden", "bad-token", "busy"].into_iter().find(|known| *known == code);
    CommandError::refused(known.unwrap_or("bad-order"), message)
}

fn keep(folder: &Folder, recording: &Recording, output: Output) -> Result<(), CommandError> {
    if is_expired(&recording.head, chrono::Utc::now()) {
        return Ok(());
    }
    let file = folder.put(recording, usize::MAX)?;
    let head = &recording.head;
    output.result(
        &json!({ "event": "recorded", "file": file, "hook": head.hook, "request": head.request }),
        format_args!("recorded `{}` in {}", head.hook, file.display()),
    );
    Ok(())
}

/// Tells what one host tells, until it is over.
async fn listen(path: PathBuf, ask: Ask, teller: mpsc::Sender<News>) {
    // A host that ends meanwhile has nothing more to tell.
    let _gone = follow(&path, &ask, &teller).await;
}

async fn follow(path: &Path, ask: &Ask, teller: &mpsc::Sender<News>) -> io::Result<()> {
    let mut stream = BufReader::new(UnixStream::connect(path).await?);
    let mut text = serde_json::to_vec(ask)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let news = match serde_json::from_str(&line)? {
            Told::Started => News::Started,
            Told::Recording { bytes } if bytes <= MOST_BYTES => {
                let mut whole = vec![0; bytes];
                stream.read_exact(&mut whole).await?;
                match Recording::from_bytes(&whole) {
                    Ok(recording) => News::Recording(Box::new(recording)),
                    Err(fault) => News::Missed(fault.to_string()),
                }
            }
            Told::Recording { .. } => return Ok(()),
            Told::Missed { why } => News::Missed(why),
            Told::Refused { code, message } => News::Refused { code, message },
            Told::Over => return Ok(()),
        };
        if teller.send(news).await.is_err() {
            return Ok(());
        }
    }
}
