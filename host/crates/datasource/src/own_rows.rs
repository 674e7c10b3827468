//! Rows of one tenant in an applet's own tables: counting them, reading them all, deleting them.
//!
//! *Invariant:* every statement here names the tenant; nothing of another tenant is read, counted or
//! touched. Values are read as the texts that PostgreSQL prints, under settings that are fixed here, so that
//! a fingerprint computed by the server and one computed from a file can be compared.

use applet_types::{SqlName, TenantId};
use sqlx::{AssertSqlSafe, Row as _};

use crate::ddl::{TRIES, backoff};
use crate::sql::{ident, literal};
use crate::{Admin, Error};

/// How values are printed, whatever server and database say.
const PRINTING: &str = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, MDY';
    SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL intervalstyle = 'postgres'";

/// A table as its rows are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRows {
    /// Its schema.
    pub schema: SqlName,
    /// The name under which it stands.
    pub name: String,
    /// Its columns, in the table's order.
    pub columns: Vec<SqlName>,
    /// The column that tells a tenant's rows apart, by which they are read in order.
    pub key: SqlName,
}

/// What a tenant has in a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Content {
    /// How many rows.
    pub rows: u64,
    /// The exclusive or of the SHA-256 of each row, as [`row_digest`] computes it. Rows have a key, so no
    /// two are the same and none cancels another.
    pub fingerprint: [u8; 32],
}

/// What a row's digest is over: each value's length and text, or that there is none.
pub fn row_digest<T: AsRef<str>>(values: &[Option<T>]) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for value in values {
        match value {
            None => hash.update(b"-"),
            Some(text) => {
                let text = text.as_ref();
                hash.update(format!("{}:", text.len()));
                hash.update(text);
            }
        }
    }
    hash.finalize().into()
}

impl Content {
    /// Counts a row in.
    pub fn add<T: AsRef<str>>(&mut self, values: &[Option<T>]) {
        self.rows += 1;
        for (sum, byte) in self.fingerprint.iter_mut().zip(row_digest(values)) {
            *sum ^= byte;
        }
    }
}

impl OwnRows {
    fn full_name(&self) -> String {
        format!("{}.{}", ident(self.schema.as_str()), ident(&self.name))
    }

    /// The same as [`row_digest`], computed by the server.
    fn digest_expression(&self) -> String {
        let values: Vec<_> = self
            .columns
            .iter()
            .map(|column| {
                let column = ident(column.as_str());
                format!(
                    "CASE WHEN {column} IS NULL THEN '-' ELSE octet_length({column}::text) || ':' || {column}::text END"
                )
            })
            .collect();
        format!("('x' || encode(sha256(convert_to({}, 'UTF8')), 'hex'))::bit(256)", values.join(" || "))
    }
}

/// About how many bytes are fetched at once.
const PAGE_BYTES: usize = 2 << 20;

const DOING: &str = "cannot read an applet's rows";

/// An applet's table as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How its rows are reached.
    pub rows: OwnRows,
    /// The types of its columns, as PostgreSQL prints them.
    pub types: Vec<String>,
    /// Whether it stands under the second of the two names.
    pub hidden: bool,
}

const FIND: &str = "
SELECT n.nspname::text, c.relname::text, c.relname = $3,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       (SELECT a.attname::text FROM pg_catalog.pg_index i
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[i.indnkeyatts - 1]
         WHERE i.indrelid = c.oid AND i.indisprimary)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY ($1) AND c.relname IN ($2, $3) AND c.relkind = 'r'
 ORDER BY c.relname = $3, array_position($1, n.nspname::text) LIMIT 1";

type FoundRow = (String, String, bool, Vec<String>, Vec<String>, Option<String>);

/// Looks for an applet's table under its own name, and then under the one it is put aside with.
///
/// # Errors
///
/// When the server refuses, or the table is none that the host has made.
pub async fn find(
    admin: &mut Admin,
    schemas: &[String],
    table: &SqlName,
    hidden_name: &str,
) -> Result<Option<Found>, Error> {
    let row: Option<FoundRow> = sqlx::query_as(FIND)
        .bind(schemas)
        .bind(table.as_str())
        .bind(hidden_name)
        .fetch_optional(admin.session())
        .await
        .map_err(Error::statement("cannot look for an applet's table"))?;
    let Some((schema, name, hidden, columns, types, key)) = row else { return Ok(None) };
    let known = |text: &str| {
        SqlName::exact(text)
            .map_err(|_| Error::Unexpected(format!("table `{name}` was not made by the host")))
    };
    let columns = columns.iter().map(|column| known(column)).collect::<Result<_, _>>()?;
    let key = known(&key.unwrap_or_default())?;
    let rows = OwnRows { schema: known(&schema)?, name, columns, key };
    Ok(Some(Found { rows, types, hidden }))
}

/// What the database's clock will say in so many hours.
///
/// # Errors
///
/// When the session is broken.
pub async fn clock(admin: &mut Admin, hours: u32) -> Result<String, Error> {
    sqlx::query_scalar(
        "SELECT to_char((clock_timestamp() + make_interval(hours => $1)) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    .bind(i32::try_from(hours).unwrap_or(i32::MAX))
    .fetch_one(admin.session())
    .await
    .map_err(Error::statement("cannot read the clock"))
}

/// How many rows the tenant has.
///
/// # Errors
///
/// When the server refuses.
pub async fn count(admin: &mut Admin, rows: &OwnRows, tenant: TenantId) -> Result<u64, Error> {
    let sql = format!("SELECT count(*) FROM {} WHERE tenant_id = $1", rows.full_name());
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(tenant.as_uuid())
        .fetch_one(admin.session())
        .await
        .map_err(Error::statement(DOING))?;
    Ok(count.unsigned_abs())
}

/// Whether the table has rows of anybody but these tenants.
///
/// # Errors
///
/// When the server refuses.
pub async fn has_rows_of_others(admin: &mut Admin, rows: &OwnRows, than: &[TenantId]) -> Result<bool, Error> {
    let than: Vec<_> = than.iter().map(|tenant| tenant.as_uuid()).collect();
    let sql = format!("SELECT EXISTS (SELECT FROM {} WHERE tenant_id <> ALL ($1))", rows.full_name());
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(than)
        .fetch_one(admin.session())
        .await
        .map_err(Error::statement(DOING))
}

/// Reads the tenant's rows in the order of their key, beginning after `after` if there is one, each as the
/// texts of its columns. Ends early, with `Ok(false)`, when `each` says so.
///
/// # Errors
///
/// When the server refuses or the session is lost.
pub async fn read_all(
    admin: &mut Admin,
    rows: &OwnRows,
    tenant: TenantId,
    after: Option<&str>,
    each: &mut (dyn FnMut(Vec<Option<String>>) -> bool + Send),
) -> Result<bool, Error> {
    admin.run(format!("BEGIN READ ONLY; {PRINTING}; SET LOCAL statement_timeout = 0"), DOING).await?;
    let outcome = stream(admin, rows, tenant, after, each).await;
    let ended = admin.run("COMMIT", DOING).await;
    let finished = outcome?;
    ended.map(|()| finished)
}

async fn stream(
    admin: &mut Admin,
    rows: &OwnRows,
    tenant: TenantId,
    after: Option<&str>,
    each: &mut (dyn FnMut(Vec<Option<String>>) -> bool + Send),
) -> Result<bool, Error> {
    let columns: Vec<_> =
        rows.columns.iter().map(|column| format!("{}::text", ident(column.as_str()))).collect();
    let key = ident(rows.key.as_str());
    // A literal of unknown type takes the key's type. With the table's name, because the bare name would be
    // that of the printed column, and texts have another order than numbers.
    let beyond = after.map(|after| format!(" AND own.{key} > {}", literal(after))).unwrap_or_default();
    let sql = format!(
        "DECLARE own_rows NO SCROLL CURSOR FOR SELECT {} FROM {} AS own WHERE own.tenant_id = '{tenant}'{beyond} ORDER BY own.{key}",
        columns.join(", "),
        rows.full_name(),
    );
    admin.run(sql, DOING).await?;
    let mut at_once = 100;
    loop {
        let page = sqlx::query(AssertSqlSafe(format!("FETCH FORWARD {at_once} FROM own_rows")))
            .fetch_all(admin.session())
            .await
            .map_err(Error::statement(DOING))?;
        let last = page.len() < at_once;
        let mut bytes = 0;
        for row in page {
            let values = (0..rows.columns.len())
                .map(|index| row.try_get(index))
                .collect::<Result<Vec<Option<String>>, _>>()
                .map_err(Error::statement(DOING))?;
            bytes += values.iter().flatten().map(String::len).sum::<usize>();
            if !each(values) {
                return Ok(false);
            }
        }
        if last {
            return Ok(true);
        }
        // So that a page takes neither a round trip per row nor the memory of the host.
        at_once = (at_once * PAGE_BYTES / bytes.max(1)).clamp(1, 10_000).min(at_once * 4);
    }
}

/// What is to happen to tables in one transaction.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// A statement that answers whether the rest may be done at all.
    pub claim: Option<&'a str>,
    /// Tables whose rows of the tenant are deleted.
    pub delete: &'a [OwnRows],
    /// Whose rows.
    pub tenant: TenantId,
    /// Whether the content of what is deleted matters, or only how many rows it was.
    pub fingerprints: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// All of it was done; what was deleted, table by table.
    Done(Vec<Content>),
    /// The claim was refused.
    NotClaimed,
    /// Whoever looked at what was deleted did not want it; nothing was done.
    Declined(Vec<Content>),
}

/// What follows from what was deleted: the statements to run in the same transaction.
pub type Then<'a> = &'a (dyn Fn(&[Content]) -> Option<Vec<String>> + Send + Sync);

/// Leaves all cached answers behind: these rows do not go through the proxy, which tells the caches of every
/// other write. Last in its transaction, because hosts that announce themselves wait for this row.
const FORGET_CACHED: &str = "UPDATE applet_host.cache_epoch SET epoch = epoch + 1";

/// Deletes a tenant's rows and runs what `then` makes of their number and content, all in one transaction
/// that waits for no lock longer than half a second and is tried again. `None` undoes everything.
///
/// # Errors
///
/// When the server refuses, or locks were not free in time.
pub async fn change(admin: &mut Admin, change: &Change<'_>, then: Then<'_>) -> Result<Changed, Error> {
    for attempt in 1..=TRIES {
        match try_change(admin, change, then).await {
            Err(error) if error.is_race() => {
                tracing::debug!(%error, attempt, "an applet's rows are locked, trying again");
                backoff(attempt).await;
            }
            outcome => return outcome,
        }
    }
    Err(Error::Contended { what: "a table that has to change", tries: TRIES })
}

async fn try_change(admin: &mut Admin, change: &Change<'_>, then: Then<'_>) -> Result<Changed, Error> {
    let doing = "cannot delete an applet's rows";
    let begin =
        format!("BEGIN; SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = 0; {PRINTING}");
    admin.run(begin, doing).await?;
    let outcome = changed(admin, change, then).await;
    let end = if matches!(outcome, Ok(Changed::Done(_))) { "COMMIT" } else { "ROLLBACK" };
    let ended = admin.run(end, doing).await;
    let outcome = outcome?;
    ended.map(|()| outcome)
}

async fn changed(admin: &mut Admin, change: &Change<'_>, then: Then<'_>) -> Result<Changed, Error> {
    let doing = "cannot delete an applet's rows";
    if let Some(claim) = change.claim {
        let claimed: bool = sqlx::query_scalar(AssertSqlSafe(claim.to_owned()))
            .fetch_one(admin.session())
            .await
            .map_err(Error::statement(doing))?;
        if !claimed {
            return Ok(Changed::NotClaimed);
        }
    }
    let deleted = delete(admin, change).await?;
    let Some(statements) = then(&deleted) else { return Ok(Changed::Declined(deleted)) };
    for statement in statements {
        admin.run(statement, doing).await?;
    }
    if deleted.iter().any(|content| content.rows > 0) {
        admin.run(FORGET_CACHED, doing).await?;
    }
    Ok(Changed::Done(deleted))
}

/// Deletes from all tables in one statement: keys between them are looked at when all rows are gone, so no
/// order has to be found.
async fn delete(admin: &mut Admin, change: &Change<'_>) -> Result<Vec<Content>, Error> {
    if change.delete.is_empty() {
        return Ok(Vec::new());
    }
    let doing = "cannot delete an applet's rows";
    let (mut deletions, mut sums) = (Vec::new(), Vec::new());
    for (number, rows) in change.delete.iter().enumerate() {
        let digest = if change.fingerprints { rows.digest_expression() } else { "NULL::bit(256)".to_owned() };
        deletions.push(format!(
            "d{number} AS (DELETE FROM {} WHERE tenant_id = $1 RETURNING {digest} AS digest)",
            rows.full_name()
        ));
        sums.push(format!("SELECT {number}, count(*), bit_xor(digest)::text FROM d{number}"));
    }
    let sql = format!("WITH {} {} ORDER BY 1", deletions.join(", "), sums.join(" UNION ALL "));
    let found: Vec<(i32, i64, Option<String>)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(change.tenant.as_uuid())
        .fetch_all(admin.session())
        .await
        .map_err(Error::statement(doing))?;
    Ok(found
        .into_iter()
        .map(|(_, rows, digest)| Content {
            rows: rows.unsigned_abs(),
            fingerprint: digest.map(|bits| from_bits(&bits)).unwrap_or_default(),
        })
        .collect())
}

/// The bytes of a bit string, as PostgreSQL prints it.
fn from_bits(bits: &str) -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    for (byte, group) in bytes.iter_mut().zip(bits.as_bytes().chunks(8)) {
        *byte = group.iter().fold(0, |value, bit| (value << 1) | u8::from(*bit == b'1'));
    }
    bytes
}

/// The statement that takes every right on a table from everybody but its owner; `None` when nobody has
/// any. A table that is put aside is out of every role's reach.
///
/// # Errors
///
/// When the server refuses.
pub async fn revoke_statement(admin: &mut Admin, rows: &OwnRows) -> Result<Option<String>, Error> {
    let sql = "
        SELECT DISTINCT r.rolname::text
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
               LATERAL (SELECT x.grantee FROM aclexplode(c.relacl) x
                        UNION SELECT x.grantee FROM pg_catalog.pg_attribute a, aclexplode(a.attacl) x
                               WHERE a.attrelid = c.oid) g
               JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
         WHERE n.nspname = $1 AND c.relname = $2 AND r.oid <> c.relowner ORDER BY 1";
    let roles: Vec<String> = sqlx::query_scalar(sql)
        .bind(rows.schema.as_str())
        .bind(&rows.name)
        .fetch_all(admin.session())
        .await
        .map_err(Error::statement("cannot read a table's rights"))?;
    if roles.is_empty() {
        return Ok(None);
    }
    let roles: Vec<_> = roles.iter().map(|role| ident(role)).collect();
    Ok(Some(format!("REVOKE ALL ON TABLE {} FROM {}", rows.full_name(), roles.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_38_a_row_digest_tells_null_from_empty_and_one_cut_from_another() {
        let digest = |values: &[Option<&str>]| row_digest(values);
        let rows: [&[Option<&str>]; 6] = [
            &[None, Some("")],
            &[Some(""), None],
            &[Some("a"), Some("b")],
            &[Some("ab"), Some("")],
            &[Some(""), Some("ab")],
            &[Some("-"), None],
        ];
        for (index, one) in rows.iter().enumerate() {
            for (other, two) in rows.iter().enumerate() {
                assert_eq!(digest(one) == digest(two), index == other, "{one:?} {two:?}");
            }
        }
    }

    #[test]
    fn s4_38_bits_are_read_as_they_are_printed() {
        let bits = format!("10000001{}1", "0".repeat(247));
        let bytes = from_bits(&bits);
        assert_eq!((bytes[0], bytes[31]), (0x81, 0x01));
        assert!(bytes[1..31].iter().all(|byte| *byte == 0));
    }
}
