//! `applet demo`: the main job, once, with everything real.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use applet_api::token::{Caller, Role};
use applet_api::{HookRequest, Hooks};
use applet_lifecycle::{Decision, Package, Source};
use applet_types::{AppletId, Encoding, Invocation, RequestId, Statement, UserId};
use clap::Args;
use uuid::Uuid;

use super::install::{Steps, in_words};
use super::invoke::failed;
use super::operator::{context, refused};
use super::{Place, check, demo_uninstall};
use crate::config::LimitsConfig;
use crate::demo_data::{DemoTenant, TENANTS};
use crate::opening::{Host, Purpose, told};
use crate::output::{CommandError, Output};
use crate::service::Service;
use crate::sql::as_table;

/// Runs the main job once: a private PostgreSQL, two tenants, an applet from package to answered hooks,
/// and statements that are refused. Leaves nothing behind.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet demo
  applet demo --manifest manifest.yaml --component applet.wasm")]
pub(crate) struct Demo {
    /// The sample applet's manifest.
    #[arg(long, default_value = "sample-applets/ai-chat/manifest.yaml", value_name = "FILE")]
    manifest: PathBuf,
    /// The sample applet's component; `make demo` builds it.
    #[arg(
        long,
        default_value = "sample-applets/target/wasm32-wasip2/release/ai_chat.wasm",
        value_name = "FILE"
    )]
    component: PathBuf,
    /// The manifest of its next version, of the same component.
    #[arg(long, default_value = "sample-applets/ai-chat/manifest-1.1.0.yaml", value_name = "FILE")]
    upgrade: PathBuf,
}

/// What the sample applet would love to know, and must not.
const HOSTILE: [&str; 5] = [
    "SELECT number, total FROM invoices",
    "SELECT first_name FROM clients UNION SELECT email FROM users",
    "UPDATE clients SET tenant_id = '22222222-2222-4222-8222-222222222222' WHERE id = 1",
    "SELECT set_config('applet.tenant', '22222222-2222-4222-8222-222222222222', false)",
    "SELECT first_name FROM clients; DROP TABLE clients",
];

/// A statement that tries to see everybody's rows, and is allowed to try.
const CURIOUS: &str =
    "SELECT first_name, last_name, tenant_id FROM clients WHERE true OR tenant_id IS NOT NULL";

impl Demo {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let started = Instant::now();
        let manifest = check::load(&self.manifest, &LimitsConfig::default())?;
        let component = read_component(&self.component)?;
        let folder = tempfile::Builder::new().prefix("applet-demo-").tempdir().map_err(told)?;
        let place = Place { data_dir: Some(folder.path().join("host")), ..Place::default() };
        open_to_server(folder.path())?;

        output.progress("1. A private PostgreSQL, and two tenants with CRM data");
        let purpose = Purpose { fast: true, demo_data: true, ..Purpose::default() };
        let host = Arc::new(place.open(purpose, output).await?);
        for tenant in TENANTS {
            output.progress(format_args!("  tenant {} ({})", tenant.name, tenant.tenant));
        }
        let stage =
            Stage { service: Service::new(Arc::clone(&host)), applet: manifest.id().clone(), host, output };
        let played = match stage.play(&self.manifest, &component).await {
            Ok(()) if check::load(&self.upgrade, &LimitsConfig::default())?.id() == manifest.id() => {
                stage.upgrade(&self.upgrade, &component).await
            }
            played => played,
        };
        let Stage { service, host, .. } = stage;
        drop(service);
        if let Some(host) = Arc::into_inner(host) {
            host.close().await?;
        }
        played?;
        output.progress(format_args!(
            "\nDone in {:.1} s. Nothing is left behind.",
            started.elapsed().as_secs_f32()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

pub(crate) struct Stage {
    pub(crate) host: Arc<Host>,
    service: Service,
    pub(crate) applet: AppletId,
    pub(crate) output: Output,
}

impl Stage {
    async fn play(&self, manifest: &Path, component: &[u8]) -> Result<(), CommandError> {
        let text = fs::read_to_string(manifest).map_err(told)?;
        self.submit(&text, component).await?;
        for (index, tenant) in TENANTS.iter().enumerate() {
            self.install(tenant, index == 0).await?;
        }
        self.output.progress("\n4. The same hook, called for each tenant");
        for tenant in TENANTS {
            let summary = self.call(&tenant, "summary", "null").await?;
            self.output.progress(format_args!("  {:<13} summary -> {summary}", tenant.name));
        }
        let answer =
            self.call(&TENANTS[0], "reply", r#"{"chat_id": 1, "question": "Is nine o'clock free?"}"#).await?;
        self.output.progress(format_args!("  {:<13} reply   -> {answer}", TENANTS[0].name));
        self.curious().await?;
        self.hostile().await?;
        self.audit().await?;
        demo_uninstall::play(&self.host, &self.service, &self.applet, self.output).await
    }

    async fn submit(&self, manifest: &str, component: &[u8]) -> Result<(), CommandError> {
        self.output.progress(
            "\n2. The applet is submitted: manifest checked, component compiled in a process of its own",
        );
        let caller = admin_of(&TENANTS[0]);
        let report = self
            .host
            .lifecycle
            .submit(&context(&caller), &Package::new(manifest, component), &Source::File)
            .await
            .map_err(refused)?;
        self.output
            .progress(format_args!("  {} {}, digest {}", report.applet, report.version, report.digest));
        Ok(())
    }

    async fn install(&self, tenant: &DemoTenant, in_full: bool) -> Result<(), CommandError> {
        let lifecycle = &self.host.lifecycle;
        let admin = context(&admin_of(tenant));
        let planned = lifecycle.plan(&admin, tenant.workspace, &self.applet, None).await.map_err(refused)?;
        self.output.progress(format_args!("\n3. {}: plan, approval, installation", tenant.name));
        if in_full {
            self.output.progress(planned.plan.render());
        } else {
            self.output.progress(format_args!("  the same plan, digest {}", planned.record.digest));
        }
        let decision = Decision::everything(planned.record.id);
        lifecycle.approve(&admin, tenant.workspace, &self.applet, &decision).await.map_err(refused)?;
        self.output.progress("  approved by the tenant's admin");
        let report = lifecycle
            .install(&admin, tenant.workspace, &self.applet, &Steps(self.output))
            .await
            .map_err(refused)?;
        self.output.progress(format_args!("  {}", in_words(&report)));
        Ok(())
    }

    /// Which version answers.
    pub(crate) async fn version(&self, tenant: &DemoTenant) -> Result<String, CommandError> {
        Ok(self.invocation(tenant).await?.version.to_string())
    }

    pub(crate) async fn call(
        &self,
        tenant: &DemoTenant,
        hook: &str,
        payload: &str,
    ) -> Result<String, CommandError> {
        let caller = Caller { role: Role::Platform, ..admin_of(tenant) };
        let request = HookRequest {
            workspace: tenant.workspace,
            applet: self.applet.clone(),
            hook: hook.parse().map_err(told)?,
            payload: payload.to_owned(),
            locale: "en".to_owned(),
        };
        self.service.call(&caller, request).await.answer.map_err(failed)
    }

    async fn invocation(&self, tenant: &DemoTenant) -> Result<Invocation, CommandError> {
        let key = (tenant.tenant, tenant.workspace, self.applet.clone());
        let installation = self.service.installation(key).await.map_err(failed)?;
        let request = RequestId::new(Uuid::now_v7());
        Ok(installation.invocation(request, admin_of(tenant).actor(), "en", Instant::now()))
    }

    async fn curious(&self) -> Result<(), CommandError> {
        self.output
            .progress(format_args!("\n5. A curious statement, as the applet, for each tenant\n  {CURIOUS}"));
        let statement = Statement { sql: CURIOUS.to_owned(), parameters: Vec::new() };
        for tenant in TENANTS {
            let invocation = self.invocation(&tenant).await?;
            let report = self
                .host
                .proxy
                .run(&invocation, &statement, Encoding::Json)
                .await
                .map_err(|failure| CommandError::statement(failure, CURIOUS))?;
            if tenant.tenant == TENANTS[0].tenant {
                self.output.progress(format_args!("\n  is run as\n  {}", report.rewritten));
            }
            self.output.progress(format_args!(
                "\n{}\n{}",
                tenant.name,
                as_table(&report.outcome).map_err(told)?
            ));
        }
        Ok(())
    }

    async fn hostile(&self) -> Result<(), CommandError> {
        self.output.progress("\n6. Hostile statements, as the applet");
        let invocation = self.invocation(&TENANTS[0]).await?;
        for sql in HOSTILE {
            let statement = Statement { sql: sql.to_owned(), parameters: Vec::new() };
            match self.host.proxy.run(&invocation, &statement, Encoding::Json).await {
                Err(failure) => {
                    self.output.progress(format_args!("\n{}", CommandError::statement(failure, sql)));
                }
                Ok(_) => return Err(CommandError::usage(format!("this should have been refused: {sql}"))),
            }
        }
        Ok(())
    }

    async fn audit(&self) -> Result<(), CommandError> {
        self.output.progress("\n7. The audit trail of Alder Dental, newest first");
        let filter = applet_store::AuditFilter { limit: Some(8), ..applet_store::AuditFilter::default() };
        let entries = self.host.lifecycle.store().audit(TENANTS[0].tenant, &filter).await.map_err(told)?;
        for entry in entries {
            let outcome = entry.error.unwrap_or_else(|| format!("{} rows", entry.rows));
            let sql: String = entry.sql.chars().take(60).collect();
            self.output.progress(format_args!("  {:<9} {outcome:<24} {sql}", entry.operation));
        }
        Ok(())
    }
}

pub(crate) fn admin_of(tenant: &DemoTenant) -> Caller {
    Caller { tenant: tenant.tenant, user: UserId::new(Uuid::nil()), role: Role::Admin }
}

fn read_component(file: &Path) -> Result<Vec<u8>, CommandError> {
    let name = file.display();
    let bytes = fs::read(file).map_err(|error| {
        CommandError::usage(format!("cannot read `{name}`: {error}; `make demo` builds it"))
    })?;
    applet_runtime::package::componentize(bytes)
        .map_err(|error| CommandError::usage(format!("`{name}`: {error}")))
}

/// As root, PostgreSQL runs as another user, who has to get through this folder to its own.
pub(crate) fn open_to_server(folder: &Path) -> Result<(), CommandError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).map_err(told)
}
