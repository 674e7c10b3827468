//! `applet cache`: what keeps answers of reads, and leaving them behind.

use std::process::ExitCode;

use applet_proxy::Transport;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Place;
use crate::opening::{self, Purpose};
use crate::output::{CommandError, Output};

/// Shows or clears the read cache.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet cache status --redis-url redis://127.0.0.1
  applet cache clear
  applet --json cache clear --database-url postgres://postgres@localhost/crm")]
pub(crate) struct Cache {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Says where answers are kept, and whether that works.
    Status(Place),
    /// Leaves everything behind that any host on this database has cached.
    Clear(Place),
}

impl Cache {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        match self.what {
            What::Status(place) => {
                let report = report(&place).await?;
                output.result(&report.value, report.text);
                Ok(if report.works { ExitCode::SUCCESS } else { ExitCode::from(1) })
            }
            What::Clear(place) => {
                let host = place.open(Purpose::default(), output).await?;
                let cleared = host.cache.clear().await;
                host.close().await?;
                if !cleared {
                    return Err(CommandError::usage(
                        "the cache could not be cleared: the database did not answer",
                    ));
                }
                output.result(&json!({ "cleared": true }), "every cached answer is left behind");
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// What is to be said of the cache.
pub(crate) struct Report {
    pub(crate) value: serde_json::Value,
    pub(crate) text: String,
    pub(crate) works: bool,
    /// What somebody should do about the way there.
    pub(crate) problems: Vec<String>,
}

/// Looks at what would be used.
pub(crate) async fn report(place: &Place) -> Result<Report, CommandError> {
    let Some(redis) = opening::redis(&place.configuration()?)? else {
        let text = "reads are cached in memory, by one host alone; several need --redis-url".to_owned();
        let value = json!({ "kind": "memory" });
        return Ok(Report { value, text, works: true, problems: Vec::new() });
    };
    let problems: Vec<String> = redis.transports().iter().filter_map(Transport::problem).collect();
    Ok(match redis.version().await {
        Ok(version) => {
            let ways: Vec<String> = redis.transports().iter().map(Transport::to_string).collect();
            Report {
                text: format!("reads are cached in redis {version}, over {}", ways.join(" and ")),
                value: json!({ "kind": "redis", "version": version, "transports": redis.transports() }),
                works: true,
                problems,
            }
        }
        Err(why) => Report {
            text: format!("REDIS DOES NOT ANSWER: nothing is cached, applets run without. {why}"),
            value: json!({ "kind": "redis", "version": null, "problem": why }),
            works: false,
            problems,
        },
    })
}
