//! What an applet may rely on, one hook each: those of the conformance protocol, which the guests of all
//! languages have, and more for the runtime's own tests. Hooks that both have tell them apart by the payload,
//! which the runtime's tests leave out.

mod protocol;

use std::cell::Cell;
use std::env;
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use applet_sdk::{Error, ErrorKind, HookError, Result, Value, context, db, log, params, values};
use serde_json::{Value as Json, json};

applet_sdk::export! {
    named: {
        "echo" => echo,
        "query" => protocol::query,
        "execute" => protocol::execute,
        "spin" => protocol::spin,
        "hoard" => protocol::hoard,
        "count" => count,
        "types" => types,
        "parameters" => parameters,
        "refusal" => refusal,
        "context" => invocation,
        "sandbox" => sandbox,
        "sleep" => sleep,
        "many-queries" => many_queries,
        "transaction" => transaction,
        "rollback" => rollback,
        "transactions-in-a-row" => transactions_in_a_row,
        "batch" => batch,
        "builder" => builder,
        "log" => log_lines,
        "fail" => fail,
        "crash" => crash,
        "leave-open" => leave_open,
    },
    on_install: installed,
    on_upgrade: upgraded,
    on_uninstall: uninstalled,
    on_enable: enabled,
    on_disable: disabled,
}

fn echo(payload: Json) -> Result<Json> {
    Ok(payload)
}

/// 1 in a fresh instance, more in one that was used before.
fn count((): ()) -> Result<u32> {
    thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });
    CALLS.set(CALLS.get() + 1);
    Ok(CALLS.get())
}

/// Rows of a statement that the caller chooses, as JSON.
fn types(sql: String) -> Result<Json> {
    let rows = db::query(&sql, [])?;
    Ok(json!({
        "columns": rows.columns().iter().map(|column| format!("{}: {:?}", column.name, column.kind)).collect::<Vec<_>>(),
        "rows": rows.to_json()?,
        "truncated": rows.is_truncated(),
        "affected": rows.affected(),
    }))
}

/// One parameter of each kind.
fn parameters((): ()) -> Result<u64> {
    db::execute(
        "SELECT $1, $2, $3, $4, $5, $6, $7",
        params![Value::Null, true, i64::MAX, 0.5, "naïve", vec![0_u8, 255], json!({ "a": [1, null] })],
    )
}

/// What an applet sees of a refusal.
fn refusal(sql: String) -> Result<Json> {
    let error = match db::query(&sql, []) {
        Ok(rows) => return Ok(json!({ "rows": rows.len() })),
        Err(error) => error,
    };
    Ok(json!({
        "permission_denied": error.kind == ErrorKind::PermissionDenied,
        "code": error.code,
        "message": error.message,
        "span": error.span,
        "table": error.table,
        "column": error.column,
        "operation": error.operation,
        "hint": error.hint,
        "retry_after_ms": error.retry_after_ms,
    }))
}

fn invocation((): ()) -> Result<Json> {
    let call = context::current();
    let permissions = call.permissions.iter().map(|each| {
        json!({ "table": each.table, "operations": each.operations, "soft_deletable": each.soft_deletable })
    });
    Ok(json!({
        "request_id": call.request_id,
        "tenant_id": call.tenant_id,
        "workspace_id": call.workspace_id,
        "user_id": call.user_id,
        "locale": call.locale,
        "applet_id": call.applet_id,
        "applet_version": call.applet_version,
        "permissions": permissions.collect::<Vec<_>>(),
    }))
}

/// What of the machine can be seen.
fn sandbox((): ()) -> Result<Json> {
    let mut input = String::new();
    Ok(json!({
        "variables": env::vars().count(),
        "arguments": env::args().count(),
        "root": fs::read_dir("/").is_ok(),
        "here": fs::read_dir(".").is_ok(),
        "write": fs::write("/tmp/x", "x").is_ok(),
        "input": std::io::stdin().read_line(&mut input).unwrap_or(0),
        "since_1970": SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() > 0),
    }))
}

fn sleep(milliseconds: u64) -> Result<bool> {
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(begin.elapsed() >= Duration::from_millis(milliseconds))
}

fn many_queries(number: u32) -> Result<u32> {
    for _ in 0..number {
        db::query("SELECT 1", [])?;
    }
    Ok(number)
}

fn transaction(payload: Option<protocol::Transaction>) -> Result<Json, HookError> {
    if let Some(payload) = payload {
        return protocol::transaction(payload);
    }
    let update = |transaction: &db::Transaction| {
        transaction.execute("UPDATE clients SET status = $1", params!["kept"])
    };
    Ok(db::transaction::<_, Error>(update)?.into())
}

fn rollback((): ()) -> Result<()> {
    let transaction = db::begin()?;
    transaction.execute("UPDATE clients SET status = $1", params!["gone"])?;
    transaction.rollback()
}

/// A dropped transaction makes room for the next.
fn transactions_in_a_row((): ()) -> Result<()> {
    for _ in 0..3 {
        drop(db::begin()?);
    }
    Ok(())
}

fn batch(payload: Option<protocol::Batch>) -> Result<Json, HookError> {
    if let Some(payload) = payload {
        return protocol::batch(payload);
    }
    let statements = [("SELECT 1", Vec::new()), ("UPDATE clients SET status = $1", params!["x"].to_vec())];
    Ok(db::batch(statements)?.len().into())
}

fn builder((): ()) -> Result<()> {
    db::table("clients").where_eq("id", 7).get()?;
    db::table("clients").where_eq("id", 7).update(values! { status: "x" })?;
    db::table("clients").where_eq("id", 7).delete()?;
    Ok(())
}

fn log_lines(payload: Option<protocol::Line>) -> Result<(), HookError> {
    if let Some(line) = payload {
        protocol::write(line);
        return Ok(());
    }
    log::debug("one");
    log::info("two");
    log::warn("three");
    log::error("four");
    println!("five");
    eprintln!("six");
    // No line end: it is kept until the end of the call.
    print!("seven");
    std::io::stdout().flush().map_err(|error| HookError::new("flush", error.to_string()))
}

fn fail(payload: Option<protocol::Failure>) -> Result<(), HookError> {
    let tea = || HookError::new("out-of-tea", "there is no tea left");
    Err(payload.map_or_else(tea, protocol::fail))
}

fn crash((): ()) -> Result<()> {
    std::process::abort()
}

/// Answers, and leaves a transaction open.
fn leave_open((): ()) -> Result<()> {
    std::mem::forget(db::begin()?);
    Ok(())
}

fn installed() -> Result<()> {
    log::info("installed");
    Ok(())
}

fn upgraded(from: &str) -> Result<(), HookError> {
    log::info(format!("upgraded from {from}"));
    Ok(())
}

/// Fails, which keeps no applet.
fn uninstalled() -> Result<(), HookError> {
    log::info("uninstalled");
    Err(HookError::new("not-now", "in the middle of something"))
}

fn enabled() -> Result<(), Error> {
    log::info("enabled");
    Ok(())
}

fn disabled() -> Result<()> {
    log::info("disabled");
    Ok(())
}
