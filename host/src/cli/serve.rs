//! `applet serve`: hooks over HTTP.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use applet_api::token::Verifier;
use applet_wiring::Serving;
use clap::Args;
use clap::builder::BoolishValueParser;
use tokio::net::TcpListener;

use super::Place;
use super::install::Steps;
use crate::opening::{Purpose, told};
use crate::output::{CommandError, Output};
use crate::shutdown;
use crate::top::Door;

/// How long calls that run may take to end after a stop was asked for (G47).
const DRAIN: Duration = Duration::from_secs(10);

/// Serves hooks over HTTP until it is told to stop.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet serve
  applet serve --listen 127.0.0.1:9000 --database-url postgres://postgres@localhost/crm
  applet serve --config applet.yaml       limits and more from a file; `applet config` makes one
  curl -X POST -H \"Authorization: Bearer $(applet token --tenant … --role platform)\" \\
    http://127.0.0.1:8080/api/v2/workspaces/…/applets/ai-chat/hooks/summary")]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Place,
    /// Where to listen [default: 127.0.0.1:8080].
    #[arg(long, env = "APPLET_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Create the demo's CRM tables and its two tenants first.
    #[arg(long)]
    demo_data: bool,
    /// Serve even on a PostgreSQL with known security holes.
    #[arg(long, env = "APPLET_ALLOW_UNPATCHED", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    allow_unpatched: Option<bool>,
}

impl Serve {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let config = self.place.configuration()?.serve;
        let listen = self.listen.unwrap_or(config.listen);
        let verifier = self.place.token_key()?.verifier();
        let purpose = Purpose {
            serves: true,
            allow_unpatched: self.allow_unpatched.unwrap_or(config.allow_unpatched),
            demo_data: self.demo_data,
            ..Purpose::default()
        };
        let host = self.place.open(purpose, output).await?;
        let directory = self.place.directory()?;
        let serving = Serving::start(host, &directory, &output.into(), &Steps(output)).await?;
        let served = self.serve(listen, verifier, &serving, output).await;
        // Calls that outlived the drain may still hold it; the process ends them.
        serving.close().await?;
        served?;
        output.progress("stopped");
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(
        &self,
        listen: SocketAddr,
        verifier: Verifier,
        serving: &Serving,
        output: Output,
    ) -> Result<(), CommandError> {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| CommandError::usage(format!("cannot listen on {listen}: {error}")))?;
        let listening = listener.local_addr().map_err(told)?;
        let (accounts, proxy) = (Arc::clone(&serving.host().accounts), serving.host().proxy.clone());
        let top = self.place.directory().and_then(|at| Door::open(&at, accounts, proxy, listening));
        let _top = or_warn("top", top, output);
        output.progress(format_args!("listening on http://{listening}"));
        let service = Arc::clone(serving.service());
        serve(listener, applet_api::router(service, verifier)).await
    }
}

/// A host that cannot be looked into serves all the same.
pub(crate) fn or_warn<T>(command: &str, opened: Result<T, CommandError>, output: Output) -> Option<T> {
    opened
        .inspect_err(|error| {
            output.warning(format_args!("`applet {command}` will not see this host: {error}"));
        })
        .ok()
}

/// Serves until a stop is asked for; then takes no new connection and lets running calls end.
async fn serve(listener: TcpListener, router: axum::Router) -> Result<(), CommandError> {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut asked = stopped.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        // An error means that the sender is gone, which is a stop as well.
        let _changed = asked.wait_for(|&stop| stop).await;
    });
    let serving = serving.into_future();
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended.map_err(told),
        () = shutdown::requested() => {}
    }
    stop.send_replace(true);
    match tokio::time::timeout(DRAIN, serving).await {
        Ok(ended) => ended.map_err(told),
        Err(_) => Ok(()),
    }
}
