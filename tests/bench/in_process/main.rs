//! What a hook and its statements cost in process, each beside sqlx doing the same in the same run.
//!
//! `make bench` pins the server and this program to one core: whether client and server share one decides
//! more than anything that is measured here. Budgets are those of `host/BENCHMARKS.md`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

mod cached;
mod measure;
mod native;
mod setup;

use std::cell::RefCell;
use std::sync::Arc;

use applet_datasource::wall::{self, Preparation, Purpose};
use applet_datasource::{Admin, catalog::CatalogOptions};
use applet_gate::{ScopeContext, Wall, scope};
use applet_proxy::Proxy;
use applet_types::{Database as _, Encoding, Statement, StatementLimits, Value};
use sqlx::Connection;
use uuid::Uuid;

use crate::measure::{Arm, compare, line};
use crate::setup::{Bench, NEIGHBOUR, TENANT, invocation};

const ONE: &str = "SELECT id, first_name, last_name, phone, status FROM clients WHERE id = $1";
const HUNDRED: &str = "SELECT id, first_name, last_name, phone, status FROM clients ORDER BY id LIMIT 100";
const INSERT: &str = "INSERT INTO clients (first_name, last_name, phone) VALUES ($1, $2, $3) RETURNING id";
const JOINED: &str = "SELECT c.id, c.first_name, count(*) AS chats FROM clients AS c \
    JOIN clients AS d ON d.id = c.id WHERE c.created_at > $1 AND c.status IN ('active', 'lead') \
    GROUP BY c.id, c.first_name ORDER BY chats DESC, c.id LIMIT 20";

/// Applets, and the sessions that all of them share.
const APPLETS: usize = 200;
const SESSIONS: usize = 40;

/// A part of the table, and what fills it.
type Part = (&'static str, fn(&Bench));

fn main() {
    // `cargo test --all-targets` runs benches too; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let bench = Bench::new();
    println!(
        "{:<44} {:>10} {:>10} {:>7}   budget",
        "us per call, lower quartile", "applet", "native", "ratio"
    );
    // A name on the command line runs that part alone.
    let parts: [Part; 8] = [
        ("gate", gate),
        ("hello", hello),
        ("client1", client1),
        ("clients100", clients100),
        ("insert", insert),
        ("parts", parts),
        ("cached", cached::part),
        ("sessions", sessions),
    ];
    let chosen = |name: &str| std::env::args().any(|argument| argument == name);
    let all = !parts.iter().any(|(name, _)| chosen(name));
    for (name, part) in parts {
        if all || chosen(name) {
            part(&bench);
        }
    }
    let Bench { tokio, proxy, unaudited, audit, runtime, .. } = bench;
    tokio.block_on(async {
        drop(runtime);
        proxy.close().await;
        unaudited.close().await;
        drop((proxy, unaudited));
        audit.finish().await;
    });
}

fn gate(bench: &Bench) {
    let limits = StatementLimits::default();
    let context = ScopeContext {
        grants: &bench.grants,
        catalog: &bench.catalog,
        limits: &limits,
        wall: Wall::Both,
        allow_global_keys: false,
    };
    let new = |sql: &'static str| -> Arm<'_> { Box::new(move || drop(scope(sql, &context).unwrap())) };
    for (what, sql) in [("one row", ONE), ("100 rows", HUNDRED), ("join and group", JOINED)] {
        let [took] = compare([new(sql)]);
        line(&format!("gate, new statement: {what}"), took, None, "<= 250 us");
    }
    let call = bench.call_of(TENANT);
    let [took] = compare([Box::new(|| drop(bench.proxy.scoped(&call, ONE).unwrap()))]);
    line("gate, statement seen before", took, None, "<= 0.3 us");
}

fn hello(bench: &Bench) {
    let [fresh, warm] = compare([hook(bench, "hello", "null"), warm_hook(bench, "hello", "null")]);
    line("hook `hello`, fresh instance", fresh, None, "<= 15 us");
    line("  warm instance", warm, None, "");
}

fn client1(bench: &Bench) {
    let native = RefCell::new(bench.native());
    let [whole, warm, statement, plain] = compare([
        hook(bench, "client1", r#"{"id":500}"#),
        warm_hook(bench, "client1", r#"{"id":500}"#),
        query(bench, &bench.proxy, ONE, vec![Value::Integer(500)], &[TENANT]),
        Box::new(|| {
            let client = bench.tokio.block_on(native::one_row(&mut native.borrow_mut(), TENANT));
            drop(serde_json::to_string(&client).unwrap());
        }),
    ]);
    line("hook, one row, fresh / sqlx", whole, Some(plain), "<= x1.9");
    line("  in a warm instance", warm, Some(plain), "");
    line("  its statement alone / sqlx", statement, Some(plain), "");
}

fn clients100(bench: &Bench) {
    let native = RefCell::new(bench.native());
    let [whole, warm, statement, plain] = compare([
        hook(bench, "clients100", "null"),
        warm_hook(bench, "clients100", "null"),
        query(bench, &bench.proxy, HUNDRED, Vec::new(), &[TENANT]),
        Box::new(|| {
            let clients = bench.tokio.block_on(native::hundred_rows(&mut native.borrow_mut(), TENANT));
            drop(serde_json::to_string(&clients).unwrap());
        }),
    ]);
    line("hook, 100 rows, fresh / sqlx", whole, Some(plain), "<= x1.10");
    line("  in a warm instance", warm, Some(plain), "");
    line("  its statement alone / sqlx", statement, Some(plain), "");
}

fn insert(bench: &Bench) {
    let native = RefCell::new(bench.native());
    let texts = ["Ada", "Lovelace", "+44 20 7946 0000"].map(|text| Value::Text(text.to_owned()));
    let [whole, warm, statement, plain] = compare([
        hook(bench, "insert", "null"),
        warm_hook(bench, "insert", "null"),
        query(bench, &bench.proxy, INSERT, texts.to_vec(), &[TENANT]),
        Box::new(|| bench.tokio.block_on(native::insert(&mut native.borrow_mut(), TENANT))),
    ]);
    line("hook, insert with audit / sqlx transaction", whole, Some(plain), "<= x1.10");
    line("  in a warm instance", warm, Some(plain), "");
    line("  its statement alone / sqlx", statement, Some(plain), "");
}

/// What single parts of the way cost: the audit trail, and a session that changes its tenant.
fn parts(bench: &Bench) {
    let one = || vec![Value::Integer(500)];
    let [audited, unaudited] = compare([
        query(bench, &bench.proxy, ONE, one(), &[TENANT]),
        query(bench, &bench.unaudited, ONE, one(), &[TENANT]),
    ]);
    line("statement, audited / not audited", audited, Some(unaudited), "<= x1.10");
    let texts = || ["Ada", "Lovelace", "1"].map(|text| Value::Text(text.to_owned())).to_vec();
    let [audited, unaudited] = compare([
        query(bench, &bench.proxy, INSERT, texts(), &[TENANT]),
        query(bench, &bench.unaudited, INSERT, texts(), &[TENANT]),
    ]);
    line("write, audited / not audited", audited, Some(unaudited), "");
    let [changed, same] = compare([
        query(bench, &bench.proxy, ONE, one(), &[TENANT, NEIGHBOUR]),
        query(bench, &bench.proxy, ONE, one(), &[TENANT]),
    ]);
    line("statement, another tenant each time / same", changed, Some(same), "no round trip more");
}

/// A session is one role's for life: with more applets than sessions, each statement may have to open one.
fn sessions(bench: &Bench) {
    let (proxy, calls) = bench.tokio.block_on(many_applets(bench));
    let text = Statement { sql: ONE.to_owned(), parameters: vec![Value::Integer(500)] };
    let mut next = 0;
    let url = bench.native_url();
    let [took, plain] = compare([
        Box::new(|| {
            let (manifest, grants) = &calls[next];
            next = (next + 1) % calls.len();
            let call = invocation(manifest, grants, TENANT);
            drop(bench.tokio.block_on(proxy.query(&call, &text, Encoding::Packed)).unwrap());
        }),
        Box::new(|| {
            bench.tokio.block_on(async {
                let mut session = native::connect(&url).await;
                drop(native::one_row(&mut session, TENANT).await);
                session.close().await.unwrap();
            });
        }),
    ]);
    let what = format!("one row, {APPLETS} applets on {SESSIONS} sessions / connect");
    line(&what, took, Some(plain), "");
    bench.tokio.block_on(proxy.close());
}

type Call = (applet_manifest::ValidatedManifest, Arc<applet_types::Grants>);

async fn many_applets(bench: &Bench) -> (Proxy, Vec<Call>) {
    let mut admin = Admin::connect(&bench.database.url()).await.unwrap();
    let options = CatalogOptions::default();
    let mut calls = Vec::new();
    for number in 0..APPLETS {
        let text = format!(
            "manifestVersion: \"1.0\"\nid: bench-{number}\nversion: 1.0.0\nname: Bench\n\
             permissions: {{ database: {{ read: [clients] }} }}\n"
        );
        let manifest = applet_manifest::load(text.as_bytes()).unwrap();
        let grants = Arc::new(manifest.requested());
        let preparation = Preparation {
            applet: manifest.id(),
            grants: &grants,
            catalog: &bench.catalog,
            options: &options,
            bypass: false,
            purpose: Purpose::Installation,
        };
        wall::prepare(&mut admin, &preparation).await.unwrap();
        calls.push((manifest, grants));
    }
    admin.close().await.unwrap();
    let mut config = bench.proxy_config();
    config.limits.sessions = SESSIONS;
    (Proxy::new(config), calls)
}

/// A hook in a fresh instance, its answer as JSON; the native way answers with the same JSON.
fn hook<'a>(bench: &'a Bench, name: &'a str, payload: &'a str) -> Arm<'a> {
    Box::new(move || drop(bench.hook(name, payload, bench.call_of(TENANT))))
}

/// The same in an instance that has answered before (`instances: reused`).
fn warm_hook<'a>(bench: &'a Bench, name: &'a str, payload: &'a str) -> Arm<'a> {
    Box::new(move || {
        let mut call = bench.call_of(TENANT);
        Arc::make_mut(&mut call.limits).reuse = true;
        drop(bench.hook(name, payload, call));
    })
}

/// A statement through the proxy (gate, pool, wire, audit) without a guest, for each of the tenants in turn.
fn query<'a>(
    bench: &'a Bench,
    proxy: &'a Proxy,
    sql: &str,
    parameters: Vec<Value>,
    tenants: &'a [Uuid],
) -> Arm<'a> {
    let statement = Statement { sql: sql.to_owned(), parameters };
    let mut turn = 0;
    Box::new(move || {
        let call = bench.call_of(tenants[turn % tenants.len()]);
        turn += 1;
        drop(bench.tokio.block_on(proxy.query(&call, &statement, Encoding::Packed)).unwrap());
    })
}
