//! Exporting and deleting: what is in the files is what was in the table, and nothing goes before that is sure.

use std::path::Path;

use applet_lifecycle::{
    ExportFormat, Fault, FaultPoint, Faults, LifecycleError, Progress, RetireMode, Silent,
};
use applet_store::State;

use super::host::{Database, Host, Recording, admin, applet, tenant, workspace};
use super::notes::{NOTES, TAGS, all_of, content, rows_of, write_notes};

const FORMATS: [ExportFormat; 2] = [ExportFormat::Jsonl, ExportFormat::Csv];

fn export(format: ExportFormat) -> RetireMode {
    RetireMode::Export { format }
}

/// Rows with every value that has ever broken an export.
async fn write_nasty(database: &Database, number: u128) {
    let tenant = tenant(number);
    let texts = [
        "'=1+1'",
        "'+1'",
        "'-1'",
        "'@SUM(A1)'",
        "E'\\t=1'",
        "E'\\r\\n=1'",
        "''''",
        "'\"'",
        "'a,b;=c|-d'",
        "''",
        "NULL",
        "'null'",
        "E'\\\\N'",
        "'é😀＝x'",
        "E'line\\nline'",
        "' padded '",
        "repeat('x', 100000)",
        "E'\\u202e'",
    ];
    for text in texts {
        database
            .run(&format!(
                "INSERT INTO {NOTES} (tenant_id, body, small, big, price, flag, at, day, doc, blob, label) VALUES
                 ('{tenant}', {text}, -2147483648, 9223372036854775807, -123456789012345678.123456, false,
                  '1969-12-31 23:59:59.999999+00', '0044-03-15 BC', '{{\"a\": [1.00000000000000000000001, null, \"=1\"]}}',
                  '\\x00ff273d', left({text}, 50)),
                 ('{tenant}', {text}, NULL, NULL, 'NaN', NULL, 'infinity', '-infinity', 'null', '', NULL)"
            ))
            .await;
    }
}

#[tokio::test]
async fn s4_38_exported_rows_load_back_as_they_were_and_are_gone() {
    for format in FORMATS {
        let database = Database::new().await;
        let host = Host::on(&database.url).await;
        host.takes_notes(&database, &[1, 2]).await;
        write_nasty(&database, 1).await;
        write_nasty(&database, 2).await;
        let others = all_of(&database, 2).await;
        let columns = "id, body, small, big, price, flag, at, day, doc, blob, token, label";
        let digest = |table: &str| {
            format!(
                "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM (SELECT {columns} FROM {table}
                  WHERE tenant_id = '{}') t",
                tenant(1)
            )
        };
        let before = database.texts(&digest(NOTES)).await;
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let report = host.leaves(1, export(format), Some(&out)).await;
        let exported = report.export.unwrap();
        assert_eq!(exported.tables.iter().map(|table| table.rows).collect::<Vec<_>>(), [39, 3]);
        assert_eq!(rows_of(&database, 1).await, 0);
        assert_eq!(all_of(&database, 2).await, others, "{format:?}");
        let files: Vec<_> =
            [NOTES, TAGS].iter().map(|table| format!("{table}.{}", format.as_str())).collect();
        let mut found: Vec<_> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(found, [files[0].as_str(), files[1].as_str(), "export.json"]);
        // Another tenant's rows are in no file.
        for file in &files {
            let text = std::fs::read_to_string(out.join(file)).unwrap();
            assert!(!text.contains(&tenant(2).to_string()) && text.contains(&tenant(1).to_string()));
        }

        // PostgreSQL reads it back itself: CSV after the documented un-guarding, JSON as it is.
        let text = std::fs::read_to_string(out.join(&files[0])).unwrap();
        database.run(&format!("CREATE TABLE back (LIKE {NOTES})")).await;
        match format {
            ExportFormat::Csv => load_csv(&database, &text).await,
            ExportFormat::Jsonl => load_jsonl(&database, &text).await,
        }
        assert_eq!(database.texts(&digest("back")).await, before, "{format:?}");
    }
}

/// By PostgreSQL's own reader, undoing in SQL what the format's documentation says.
async fn load_csv(database: &Database, text: &str) {
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&database.url).await.unwrap();
    let mut copy = connection.copy_in_raw("COPY back FROM STDIN (FORMAT csv, HEADER true)").await.unwrap();
    copy.send(text.as_bytes()).await.unwrap();
    copy.finish().await.unwrap();
    for column in ["body", "label"] {
        let undone =
            format!("UPDATE back SET {column} = regexp_replace({column}, '(^|[\\t\\n\\r;|])''', '\\1', 'g')");
        database.run(&undone).await;
    }
}

async fn load_jsonl(database: &Database, text: &str) {
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&database.url).await.unwrap();
    for line in text.lines() {
        // A document is written as its text, so that its numbers keep their digits.
        sqlx::query(
            "WITH line AS (SELECT $1::text::jsonb AS of), made AS (
                 INSERT INTO back SELECT (jsonb_populate_record(NULL::back, of - 'doc')).* FROM line)
             SELECT FROM line",
        )
        .bind(line)
        .execute(&mut connection)
        .await
        .unwrap();
        sqlx::query(
            "UPDATE back SET doc = ($1::text::jsonb ->> 'doc')::jsonb WHERE id = ($1::text::jsonb ->> 'id')::bigint",
        )
        .bind(line)
        .execute(&mut connection)
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn s4_38_an_export_needs_a_folder_that_is_its_own() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let planned = host.plans_leaving(1, export(ExportFormat::Csv)).await.unwrap();
    host.approves_leaving(1, &planned).await;
    assert_eq!(host.goes(1, None).await.unwrap_err().code(), "export-folder");
    assert!(host.serves_notes(1).await, "nothing has begun");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    let refused = host.goes(1, Some(folder.path())).await.unwrap_err();
    assert_eq!(refused.code(), "export-folder");
    assert!(matches!(host.notes_state(1).await, State::Failed { resumable: true, .. }));
    // A host that starts leaves it to whoever knows the folder.
    assert!(host.lifecycle.resume(admin(1).request, &Silent).await.unwrap().is_empty());
    assert_eq!(host.goes(1, None).await.unwrap_err().code(), "export-folder");
    assert_eq!(rows_of(&database, 1).await, 6);
    let report = host.goes(1, Some(&folder.path().join("out"))).await.unwrap();
    assert!(report.resumed);
    assert_eq!(std::fs::read_to_string(folder.path().join("thesis.txt")).unwrap(), "mine");
    assert_eq!(rows_of(&database, 1).await, 0);
}

/// Does something when the tables are about to be left.
struct Before<'a>(&'a (dyn Fn() + Send + Sync));

impl Progress for Before<'_> {
    fn step(&self, step: u32, _of: u32, _what: &str) {
        if step == 3 {
            (self.0)();
        }
    }
}

/// Runs on a thread of its own, because the runtime of the caller is in the middle of something.
pub(crate) fn meanwhile<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work());
        });
    });
}

#[tokio::test]
async fn s4_38_rows_that_change_after_they_were_exported_are_exported_again() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let planned = host.plans_leaving(1, export(ExportFormat::Jsonl)).await.unwrap();
    host.approves_leaving(1, &planned).await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let written = std::sync::atomic::AtomicU32::new(0);
    // The first change adds rows, the second only turns a value round.
    let change = || match written.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => meanwhile(|| write_notes(&database, 1, 1)),
        1 => meanwhile(|| async {
            database.run(&format!("UPDATE {NOTES} SET flag = NOT coalesce(flag, false)")).await;
        }),
        _ => {}
    };
    let report = host
        .lifecycle
        .uninstall(&admin(1), workspace(1), &applet("notes"), Some(&out), &Before(&change))
        .await
        .unwrap();
    assert_eq!(written.into_inner(), 3);
    let exported = report.export.unwrap();
    assert_eq!(exported.tables[0].rows, 4);
    let text = std::fs::read_to_string(out.join(format!("{NOTES}.jsonl"))).unwrap();
    assert_eq!(text.matches("\"flag\":true").count(), 4);
}

#[tokio::test]
async fn s4_38_rows_that_never_stop_changing_are_not_deleted() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    let planned = host.plans_leaving(1, export(ExportFormat::Csv)).await.unwrap();
    host.approves_leaving(1, &planned).await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let change = || meanwhile(|| write_notes(&database, 1, 1));
    let (life, id) = (&host.lifecycle, applet("notes"));
    let failed = life.uninstall(&admin(1), workspace(1), &id, Some(&out), &Before(&change)).await;
    assert_eq!(failed.unwrap_err().code(), "export-stale");
    assert_eq!(rows_of(&database, 1).await, 12);
    assert!(host.goes(1, Some(&out)).await.unwrap().resumed);
    assert_eq!(rows_of(&database, 1).await, 0);
}

#[tokio::test]
async fn s4_38_a_file_that_was_changed_on_the_disk_deletes_nothing() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.takes_notes(&database, &[1]).await;
    for format in FORMATS {
        let before = content(&database, 1).await;
        let faults = Faults::armed(FaultPoint::ExportVerified, Fault::Error);
        let faulty = Host::with(&database.url, faults, Recording::default()).await;
        let planned = faulty.plans_leaving(1, export(format)).await.unwrap();
        faulty.approves_leaving(1, &planned).await;
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let failed = faulty.goes(1, Some(&out)).await.unwrap_err();
        assert!(matches!(failed, LifecycleError::Fault(_)), "{failed}");
        let file = out.join(format!("{NOTES}.{}", format.as_str()));
        let whole = std::fs::read(&file).unwrap();
        // Cut short it cannot be read.
        std::fs::write(&file, &whole[..whole.len() - 5]).unwrap();
        assert_eq!(host.goes(1, Some(&out)).await.unwrap_err().code(), "export-damaged");
        assert_eq!(content(&database, 1).await, before);
        // With another value in it, it can: only the database knows better, and it is written anew.
        let text = String::from_utf8(whole.clone()).unwrap();
        std::fs::write(&file, text.replace("note 2 of 1", "note 2 of 7")).unwrap();
        let report = host.goes(1, Some(&out)).await.unwrap();
        assert_eq!(report.tables[0].rows, 3);
        assert_eq!(std::fs::read(&file).unwrap(), whole);
        let mark: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.join("export.json")).unwrap()).unwrap();
        assert_eq!(mark["complete"], true);
        assert_eq!(mark["tables"][0]["rows"], 3);

        host.installs_notes(1, 1).await;
        reload(&database, 1).await;
        assert_eq!(rows_of(&database, 1).await, 6);
    }
}

/// Gives a tenant its rows as they were at first, keys included.
async fn reload(database: &Database, number: u128) {
    for table in [NOTES, TAGS] {
        database.run(&format!("ALTER TABLE {table} ALTER COLUMN id RESTART")).await;
    }
    write_notes(database, number, 3).await;
}

/// Spec: S4.38, limits G38
#[tokio::test]
async fn s4_38_a_file_that_was_begun_is_gone_on_with_wherever_it_was_cut() {
    for format in FORMATS {
        let database = Database::new().await;
        let host = Host::on(&database.url).await;
        host.takes_notes(&database, &[1]).await;
        write_nasty(&database, 1).await;
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let faults = Faults::armed(FaultPoint::ExportWritten, Fault::Error);
        let faulty = Host::with(&database.url, faults, Recording::default()).await;
        let planned = faulty.plans_leaving(1, export(format)).await.unwrap();
        faulty.approves_leaving(1, &planned).await;
        faulty.goes(1, Some(&out)).await.unwrap_err();
        let file = out.join(format!("{NOTES}.{}", format.as_str()));
        let whole = std::fs::read(&file).unwrap();
        for cut in
            (0..whole.len()).step_by(whole.len() / 40 + 1).chain([1, 20, 60, whole.len() - 1, whole.len()])
        {
            let begun = Path::new(&out).join(format!("{NOTES}.{}.part", format.as_str()));
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&begun, &whole[..cut]).unwrap();
            faulty.goes(1, Some(&out)).await.unwrap_err();
            assert_eq!(std::fs::read(&file).unwrap(), whole, "cut at {cut} of {}", whole.len());
            assert!(!begun.exists());
        }
        assert_eq!(host.goes(1, Some(&out)).await.unwrap().tables[0].rows, 39);
    }
}
