//! Adopting a database that is not the host's own (SPEC Decision 1, "Tables we do not own"): a plan that an
//! operator approves, carried out in one transaction, and taken back in one.
//!
//! *Invariants:* the plan is what a trial run did that was undone, so it is exact; making it changes
//! nothing. What was approved happens as a whole or not at all. Everything that has to be given back is
//! written down in the transaction that takes it.
//!
//! Start reading at [`plan`], [`apply`] and [`undo`].

mod rights;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use applet_types::TenantForm;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::catalog::CatalogOptions;
use crate::ddl::{TRIES, backoff};
use crate::locks::{self, Lock};
use crate::wall::policies::{self, Guarded};
use crate::wall::{harden, home, role};
use crate::{Admin, Error, wall};

pub(crate) use rights::move_rights;
use rights::{Held, Moved};
pub use undo::{Undone, undo};

const DOING: &str = "cannot adopt the database";

/// Names of the policies that we make.
const POLICIES: [&str; 4] = ["tenant_rows", "tenant_wall", "other_roles", "host_rows"];

/// What adopting would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdoptionPlan {
    /// Tables that applets would be able to see.
    pub tables: Vec<TableAdoption>,
    /// Rights that PUBLIC would lose.
    pub public_loses: Vec<String>,
    /// The same rights by name: who would get them, and how many.
    pub given_by_name: BTreeMap<String, Vec<String>>,
    /// Whether the database was adopted before, so that this only adds to it.
    pub adopted_before: bool,
    /// SHA-256 over all of it.
    pub digest: String,
}

/// What would happen to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableAdoption {
    /// Schema and name.
    pub table: String,
    /// The lock that it takes, for a moment.
    pub lock: &'static str,
    /// Whether row security is on already: then the policies of other roles are their owner's business.
    pub had_row_security: bool,
    /// Roles that keep seeing all rows, by a policy of ours.
    pub keep_all_rows: Vec<String>,
    /// The statements.
    pub statements: Vec<String>,
    #[serde(skip)]
    id: i64,
    #[serde(skip)]
    policies: Vec<String>,
}

impl AdoptionPlan {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.adopted_before && self.tables.is_empty() && self.public_loses.is_empty()
    }
}

/// A plan, and what it takes to write down what it does.
struct Draft {
    plan: AdoptionPlan,
    moved: Moved,
}

/// Makes the plan. Changes nothing.
///
/// # Errors
///
/// [`Error::MissingRight`] for a role that can build no second wall here, [`Error::BuiltUpon`] when a table
/// has policies under our names.
pub async fn plan(admin: &mut Admin, options: &CatalogOptions) -> Result<AdoptionPlan, Error> {
    let form = form(admin, options).await?;
    for attempt in 0..TRIES {
        begin(admin, attempt).await?;
        let drafted = draft(admin, options, form).await;
        admin.run("ROLLBACK", DOING).await?;
        match drafted {
            Err(error) if error.is_race() => backoff(attempt).await,
            drafted => return drafted.map(|draft| draft.plan),
        }
    }
    Err(Error::Contended { what: "the catalogue", tries: TRIES })
}

/// Carries the plan out, if it still has the digest that was approved.
///
/// # Errors
///
/// As [`plan`]; [`Error::PlanChanged`] when the plan is another one by now, [`Error::Contended`] when tables
/// were never free. Then nothing was changed.
pub async fn apply(
    admin: &mut Admin,
    options: &CatalogOptions,
    approved: Option<&str>,
    actor: &str,
) -> Result<AdoptionPlan, Error> {
    let form = form(admin, options).await?;
    locks::acquire(admin, Lock::Prepare).await?;
    let applied = apply_locked(admin, options, form, approved, actor).await;
    let released = locks::release(admin, Lock::Prepare).await;
    let plan = applied?;
    released.map(|()| plan)
}

async fn apply_locked(
    admin: &mut Admin,
    options: &CatalogOptions,
    form: TenantForm,
    approved: Option<&str>,
    actor: &str,
) -> Result<AdoptionPlan, Error> {
    for attempt in 0..TRIES {
        begin(admin, attempt).await?;
        let done = carry_out(admin, options, form, approved, actor).await;
        let ended = admin.run(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }, DOING).await;
        match done {
            Err(error) if error.is_race() => backoff(attempt).await,
            done => return ended.and(done),
        }
    }
    Err(Error::Contended { what: "a table that needs row security", tries: TRIES })
}

/// The form of the wall that this administrator builds. One that stands in the other form is changed by a host
/// that serves, which ends the sessions of applets for that; not by the way.
async fn form(admin: &mut Admin, options: &CatalogOptions) -> Result<TenantForm, Error> {
    let form = wall::form::choose(admin, &options.schemas).await?;
    match wall::tenant_form(admin).await? {
        Some(standing) if standing != form => Err(Error::BuiltUpon(format!(
            "the database was prepared by another kind of administrator than `{}`: start `applet serve` as this one first",
            admin.role()
        ))),
        Some(_) | None => Ok(form),
    }
}

/// All tables are locked in one transaction, which others wait for: the first tries give up at once.
async fn begin(admin: &mut Admin, attempt: u32) -> Result<(), Error> {
    let patience = (attempt + 1) * 20;
    let settings = format!("SET LOCAL lock_timeout = {patience}; SET LOCAL statement_timeout = 0");
    // Names of objects are written with their schemas, whatever the operator's own path is.
    admin.run(format!("BEGIN; {settings}; SET LOCAL search_path = pg_catalog"), DOING).await
}

async fn draft(admin: &mut Admin, options: &CatalogOptions, form: TenantForm) -> Result<Draft, Error> {
    let adopted_before = is_adopted(admin).await?;
    let guest = role::missing_guest(admin, form).await?;
    for statement in guest.into_iter().chain(home::missing(admin, form).await?) {
        admin.run(statement, DOING).await?;
    }
    admin.run(rights::MEMORY, DOING).await?;
    let before = Held::read(admin).await?;
    admin.run(harden::script(), "cannot take rights from PUBLIC").await?;
    harden::check(admin, form).await?;
    let moved = Held::read(admin).await?.since(&before);
    // After that: whoever saw a table's rows as one of PUBLIC has rights by name now, and keeps its rows.
    let reachable = reachable(admin).await?;
    let mut tables = Vec::new();
    for table in policies::tables(admin, &options.schemas).await? {
        if !reachable.contains(&table.id) {
            tables.push(table_adoption(admin, &table, form).await?);
        }
    }
    let (public_loses, given_by_name) = moved.in_words();
    let mut plan =
        AdoptionPlan { tables, public_loses, given_by_name, adopted_before, digest: String::new() };
    // Our own struct of texts: it always has a JSON form.
    plan.digest = hex::encode(Sha256::digest(serde_json::to_vec(&plan).unwrap_or_default()));
    Ok(Draft { plan, moved })
}

async fn table_adoption(
    admin: &mut Admin,
    table: &Guarded,
    form: TenantForm,
) -> Result<TableAdoption, Error> {
    let sql = "SELECT polname::text FROM pg_catalog.pg_policy WHERE polrelid = $1::oid ORDER BY 1";
    let found: Vec<String> = sqlx::query_scalar(sql)
        .bind(table.id)
        .fetch_all(admin.session())
        .await
        .map_err(Error::statement("cannot read the policies"))?;
    let ours = |name: &String| POLICIES.contains(&name.as_str());
    if !table.is_known()
        && let Some(name) = found.iter().find(|name| ours(name))
    {
        return Err(Error::BuiltUpon(format!(
            "table `{}` has a policy `{name}`, which is a name of ours: rename it first",
            table.name
        )));
    }
    Ok(TableAdoption {
        table: format!("{}.{}", table.schema, table.name),
        lock: "ACCESS EXCLUSIVE",
        had_row_security: table.had_row_security(),
        keep_all_rows: table.others().to_vec(),
        statements: table.changes(false, form),
        id: table.id,
        policies: found.into_iter().filter(|name| !ours(name)).collect(),
    })
}

async fn carry_out(
    admin: &mut Admin,
    options: &CatalogOptions,
    form: TenantForm,
    approved: Option<&str>,
    actor: &str,
) -> Result<AdoptionPlan, Error> {
    let Draft { plan, moved } = draft(admin, options, form).await?;
    if approved.is_some_and(|approved| approved != plan.digest) {
        return Err(Error::PlanChanged(plan.digest));
    }
    if plan.is_empty() {
        return Ok(plan);
    }
    let sql = "INSERT INTO applet_host.adoptions (digest, actor) VALUES ($1, $2) RETURNING id";
    let adoption: i64 = sqlx::query_scalar(sql)
        .bind(&plan.digest)
        .bind(actor)
        .fetch_one(admin.session())
        .await
        .map_err(Error::statement(DOING))?;
    moved.remember(admin).await?;
    for table in &plan.tables {
        for statement in &table.statements {
            admin.run(statement.clone(), &format!("cannot guard table `{}`", table.table)).await?;
        }
        let sql = "INSERT INTO applet_host.adopted_tables (relation, adoption, had_row_security, policies)
                   VALUES ($1::oid, $2, $3, $4)";
        sqlx::query(sql)
            .bind(table.id)
            .bind(adoption)
            .bind(table.had_row_security)
            .bind(&table.policies)
            .execute(admin.session())
            .await
            .map_err(Error::statement(DOING))?;
    }
    Ok(plan)
}

/// Whether an operator has adopted the database, and nobody has undone it.
///
/// # Errors
///
/// When the session breaks.
pub async fn is_adopted(admin: &mut Admin) -> Result<bool, Error> {
    let doing = "cannot read what is adopted";
    if !exists(admin, "applet_host.adoptions").await? {
        return Ok(false);
    }
    let sql = "SELECT EXISTS (SELECT FROM applet_host.adoptions WHERE undone_at IS NULL)";
    sqlx::query_scalar(sql).fetch_one(admin.session()).await.map_err(Error::statement(doing))
}

/// Tables that the host may guard and applets may see: those that were adopted, and those that applets made.
pub(crate) async fn reachable(admin: &mut Admin) -> Result<BTreeSet<i64>, Error> {
    let mut reachable = BTreeSet::new();
    for (table, sql) in [
        ("applet_host.adopted_tables", "SELECT relation::int8 FROM applet_host.adopted_tables"),
        (
            "applet_host.own_tables",
            "SELECT c.oid::int8 FROM applet_host.own_tables o
             JOIN pg_catalog.pg_class c ON c.relname IN (o.physical_name, '_deleted_' || o.physical_name)
             WHERE c.relkind IN ('r', 'p')",
        ),
    ] {
        if exists(admin, table).await? {
            let found: Vec<i64> = sqlx::query_scalar(sql)
                .fetch_all(admin.session())
                .await
                .map_err(Error::statement("cannot read what is adopted"))?;
            reachable.extend(found);
        }
    }
    Ok(reachable)
}

async fn exists(admin: &mut Admin, table: &str) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT pg_catalog.to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(admin.session())
        .await
        .map_err(Error::statement("cannot read what is adopted"))
}
