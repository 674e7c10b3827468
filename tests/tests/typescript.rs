//! Applets in TypeScript, on the real host: the sample, the specification's snippets, the SDK's own tests, and
//! `applet types`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::fs::{File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use applet_tests::host::{ALDER, Answer, BIRCH, Host, HostDirectory, repository};
use applet_tests::{Database, applet};
use serde_json::{Value, json};

/// SPEC.md, "The example every part must accept as written".
const SNIPPETS: &str = r"
const clients = await sdk.db.query(`
  SELECT id, first_name, last_name, phone FROM clients
  WHERE created_at > $1 ORDER BY created_at DESC LIMIT 100`, [lastSyncDate]);
const message = await sdk.db.insert('chat_messages', { chat_id: chatId, content: aiResponse, sender_type: 'ai' });
const rows = await sdk.db.table('clients').select('id', 'first_name', 'last_name', 'phone')
  .where('created_at', '>', lastSyncDate).orderBy('created_at', 'desc').limit(100).get();
const messages = await sdk.db.table('chat_messages').join('chats', 'chat_messages.chat_id', '=', 'chats.id')
  .select('chat_messages.*', 'chats.client_id').where('chat_messages.created_at', '>', yesterday).get();
const newMessage = await sdk.db.table('chat_messages').insert({ chat_id: chatId, content: 'Hello!', sender_type: 'ai' });
await sdk.db.table('clients').where('id', clientId).update({ last_contacted_at: new Date() });
";

fn sdk() -> PathBuf {
    repository().join("sdk/typescript")
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// Installs what the SDK and a project need, once, whatever tests run at the same time. A reason where that
/// cannot be had: then the test is skipped.
fn installed(project: &Path) -> Result<(), String> {
    std::fs::create_dir_all(repository().join("target")).unwrap();
    let lock = File::create(repository().join("target/npm.lock")).unwrap();
    lock.lock().unwrap();
    for folder in [sdk().as_path(), project] {
        if !folder.join("node_modules").exists() {
            println!("installing what {} needs (npm)", folder.display());
            let npm = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
            run(Command::new("npm").args(npm).current_dir(folder))?;
        }
    }
    Ok(())
}

/// Says why a test proves nothing here.
fn skipped(reason: &str) {
    println!("TypeScript is SKIPPED: npm packages cannot be installed: {reason}");
}

/// Builds a component of a manifest and an entry module, as applets do.
fn build(project: &Path, manifest: &Path, entry: &str, out: &Path) -> Result<Output, String> {
    let mut command = Command::new("node");
    command.arg(sdk().join("bin/build.mjs")).arg("--manifest").arg(manifest).args(["--entry", entry]);
    run(command.arg("--out").arg(out).current_dir(project))
}

fn ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Spec: S4.19, S4.39-48, S4.55, S4x.8
#[test]
fn the_sample_keeps_notes_of_two_tenants_apart() {
    let sample = repository().join("sample-applets/crm-notes");
    if let Err(reason) = installed(&sample) {
        return skipped(&reason);
    }
    run(Command::new("npm").args(["run", "build"]).current_dir(&sample)).unwrap();
    let directory = HostDirectory::new().under_load();
    let host = directory.serve();
    host.submit(&sample.join("manifest.yaml"), &sample.join("dist/crm-notes.wasm"));
    host.install(&ALDER, "crm-notes");
    host.install(&BIRCH, "crm-notes");
    let alder = |hook, body: Value| host.hook(&ALDER, &ALDER, "crm-notes", hook, &body.to_string());
    let birch = |hook, body: Value| host.hook(&BIRCH, &BIRCH, "crm-notes", hook, &body.to_string());

    let happy = ok(&alder("add", json!({ "client_id": 1, "body": "100% happy", "labels": ["vip"] })));
    ok(&alder("add", json!({ "client_id": 3, "body": "Call back" })));
    let foreign = ok(&birch("add", json!({ "client_id": 2, "body": "Wants a garden" })));
    ok(&alder("pin", json!({ "id": happy["id"] })));

    let notes = ok(&alder("list", Value::Null));
    let bodies: Vec<_> =
        notes.as_array().unwrap().iter().map(|note| note["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, ["100% happy", "Call back"]);
    assert_eq!((&notes[0]["first_name"], &notes[0]["labels"]), (&json!("Anna"), &json!(["vip"])));
    assert_eq!(ok(&birch("list", Value::Null)).as_array().unwrap().len(), 1);

    // What belongs to another tenant is not there.
    for (hook, body) in [
        ("pin", json!({ "id": foreign["id"] })),
        ("add", json!({ "client_id": 987_654, "body": "nobody" })),
        ("add", json!({ "client_id": 1, "body": " " })),
    ] {
        assert_eq!(alder(hook, body.clone()).status, 422, "{hook} {body}");
    }
    assert_eq!(ok(&alder("remove", json!({ "id": foreign["id"] }))), json!({ "removed": 0 }));
    assert_eq!(ok(&birch("search", json!({ "words": "garden" }))).as_array().unwrap().len(), 1);

    // A note without a client came to nothing; what means something to LIKE is an ordinary character.
    assert_eq!(ok(&alder("list", Value::Null)), notes);
    assert_eq!(ok(&alder("search", json!({ "words": "100%" }))).as_array().unwrap().len(), 1);
    assert_eq!(ok(&alder("search", json!({ "words": "1_0" }))), json!([]));
    assert_eq!(ok(&alder("remove", json!({ "id": happy["id"] }))), json!({ "removed": 1 }));
    assert_eq!(ok(&alder("list", Value::Null)).as_array().unwrap().len(), 1);
    host.stop();
}

/// Spec: S4.39-48, S4.13, S4x.8, F3
#[test]
fn the_snippets_run_as_written_and_values_stay_values() {
    let guest = repository().join("tests/guests/typescript");
    if let Err(reason) = installed(&guest) {
        return skipped(&reason);
    }
    let source = read_to_string(guest.join("snippets/index.ts")).unwrap();
    assert!(source.contains(SNIPPETS), "the guest has other snippets than the specification");
    run(Command::new("npm").args(["run", "check"]).current_dir(&guest)).unwrap();
    let manifest = guest.join("snippets/manifest.yaml");
    let directory = HostDirectory::new().under_load();
    let component = directory.path().join("snippets.wasm");
    build(&guest, &manifest, "snippets/index.ts", &component).unwrap();
    let host = directory.serve();
    host.submit(&manifest, &component);
    host.install(&ALDER, "ts-snippets");
    snippets(&host);
    attacks(&host);
    semantics(&host);
    host.stop();
}

fn call(host: &Host<'_>, hook: &str, body: &Value) -> Value {
    ok(&host.hook(&ALDER, &ALDER, "ts-snippets", hook, &body.to_string()))
}

fn snippets(host: &Host<'_>) {
    let answer =
        call(host, "snippets", &json!({ "since": "2020-01-01T00:00:00Z", "chatId": 1, "clientId": 2 }));
    let names = |rows: &Value| -> Vec<String> {
        let mut names: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["first_name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&answer["clients"]), ["Aisha", "Anna", "Arthur"]);
    assert_eq!(answer["clients"], answer["rows"]);
    assert_eq!(answer["message"]["content"], "Nine is fine.");
    assert_eq!(
        (&answer["message"]["chat_id"], &answer["newMessage"]["content"]),
        (&json!(1), &json!("Hello!"))
    );
    let messages = answer["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(
        messages.iter().all(|message| message["client_id"].is_number() && message["content"].is_string())
    );
    assert_eq!((&answer["contacted"], &answer["isDate"]), (&json!([2]), &json!(true)));
}

/// A value is never text of the statement, and a name is a name.
fn attacks(host: &Host<'_>) {
    let compare = |column: &str, operator: &str, value: &str| {
        call(host, "compare", &json!({ "column": column, "operator": operator, "value": value }))
    };
    assert_eq!(compare("first_name", "=", "Anna"), json!([{ "first_name": "Anna" }]));
    assert_eq!(compare("first_name", "=", "x' OR '1' = '1"), json!([]));
    for (column, operator) in [
        ("first_name = first_name OR first_name", "="),
        ("first_name", "IS NOT NULL OR first_name ="),
        ("first_name\"", "="),
        ("(SELECT first_name FROM clients LIMIT 1)", "="),
    ] {
        assert_eq!(compare(column, operator, "x")["code"], "builder", "{column} {operator}");
    }
    assert_eq!(compare("clients.tenant_id", "=", BIRCH.id), json!([]));
    assert_eq!(compare("nmae", "=", "x")["code"], "unknown-column");

    let refused = call(host, "refused", &json!({ "sql": "SELECT number FROM invoices" }));
    assert_eq!((&refused["isDenied"], &refused["code"]), (&json!(true), &json!("table-not-allowed")));
    assert_eq!(refused["span"], json!({ "start": 19, "end": 27 }));
    assert_eq!(refused["hint"], "permissions.database.read: [invoices]");
}

fn semantics(host: &Host<'_>) {
    let soft = call(host, "soft", &json!({ "chatId": 2 }));
    let counts = ["undone", "before", "deleted", "hidden", "shown"].map(|name| soft[name].clone());
    assert_eq!(counts, [json!(true), json!(1), json!(1), json!(0), json!(1)]);
    assert_eq!(soft["forced"]["kind"], "permission-denied");

    let exact = call(host, "exact", &Value::Null);
    assert_eq!(exact["rounded"], json!(["decode", "big"]));
    assert_eq!(exact["kinds"], json!(["bigint", "string"]));
    assert_eq!(
        exact["row"],
        json!({ "big": "9007199254740993", "dec": "0.70", "at": "2026-01-01T00:00:00.000001Z" })
    );

    // A component is a snapshot of an engine; what it drew at random must not be part of it.
    let (first, second) = (call(host, "chance", &Value::Null), call(host, "chance", &Value::Null));
    assert!(first["number"] != second["number"] && first["uuid"] != second["uuid"], "{first} {second}");

    let promises = call(host, "promises", &Value::Null);
    assert_eq!(promises, json!({ "sum": 6, "all": [1, 2], "settled": ["rejected", "fulfilled"] }));
}

/// Spec: S4.39-48, S4.70, F3
#[test]
fn the_sdks_own_tests_and_type_tests_pass() {
    if let Err(reason) = installed(&sdk()) {
        return skipped(&reason);
    }
    let output = run(Command::new("npm").arg("test").current_dir(sdk())).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("# fail 0") && !text.contains("# pass 0"), "{text}");
}

/// Spec: S4x.11
#[test]
fn a_build_tells_what_the_manifest_lists_and_the_applet_lacks() {
    let guest = repository().join("tests/guests/typescript");
    if let Err(reason) = installed(&guest) {
        return skipped(&reason);
    }
    let folder = tempfile::tempdir().unwrap();
    let (manifest, out) = (folder.path().join("manifest.yaml"), folder.path().join("x.wasm"));
    let text = read_to_string(guest.join("snippets/manifest.yaml")).unwrap();
    std::fs::write(&manifest, text.replace("named: [", "lifecycle: [on-enable]\n  named: [forgotten, "))
        .unwrap();
    let told = build(&guest, &manifest, "snippets/index.ts", &out).unwrap_err();
    assert!(told.contains("named hook `forgotten`, `on-enable`"), "{told}");
    for (top_level, reason) in [
        (r#"import { sdk } from "@applet-host/sdk"; sdk.db.query("SELECT 1");"#, "only while a hook runs"),
        ("export const key = crypto.randomUUID();", "only while a hook runs"),
        ("export const row = await 1;", "await inside the hook"),
        (r#"import "node:fs";"#, "an applet has no Node.js"),
    ] {
        let entry = folder.path().join("entry.ts");
        std::fs::write(&entry, format!("{top_level}\nexport default 1;\n")).unwrap();
        let told = build(&guest, &manifest, entry.to_str().unwrap(), &out).unwrap_err();
        assert!(told.contains(reason), "{top_level}: {told}");
    }
    let told = build(&guest, &folder.path().join("none.yaml"), "snippets/index.ts", &out).unwrap_err();
    assert!(told.contains("cannot read") && !told.contains("node:"), "{told}");
    assert!(!out.exists());
}

/// Compares with a file of the repository, or writes it.
fn golden(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, text).unwrap();
    }
    assert_eq!(read_to_string(path).unwrap(), text, "{}", path.display());
}

fn printed(command: &mut Command) -> String {
    String::from_utf8(run(command).unwrap_or_else(|told| panic!("{told}")).stdout).unwrap()
}

/// Spec: S4.70
#[tokio::test]
async fn types_are_declared_from_the_manifest_and_the_catalogue() {
    let goldens = repository().join("tests/golden/types");
    let manifest = repository().join("manifests/support-desk.yaml");
    let alone = || {
        let mut command = Command::new(applet());
        command.arg("types").env_remove("APPLET_DATA").env_remove("DATABASE_URL");
        command
    };
    golden(&goldens.join("support-desk.ts"), &printed(alone().arg(&manifest)));
    golden(&goldens.join("support-desk-exact.ts"), &printed(alone().arg(&manifest).arg("--exact")));

    let database = Database::empty().await;
    let directory = HostDirectory::on(&database.url());
    let host = directory.serve();
    let sample = repository().join("sample-applets/crm-notes");
    let out = directory.path().join("generated/database.ts");
    let manifest = sample.join("manifest.yaml");
    let told = printed(directory.command().arg("types").arg(&manifest).arg("--out").arg(&out));
    assert!(told.contains("database.ts is written"), "{told}");
    golden(&sample.join("src/database.ts"), &read_to_string(&out).unwrap());
    let value: Value =
        serde_json::from_str(&printed(directory.command().args(["--json", "types"]).arg(&manifest))).unwrap();
    assert_eq!(value["declarations"], read_to_string(&out).unwrap());
    host.stop();
}
