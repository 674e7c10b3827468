//! The act of the demo in which an applet goes and comes back.

use std::time::Instant;

use applet_api::token::{Caller, Role};
use applet_api::{HookRequest, Hooks as _};
use applet_lifecycle::{Decision, Fate, RetireMode};
use applet_types::{AppletId, Encoding, RequestId, Statement, UserId};
use uuid::Uuid;

use super::install::Steps;
use super::invoke::failed;
use super::operator::{context, refused};
use super::uninstall::in_words;
use crate::demo_data::{DemoTenant, TENANTS};
use crate::opening::{Host, told};
use crate::output::{CommandError, Output};
use crate::service::Service;

/// Alder Dental uninstalls the applet, is refused, and installs it again; Birch Realty works on.
pub(super) async fn play(
    host: &Host,
    service: &Service,
    applet: &AppletId,
    output: Output,
) -> Result<(), CommandError> {
    let [alder, birch] = &TENANTS;
    output.progress(format_args!("\nUninstalled by {}, and restored", alder.name));
    let before = settings(host, service, applet, alder).await?;
    output.progress(format_args!("  its rows in the applet's own table: {before}"));
    uninstall(host, applet, alder, output).await?;
    match summary(service, applet, alder).await {
        Err(error) => output.progress(format_args!("  {:<13} summary -> {error}", alder.name)),
        Ok(_) => return Err(CommandError::usage("an uninstalled applet has answered")),
    }
    let answer = summary(service, applet, birch).await?;
    output.progress(format_args!("  {:<13} summary -> {answer}", birch.name));

    let caller = context(&admin_of(alder));
    let life = &host.lifecycle;
    let planned = life.plan(&caller, alder.workspace, applet, None).await.map_err(refused)?;
    let decision = Decision::everything(planned.record.id);
    life.approve(&caller, alder.workspace, applet, &decision).await.map_err(refused)?;
    let report = life.install(&caller, alder.workspace, applet, &Steps(output)).await.map_err(refused)?;
    if !report.restored {
        return Err(CommandError::usage("the rows of an uninstalled applet were not restored"));
    }
    let after = settings(host, service, applet, alder).await?;
    output.progress(format_args!("  installed again, its rows are back: {after}"));
    if after != before {
        return Err(CommandError::usage("the restored rows are not those that were left"));
    }
    Ok(())
}

async fn uninstall(
    host: &Host,
    applet: &AppletId,
    tenant: &DemoTenant,
    output: Output,
) -> Result<(), CommandError> {
    let (life, caller) = (&host.lifecycle, context(&admin_of(tenant)));
    let mode = RetireMode::Soft;
    let planned = life.plan_uninstall(&caller, tenant.workspace, applet, mode).await.map_err(refused)?;
    for line in planned.plan.render(&planned.estimate).lines() {
        output.progress(format_args!("    {line}"));
    }
    let decision = Decision::everything(planned.record.id);
    life.approve(&caller, tenant.workspace, applet, &decision).await.map_err(refused)?;
    let report =
        life.uninstall(&caller, tenant.workspace, applet, None, &Steps(output)).await.map_err(refused)?;
    output.progress(format_args!("  {}", in_words(&report)));
    if report.tables.iter().any(|left| left.fate != Fate::Stays) {
        return Err(CommandError::usage("a table that another tenant uses was taken away"));
    }
    Ok(())
}

async fn summary(service: &Service, applet: &AppletId, tenant: &DemoTenant) -> Result<String, CommandError> {
    let request = HookRequest {
        workspace: tenant.workspace,
        applet: applet.clone(),
        hook: "summary".parse().map_err(told)?,
        payload: "null".to_owned(),
        locale: "en".to_owned(),
    };
    let caller = Caller { role: Role::Platform, ..admin_of(tenant) };
    service.call(&caller, request).await.answer.map_err(failed)
}

/// What the tenant has in the applet's own table, read as the applet.
async fn settings(
    host: &Host,
    service: &Service,
    applet: &AppletId,
    tenant: &DemoTenant,
) -> Result<String, CommandError> {
    let key = (tenant.tenant, tenant.workspace, applet.clone());
    let installation = service.installation(key).await.map_err(failed)?;
    let request = RequestId::new(Uuid::now_v7());
    let invocation = installation.invocation(request, admin_of(tenant).actor(), "en", Instant::now());
    let sql = "SELECT model_name, system_prompt FROM ai_chat_configs";
    let statement = Statement { sql: sql.to_owned(), parameters: Vec::new() };
    let found = host.proxy.run(&invocation, &statement, Encoding::Json).await;
    let report = found.map_err(|failure| CommandError::statement(failure, sql))?;
    String::from_utf8(report.outcome.rows.data).map_err(told)
}

fn admin_of(tenant: &DemoTenant) -> Caller {
    Caller { tenant: tenant.tenant, user: UserId::new(Uuid::nil()), role: Role::Admin }
}
