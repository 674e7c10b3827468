//! Building indexes beside reads and writes, and never leaving half of one behind (SPEC S4.33).
//!
//! `CREATE INDEX CONCURRENTLY` cannot run in a transaction: what fails or is killed leaves an invalid index,
//! which costs every write and serves no read. It also waits for transactions that are older than itself,
//! without anybody waiting for it, so it is given time rather than tries.

use crate::ddl::{TRIES, backoff};
use crate::sql::ident;
use crate::{Admin, Error};

const DOING: &str = "cannot build an index";

/// Bounds on one build. Nobody waits for it, so it waits for others as long as this.
const WAITS: &str = "SET lock_timeout = 0; SET statement_timeout = '30min'";
/// Dropping half of an index meets the process that is still building it.
const SHORT: &str = "SET lock_timeout = '2s'; SET statement_timeout = '30min'";
const USUAL: &str = "RESET lock_timeout; RESET statement_timeout";

/// How an index stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Missing,
    Half,
    Whole,
}

/// Makes sure that the index stands and is whole; `create` makes it. Answers whether it had to be made. What
/// is left of an earlier try is taken away first, and of this one when it fails.
///
/// # Errors
///
/// [`Error::Statement`] when the rows do not allow it, [`Error::Contended`] when others kept it from being
/// built.
pub async fn ensure(admin: &mut Admin, table: [&str; 2], index: &str, create: &str) -> Result<bool, Error> {
    let outcome = attempts(admin, table, index, create).await;
    let reset = admin.run(USUAL, DOING).await;
    let made = outcome?;
    reset.map(|()| made)
}

async fn attempts(admin: &mut Admin, table: [&str; 2], index: &str, create: &str) -> Result<bool, Error> {
    let mut made = false;
    for attempt in 0..TRIES {
        let done = match standing(admin, table, index).await? {
            Standing::Whole => return Ok(made),
            Standing::Half => drop_half(admin, table, index).await,
            Standing::Missing => {
                made = true;
                build(admin, table, index, create).await
            }
        };
        match done {
            Err(error) if error.is_lock_conflict() => backoff(attempt).await,
            other => other?,
        }
    }
    Err(Error::Contended { what: "an index that has to be built", tries: TRIES })
}

async fn build(admin: &mut Admin, table: [&str; 2], index: &str, create: &str) -> Result<(), Error> {
    admin.run(WAITS, DOING).await?;
    let built = admin.run(create, DOING).await;
    if built.is_err() && matches!(standing(admin, table, index).await, Ok(Standing::Half)) {
        // Why it failed is the news; a half that cannot be dropped now is dropped before the next try.
        if let Err(error) = drop_half(admin, table, index).await {
            tracing::warn!(%error, index, "half of an index is left behind");
        }
    }
    built
}

async fn drop_half(admin: &mut Admin, [schema, _]: [&str; 2], index: &str) -> Result<(), Error> {
    admin.run(SHORT, DOING).await?;
    let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {}.{}", ident(schema), ident(index));
    admin.run(sql, DOING).await
}

async fn standing(admin: &mut Admin, [schema, table]: [&str; 2], index: &str) -> Result<Standing, Error> {
    let sql = "SELECT i.indisvalid AND i.indisready
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
             JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND x.relname = $3";
    let found: Option<(bool,)> = sqlx::query_as(sql)
        .bind(schema)
        .bind(table)
        .bind(index)
        .fetch_optional(admin.session())
        .await
        .map_err(Error::statement(DOING))?;
    Ok(match found {
        None => Standing::Missing,
        Some((false,)) => Standing::Half,
        Some((true,)) => Standing::Whole,
    })
}

/// Runs one statement outside of any transaction that lets readers and writers through, such as checking a
/// constraint against the rows that are there. May be done again.
///
/// # Errors
///
/// As [`ensure`].
pub async fn beside(admin: &mut Admin, statement: &str) -> Result<(), Error> {
    admin.run(WAITS, "cannot change a table").await?;
    let done = admin.run(statement, "cannot change a table").await;
    let reset = admin.run(USUAL, DOING).await;
    done.and(reset)
}
