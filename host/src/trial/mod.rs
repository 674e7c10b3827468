//! An applet's own tests, on a real database: each case from the same rows, each hook once more for the other
//! tenant, and in the end what of the granted permissions no test has used.
//!
//! Start reading at [`Trial`], then [`suite`] (what a test is), [`twin`] (the other tenant) and [`coverage`].

mod coverage;
mod expect;
mod suite;
mod twin;

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_datasource::Admin;
use applet_datasource::rewind::Rewind;
use applet_store::Installation;
use applet_types::{Applets, ComponentDigest, HookCall, HookError, RequestId};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

pub(crate) use coverage::{Coverage, Line as CoverageLine};
pub(crate) use suite::{Case, load};
pub(crate) use twin::Leak;

use crate::cli::admin_of;
use crate::demo_data::DemoTenant;
use crate::dev::Stage;
use crate::opening::{read_catalog, told};
use crate::output::CommandError;
use crate::project::Manifest;
use crate::seen::{SeenStatement, Sight};
use suite::Step;

/// What a hook answered: JSON, or the code and words of an error.
type Answer = Result<Value, Refusal>;

/// An error that a hook, or the host for it, answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    /// Whether the host ended the call for a reason of its own (time, memory, a crash), so that the applet has
    /// answered nothing.
    by_host: bool,
}

impl Refusal {
    fn of_applet(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), by_host: false }
    }

    fn of_host(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { by_host: true, ..Self::of_applet(code, message) }
    }
}

/// A hook that was called, and everything that was seen of it.
pub(super) struct Called {
    pub(super) hook: String,
    pub(super) answer: Answer,
    pub(super) statements: Vec<SeenStatement>,
    log: Vec<String>,
}

/// What became of a test.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) ms: f64,
    /// Why it failed; what the applet logged meanwhile.
    pub(crate) failures: Vec<String>,
    pub(crate) log: Vec<String>,
}

/// An applet that is installed for both tenants, and the rows that every test starts from.
pub(crate) struct Trial<'a> {
    stage: &'a Stage,
    component: ComponentDigest,
    manifest: &'a Manifest,
    rewind: Rewind,
    pub(crate) coverage: Coverage,
}

impl<'a> Trial<'a> {
    /// Remembers the rows as they are after the install.
    pub(crate) async fn begin(
        stage: &'a Stage,
        manifest: &'a Manifest,
        component: ComponentDigest,
    ) -> Result<Self, CommandError> {
        let admin = Admin::connect(&stage.host.admin_url).await.map_err(told)?;
        let rewind = Rewind::keep(admin).await.map_err(told)?;
        let coverage = Coverage::of(manifest.valid.declared());
        Ok(Self { stage, component, manifest, rewind, coverage })
    }

    /// Runs one test from the rows that every test starts from.
    pub(crate) async fn run(&mut self, case: &Case) -> Result<Verdict, CommandError> {
        self.restore().await?;
        let began = Instant::now();
        let (mut failures, mut log) = (Vec::new(), Vec::new());
        for (number, step) in case.steps.iter().enumerate() {
            let called = self.call(step.tenant.unwrap_or(case.tenant), step).await?;
            self.coverage.note(&called.statements);
            log.extend(called.log);
            if let Some(reason) = step.expect.against(&called.answer) {
                let place =
                    if case.steps.len() > 1 { format!("step {}, ", number + 1) } else { String::new() };
                failures.push(format!("{place}`{}`: {reason}", called.hook));
                // What comes after builds on this.
                break;
            }
        }
        Ok(Verdict {
            file: case.file.clone(),
            name: case.name.clone(),
            ok: failures.is_empty(),
            ms: milliseconds(began.elapsed()),
            failures,
            log,
        })
    }

    /// Calls a test's hooks for the other tenant, before and after the first one's rows have changed, and
    /// tells what the other could see of that (F13).
    pub(crate) async fn twin(&mut self, case: &Case) -> Result<Vec<Leak>, CommandError> {
        let other = case.tenant.other();
        let before = self.as_tenant(case, other, None).await?;
        let again = self.as_tenant(case, other, None).await?;
        let after = self.as_tenant(case, other, Some(case.tenant)).await?;
        Ok(twin::leaks(case, other, &before, &again, &after))
    }

    /// Everything that a test does, done for one tenant. Where another one is named, it does the same first,
    /// and then everything that it has is changed.
    async fn as_tenant(
        &mut self,
        case: &Case,
        tenant: &'static DemoTenant,
        disturbed: Option<&'static DemoTenant>,
    ) -> Result<Vec<Called>, CommandError> {
        self.restore().await?;
        if let Some(disturbed) = disturbed {
            for step in &case.steps {
                self.call(disturbed, step).await?;
            }
            let host = &self.stage.host;
            let catalog = read_catalog(&host.admin_url, &host.catalog).await?;
            self.rewind.disturb(disturbed.tenant, &catalog).await.map_err(told)?;
            // How many rows somebody else has made shows in ids that count them all; that is no read.
            self.rewind.restore_sequences().await.map_err(told)?;
        }
        let mut calls = Vec::new();
        for step in &case.steps {
            calls.push(self.call(tenant, step).await?);
        }
        Ok(calls)
    }

    async fn restore(&mut self) -> Result<(), CommandError> {
        self.rewind.restore().await.map_err(told)?;
        if self.manifest.valid.cache().is_some() && !self.stage.host.cache.clear().await {
            return Err(CommandError::usage("what the read cache holds could not be left behind"));
        }
        Ok(())
    }

    /// Calls a hook as the platform would, but on nobody's account: a test may call as often as it likes.
    async fn call(&self, tenant: &DemoTenant, step: &Step) -> Result<Called, CommandError> {
        let installation = self.installation(tenant).await?;
        let request = RequestId::new(Uuid::now_v7());
        let call = installation.invocation(request, admin_of(tenant).actor(), "en", Instant::now());
        let hook = HookCall::Named { name: step.hook.clone(), payload: step.payload.clone() };
        let outcome = self.stage.host.runtime.call(self.component, Arc::new(call), hook).await;
        let (mut statements, mut log) = (Vec::new(), Vec::new());
        for sight in self.stage.seen.take(request) {
            match sight {
                Sight::Statement(statement) => statements.push(*statement),
                Sight::Line(_, line) => log.push(line),
            }
        }
        Ok(Called { hook: step.hook.to_string(), answer: answer(outcome), statements, log })
    }

    async fn installation(&self, tenant: &DemoTenant) -> Result<Arc<Installation>, CommandError> {
        let key = (tenant.tenant, tenant.workspace, self.manifest.valid.id().clone());
        self.stage.service.installation(key).await.map_err(crate::cli::failed)
    }

    /// Lets go of the rows that were remembered.
    pub(crate) async fn end(self) -> Result<Coverage, CommandError> {
        self.rewind.close().await.map_err(told)?;
        Ok(self.coverage)
    }
}

fn answer(outcome: Result<String, HookError>) -> Answer {
    match outcome {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| Refusal::of_applet("not-json", format!("the answer is not JSON: {error}"))),
        Err(HookError::Applet { code, message }) if code == HookError::CRASHED => {
            Err(Refusal::of_host(code, message))
        }
        Err(HookError::Applet { code, message }) => Err(Refusal::of_applet(code, message)),
        Err(HookError::NoSuchHook(hook)) => {
            Err(Refusal::of_applet("no-such-hook", format!("the applet has no hook `{hook}`")))
        }
        Err(HookError::Host(failure)) => Err(Refusal::of_host(failure.code.as_str(), failure.message)),
    }
}

fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
