//! `applet adopt`: a database that is not the host's own is prepared by a plan that an operator approves.

use std::fmt::Write as _;
use std::process::ExitCode;

use applet_datasource::adopt::{self, AdoptionPlan, Undone};
use applet_datasource::locks::{self, Lock};
use applet_datasource::{Admin, Error};
use applet_store::Store;
use clap::Args;
use serde_json::json;

use super::Place;
use crate::endpoint::Endpoint;
use crate::opening::{catalog_options, told};
use crate::output::{CommandError, Output, Table};

/// Prepares the tables of a database that is not the host's own, so that applets may be given them: shows
/// what would change, carries it out once it is approved, takes it back.
///
/// Until then applets see no table of the database. A table that appears later is adopted by another run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet adopt --database-url postgres://postgres@localhost/crm   what would change; changes nothing
  applet adopt --database-url … --approve DIGEST                  exactly that, or nothing
  applet adopt --database-url … --yes                             whatever the plan is now
  applet adopt --database-url … --undo                            everything as it was before
  applet --json adopt --database-url …

Every table with a tenant gets row security with a policy for applets, and one that leaves every
role with rights there today all of its rows. PUBLIC loses what applets must not have; every other
role that works in the database gets the same by name. All of it happens in one transaction.")]
pub(crate) struct Adopt {
    #[command(flatten)]
    place: Place,
    /// Carry out the plan of this digest; refused when the database has changed so that it is another.
    #[arg(long, value_name = "DIGEST", conflicts_with_all = ["yes", "undo"])]
    approve: Option<String>,
    /// Carry out the plan, whatever it is now.
    #[arg(long, conflicts_with = "undo")]
    yes: bool,
    /// Leave policies, row security and rights as they were before; refused while applets are installed.
    #[arg(long)]
    undo: bool,
    /// Who decides, for the record [default: the name of this user].
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

impl Adopt {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let config = self.place.configuration()?;
        let Some(url) = &config.place.database_url else {
            return Err(CommandError::usage(
                "the private database is the host's own and needs no adoption; name another with --database-url",
            ));
        };
        let endpoint = Endpoint::parse(url, config.security.insecure_transport)?;
        endpoint.probe().await?;
        let options = catalog_options(&config);
        let mut admin = Admin::connect(endpoint.url()).await.map_err(told)?;
        let actor = self.actor.clone().unwrap_or_else(user);
        if self.undo {
            let undone = undo(&mut admin, &endpoint, &actor, output).await;
            admin.close().await.map_err(told)?;
            let undone = undone?;
            output.result(&undone, undone_in_words(&undone));
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes && self.approve.is_none() {
            let plan = adopt::plan(&mut admin, &options).await.map_err(refused);
            admin.close().await.map_err(told)?;
            let plan = plan?;
            output.result(&json!({ "plan": plan, "applied": false }), in_words(&plan, false));
            return Ok(ExitCode::SUCCESS);
        }
        output.progress("adopting: waiting for the tables to be free, all at once");
        let applied =
            adopt::apply(&mut admin, &options, self.approve.as_deref(), &actor).await.map_err(refused);
        admin.close().await.map_err(told)?;
        let plan = applied?;
        output.result(&json!({ "plan": plan, "applied": true, "actor": actor }), in_words(&plan, true));
        Ok(ExitCode::SUCCESS)
    }
}

/// No install is under way meanwhile, and none is there.
async fn undo(
    admin: &mut Admin,
    endpoint: &Endpoint,
    actor: &str,
    output: Output,
) -> Result<Undone, CommandError> {
    let store = Store::connect(endpoint.url()).await.map_err(told)?;
    store.migrate().await.map_err(told)?;
    locks::acquire(admin, Lock::ApplyPlan).await.map_err(told)?;
    let in_use = store.in_use().await.map_err(told);
    let undone = match in_use {
        Err(error) => Err(error),
        Ok(in_use) if !in_use.is_empty() => {
            let installed =
                in_use.iter().map(|(applet, workspace)| format!("`{applet}` in workspace {workspace}"));
            Err(refused(Error::InUse(installed.collect())))
        }
        Ok(_) => {
            output.progress("undoing: waiting for the tables to be free, all at once");
            adopt::undo(admin, actor).await.map_err(refused)
        }
    };
    let released = locks::release(admin, Lock::ApplyPlan).await.map_err(told);
    store.close().await;
    let undone = undone?;
    released.map(|()| undone)
}

fn refused(error: Error) -> CommandError {
    let code = match &error {
        Error::PlanChanged(_) => "plan-changed",
        Error::InUse(_) => "in-use",
        Error::BuiltUpon(_) => "built-upon",
        Error::Contended { .. } => "contended",
        _ => return told(error),
    };
    let advice = match &error {
        Error::PlanChanged(_) => "; nothing was changed: look at it with `applet adopt`",
        Error::InUse(_) => "; uninstall them first",
        _ => "",
    };
    CommandError::refused(code, format!("{error}{advice}"))
}

/// For the record only: nothing is decided by it.
fn user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "operator".to_owned())
}

fn in_words(plan: &AdoptionPlan, applied: bool) -> String {
    if plan.is_empty() {
        return "everything is adopted; nothing to do".to_owned();
    }
    let mut table = Table::new(["table", "row security", "keeps all rows", "lock"]);
    for adopted in &plan.tables {
        let security = if adopted.had_row_security { "is on, stays" } else { "is switched on" };
        let keeps = if adopted.had_row_security {
            "as its policies say".to_owned()
        } else if adopted.keep_all_rows.is_empty() {
            "its owner".to_owned()
        } else {
            format!("its owner, {}", adopted.keep_all_rows.join(", "))
        };
        table.row([
            adopted.table.clone(),
            security.to_owned(),
            keeps,
            format!("{}, for a moment", adopted.lock),
        ]);
    }
    let mut text = format!("{table}\n");
    let kinds = |rights: &[String]| {
        let mut counts = std::collections::BTreeMap::<&str, usize>::new();
        for right in rights {
            let kind = right
                .split_once(" on ")
                .map_or("other", |(_, object)| object.split_once(' ').map_or("other", |(kind, _)| kind));
            *counts.entry(kind).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} on a {kind}")).collect();
        counts.join(", ")
    };
    // Writing to a text cannot fail.
    let _written = match plan.public_loses.len() {
        0 => writeln!(text, "\nPUBLIC has nothing that applets must not have."),
        rights => writeln!(text, "\nPUBLIC loses {rights} rights: {}.", kinds(&plan.public_loses)),
    };
    for (role, rights) in &plan.given_by_name {
        let _written = writeln!(text, "  `{role}` gets {} of them by name.", rights.len());
    }
    let _written = if applied {
        write!(text, "\nadopted; `applet adopt --undo` takes it back")
    } else {
        write!(
            text,
            "\nplan {}\nnothing was changed; every right and statement is in `applet --json adopt`\n\
             to carry it out: applet adopt --approve {}",
            plan.digest, plan.digest
        )
    };
    text
}

fn undone_in_words(undone: &Undone) -> String {
    if *undone == Undone::default() {
        return "nothing was adopted; nothing to undo".to_owned();
    }
    format!(
        "{} tables are as they were: {}\nPUBLIC has {} rights again, and {} that were given by name are gone",
        undone.tables.len(),
        undone.tables.join(", "),
        undone.public_regained,
        undone.taken_back
    )
}
