//! `applet audit`: the trail of a tenant, and whether it is what was recorded.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use applet_lifecycle::LifecycleError;
use applet_store::{AuditEntry, AuditFilter, AuditGap, HOST_CHAIN, Step, Store, Verification};
use applet_types::{AppletId, RequestId, TenantId, WorkspaceId};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::Place;
use super::operator::{Operator, context, refused};
use crate::audit::{self, LEASE, SignedHeads};
use crate::opening::{Purpose, told};
use crate::output::{CommandError, Output, Table};

/// Characters of a statement that the list shows.
const SHOWN_SQL: usize = 60;
/// How long a command that reads first seals what waits.
const FIRST_SEAL: Duration = Duration::from_secs(5);

/// Lists, verifies and exports a tenant's audit trail.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet audit list --denied --since 24h
  applet audit list --applet ai-chat --limit 50 --before 1200
  applet audit verify
  applet audit export --out trail.jsonl
  applet audit verify --file trail.jsonl --public-key \"$(applet audit key)\"

The trail is that of the token's tenant; it takes an admin's token. Records are chained by their
hashes. A chain shows every change of what it holds; that its end was cut off, or all of it made
anew, shows against heads that were signed before: a host that serves signs them hourly into its
data directory, and every export has one. Whoever has both the database and the key in the data
directory can forge either.")]
pub(crate) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists what was done and refused, latest first.
    List(List),
    /// Walks the chain, or checks an exported file; exit code 1 when something is wrong.
    Verify(Verify),
    /// Writes the chain as lines of JSON with a signed manifest.
    Export(Export),
    /// Continues all tenants' chains now, looks for gaps, and signs the heads. `applet serve` does it by itself.
    Seal(Seal),
    /// Prints the public key that exports of this host are checked with.
    Key(Key),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    operator: Operator,
    /// Of this applet only.
    #[arg(long, value_name = "APPLET")]
    applet: Option<AppletId>,
    /// In this workspace only.
    #[arg(long, value_name = "UUID")]
    workspace: Option<WorkspaceId>,
    /// Of this invocation only.
    #[arg(long, value_name = "UUID")]
    request: Option<RequestId>,
    /// Not before: a time like 2026-11-21T15:00:00Z, or how long ago, like 90m, 24h or 7d.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// What was refused as not permitted only.
    #[arg(long)]
    denied: bool,
    /// What was refused or failed only.
    #[arg(long)]
    failed: bool,
    /// How many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Before this number: the next page.
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    place: Place,
    /// A token of the tenant; `applet token` makes one.
    #[arg(
        long,
        env = "APPLET_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        required_unless_present = "file"
    )]
    token: Option<String>,
    /// Check this exported file instead. Needs neither a database nor a token.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The public key, or a file with it, that the export has to be signed with; this host's own when left out.
    #[arg(long, value_name = "KEY", requires = "file")]
    public_key: Option<String>,
}

#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    operator: Operator,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Begin after this number, for instance where the last export ended.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
}

#[derive(Debug, Args)]
struct Seal {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Key {
    #[command(flatten)]
    place: Place,
}

impl Audit {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        match self.action {
            Action::List(list) => list.run(output).await,
            Action::Verify(verify) => verify.run(output).await,
            Action::Export(export) => export.run(output).await,
            Action::Seal(seal) => seal.run(output).await,
            Action::Key(key) => {
                let key = audit::audit_key(&key.place.directory()?)?.public();
                output.result(&json!({ "public_key": key.to_hex(), "key": key.id() }), key.to_hex());
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// The tenant whose admin the token is.
fn tenant_of(operator: &Operator) -> Result<TenantId, CommandError> {
    let context = context(&operator.caller()?);
    context.decide().map_err(refused)?;
    Ok(context.tenant)
}

/// Seals what waits, so that what is shown is whole; what takes longer is left to others.
async fn seal_first(store: &Store) -> Result<(), CommandError> {
    store.seal(FIRST_SEAL).await.map(drop).map_err(told)
}

impl List {
    async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let tenant = tenant_of(&self.operator)?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let shown = self.show(host.lifecycle.store(), tenant, output).await;
        host.close().await?;
        shown.map(|()| ExitCode::SUCCESS)
    }

    async fn show(self, store: &Store, tenant: TenantId, output: Output) -> Result<(), CommandError> {
        if let Some(workspace) = self.workspace {
            let own = store.workspaces(tenant).await.map_err(told)?;
            if !own.iter().any(|own| own.id == workspace) {
                return Err(refused(LifecycleError::NotFound("workspace")));
            }
        }
        seal_first(store).await?;
        let since = self.since.map(|since| since.at(Utc::now()));
        let filter = AuditFilter {
            applet: self.applet,
            workspace: self.workspace,
            request: self.request,
            failures_only: self.failed,
            denials_only: self.denied,
            since,
            before: self.before,
            limit: Some(self.limit),
        };
        let entries = store.audit(tenant, &filter).await.map_err(told)?;
        let gaps = store.audit_gaps(since).await.map_err(told)?;
        let full = entries.len() >= usize::try_from(self.limit).unwrap_or(usize::MAX);
        let next = entries.last().and_then(|entry| entry.seq).filter(|_| full);
        let mut text = as_table(&entries).to_string();
        for gap in &gaps {
            text.push_str(&format!("\n{}", in_words(gap)));
        }
        if let Some(next) = next {
            text.push_str(&format!("\nmore with --before {next}"));
        }
        output.result(&json!({ "entries": entries, "gaps": gaps, "next": next }), text);
        Ok(())
    }
}

fn as_table(entries: &[AuditEntry]) -> Table {
    let mut table =
        Table::new(["number", "time", "applet", "operation", "tables", "rows", "ms", "outcome", "statement"]);
    for entry in entries {
        let sql: String = entry.sql.chars().take(SHOWN_SQL).collect();
        table.row([
            entry.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string()),
            entry.at.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            entry.applet.clone(),
            entry.operation.clone(),
            plain(&entry.tables.join(", ")),
            entry.rows.to_string(),
            format!("{}.{}", entry.duration_us / 1_000, entry.duration_us % 1_000 / 100),
            entry.error.clone().unwrap_or_else(|| "ok".to_owned()),
            plain(&sql),
        ]);
    }
    table
}

/// What an applet wrote must not move an admin's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn in_words(gap: &AuditGap) -> String {
    let AuditGap { writer, from, to, .. } = gap;
    let records = to - from + 1;
    let kind = if gap.certain { "records are missing" } else { "records at most may be missing" };
    let came = if gap.arrived > 0 { format!("; {} came later", gap.arrived) } else { String::new() };
    let at = gap.at.format("%Y-%m-%d %H:%M:%S");
    format!(
        "audit gap: writer {writer}, numbers {from}..{to}: {records} {kind}, of any tenant, noticed {at}{came}"
    )
}

impl Verify {
    async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let mut pace = Pace::new(output);
        if let Some(file) = &self.file {
            let key = audit::public_key(&self.place.directory()?, self.public_key.as_deref())?;
            let manifest = audit::check_file(file, &key, &mut |seq| pace.at(format_args!("record {seq}")))?;
            let text = format!(
                "records {}..{} of tenant {} hold together and are signed by key {}\n{} gaps were known",
                manifest.header.after + 1,
                manifest.last,
                manifest.header.tenant,
                manifest.key,
                manifest.gaps.len()
            );
            output.result(&json!({ "ok": true, "manifest": manifest }), text);
            return Ok(ExitCode::SUCCESS);
        }
        let token = self.token.ok_or_else(|| CommandError::usage("a token is needed"))?;
        let operator = Operator { place: self.place, token };
        let tenant = tenant_of(&operator)?;
        let key = audit::audit_key(&operator.place.directory()?)?.public();
        let directory = operator.place.directory()?;
        let signed = SignedHeads::read(&directory, tenant, &key)?;
        let host_signed = SignedHeads::read(&directory, HOST_CHAIN, &key)?;
        let host = operator.place.open(Purpose::default(), output).await?;
        let store = host.lifecycle.store();
        let walked = async {
            seal_first(store).await?;
            let mut progress = |step: Step| pace.at(format_args!("record {} of {}", step.seq, step.last));
            let own = store.verify_chain(tenant, &signed.heads, &mut progress).await.map_err(told)?;
            let hosts =
                store.verify_chain(HOST_CHAIN, &host_signed.heads, &mut progress).await.map_err(told)?;
            let gaps = store.audit_gaps(None).await.map_err(told)?;
            Ok::<_, CommandError>((own, hosts, gaps))
        };
        let walked = walked.await;
        host.close().await?;
        let (own, hosts, gaps) = walked?;
        let forged = signed.forged.or(host_signed.forged);
        let ok = own.fault.is_none() && hosts.fault.is_none() && forged.is_none();
        let mut text = chain_in_words("the tenant's chain", &own, signed.heads.len());
        text.push_str(&format!(
            "\n{}",
            chain_in_words("the host's chain of gaps", &hosts, host_signed.heads.len())
        ));
        if let Some(line) = forged {
            text.push_str(&format!(
                "\nFAULT: line {line} of the signed heads is not signed by this host's key"
            ));
        }
        for gap in &gaps {
            text.push_str(&format!("\n{}", in_words(gap)));
        }
        let value = json!({
            "ok": ok, "tenant": own, "host": hosts, "gaps": gaps, "forged_head": forged,
            "signed_heads": signed.heads.len(),
        });
        output.result(&value, text);
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn chain_in_words(what: &str, verified: &Verification, signed: usize) -> String {
    if let Some(fault) = &verified.fault {
        return format!("FAULT in {what}: {fault}");
    }
    let against = match signed {
        0 => "no head was signed on this machine yet, so a tail that was cut off would not show".to_owned(),
        signed => format!("{signed} signed heads agree"),
    };
    let waiting = match verified.unsealed {
        0 => String::new(),
        waiting => format!("; {waiting} records wait to be sealed"),
    };
    format!("{what} holds: {} records; {against}{waiting}", verified.records)
}

impl Export {
    async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let tenant = tenant_of(&self.operator)?;
        let key = audit::audit_key(&self.operator.place.directory()?)?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        let store = host.lifecycle.store();
        let mut pace = Pace::new(output);
        let exported = async {
            seal_first(store).await?;
            let mut progress = |step: Step| pace.at(format_args!("record {} of {}", step.seq, step.last));
            let exported = audit::export(store, tenant, self.after, &key, &self.out, &mut progress).await;
            exported.map_err(CommandError::from)
        };
        let exported = exported.await;
        host.close().await?;
        let manifest = exported?;
        let text = format!(
            "{} records, {}..{}, in `{}`\nsigned by key {}; check it anywhere with\n  applet audit verify --file {} --public-key {}",
            manifest.records,
            self.after + 1,
            manifest.last,
            self.out.display(),
            manifest.key,
            self.out.display(),
            key.public().to_hex()
        );
        output.result(
            &json!({ "file": self.out, "manifest": manifest, "public_key": key.public().to_hex() }),
            text,
        );
        Ok(ExitCode::SUCCESS)
    }
}

impl Seal {
    async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let key = audit::audit_key(&self.place.directory()?)?;
        let directory = self.place.directory()?;
        let host = self.place.open(Purpose::default(), output).await?;
        let store = host.lifecycle.store();
        let sealing = async {
            let gaps = store.settle_writers(LEASE).await.map_err(told)?;
            let mut records = 0;
            let more = loop {
                let sealed = store.seal(Duration::from_secs(1)).await.map_err(told)?;
                records += sealed.records;
                if !sealed.more || sealed.records == 0 {
                    break sealed.more;
                }
                output.progress(format_args!("  {records} records"));
            };
            let heads = audit::sign_heads(store, &directory, &key).await?;
            Ok::<_, CommandError>((gaps, records, more, heads))
        };
        let sealed = sealing.await;
        host.close().await?;
        let (gaps, records, more, heads) = sealed?;
        let busy = if more { "; another host is sealing" } else { "" };
        output.result(
            &json!({ "records": records, "gaps": gaps, "heads": heads, "busy": more }),
            format_args!("{records} records sealed, {gaps} gaps found, {heads} heads signed{busy}"),
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// Progress, at most once a second.
struct Pace {
    output: Output,
    said: Instant,
}

impl Pace {
    fn new(output: Output) -> Self {
        Self { output, said: Instant::now() }
    }

    fn at(&mut self, text: impl std::fmt::Display) {
        if self.said.elapsed() >= Duration::from_secs(1) {
            self.output.progress(format_args!("  {text}"));
            self.said = Instant::now();
        }
    }
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

impl Since {
    fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now - span,
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::At(time.with_timezone(&Utc)));
    }
    let wrong =
        || format!("`{text}` is neither a time like 2026-11-21T15:00:00Z nor a span like 90m, 24h or 7d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let span = match unit {
        "s" => TimeDelta::seconds(number.into()),
        "m" => TimeDelta::minutes(number.into()),
        "h" => TimeDelta::hours(number.into()),
        "d" => {
            TimeDelta::try_days(number.into()).filter(|span| span.num_days() < 36_500).ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    Ok(Since::Ago(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_67_since_takes_times_and_spans() {
        assert_eq!(since("90m"), Ok(Since::Ago(TimeDelta::minutes(90))));
        assert_eq!(since("7d"), Ok(Since::Ago(TimeDelta::days(7))));
        assert!(
            matches!(since("2026-11-21T15:00:00+01:00"), Ok(Since::At(time)) if time.to_rfc3339() == "2026-11-21T14:00:00+00:00")
        );
        for wrong in ["", "m", "-1h", "1w", "1é", "yesterday", "99999999d"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn s4_69_what_an_applet_wrote_moves_no_cursor() {
        assert_eq!(plain("SELECT \x1b[2J\r\nx"), "SELECT  [2J  x");
    }
}
