//! An applet with two tables that point at each other and a column of every type, and tenants with rows in it.

use std::path::Path;

use applet_lifecycle::{Decision, LifecycleError, PlannedUninstall, RetireMode, Silent, UninstallReport};

use super::host::{Database, Host, admin, applet, tenant, workspace};

pub(crate) const NOTES: &str = "applet_notes_notes";
pub(crate) const TAGS: &str = "applet_notes_tags";

/// The manifest, with hooks.
pub(crate) fn manifest(hooks: &str) -> String {
    format!(
        r#"manifestVersion: "1.0"
id: notes
version: 1.0.0
name: Notes
permissions:
  database:
    read: [clients]
    createTables: true
tables:
  - name: notes
    columns:
      - {{ name: id, type: bigserial, primary: true }}
      - {{ name: tenant_id, type: uuid, required: true, index: true, foreignKey: {{ table: tenants, column: id, onDelete: CASCADE }} }}
      - {{ name: body, type: text, nullable: true }}
      - {{ name: small, type: integer, nullable: true }}
      - {{ name: big, type: bigint, nullable: true }}
      - {{ name: price, type: "decimal(24,6)", nullable: true }}
      - {{ name: flag, type: boolean, nullable: true }}
      - {{ name: at, type: timestamptz, nullable: true }}
      - {{ name: day, type: date, nullable: true }}
      - {{ name: doc, type: jsonb, nullable: true }}
      - {{ name: blob, type: bytea, nullable: true }}
      - {{ name: token, type: uuid, default: gen_random_uuid() }}
      - {{ name: label, type: varchar(50), nullable: true }}
  - name: tags
    columns:
      - {{ name: id, type: bigserial, primary: true }}
      - {{ name: tenant_id, type: uuid, required: true, index: true, foreignKey: {{ table: tenants, column: id, onDelete: CASCADE }} }}
      - {{ name: note_id, type: bigint, required: true, foreignKey: {{ table: notes, column: id, onDelete: RESTRICT }} }}
hooks:
  lifecycle: [{hooks}]
"#
    )
}

impl Host {
    /// From the package to an active installation with rows.
    pub(crate) async fn takes_notes(&self, database: &Database, numbers: &[u128]) {
        self.submit(&manifest("on-install, on-uninstall")).await;
        for number in numbers {
            self.installs_notes(*number, *number).await;
            write_notes(database, *number, 3).await;
        }
    }

    /// Plans, approves and installs, in a workspace of a tenant.
    pub(crate) async fn installs_notes(&self, number: u128, home: u128) -> applet_lifecycle::InstallReport {
        let (ctx, id) = (admin(number), applet("notes"));
        let life = &self.lifecycle;
        let planned = life.plan(&ctx, workspace(home), &id, None).await.unwrap();
        let decision = Decision::everything(planned.record.id);
        life.approve(&ctx, workspace(home), &id, &decision).await.unwrap();
        life.install(&ctx, workspace(home), &id, &Silent).await.unwrap()
    }

    pub(crate) async fn plans_leaving(
        &self,
        number: u128,
        mode: RetireMode,
    ) -> Result<PlannedUninstall, LifecycleError> {
        self.lifecycle.plan_uninstall(&admin(number), workspace(number), &applet("notes"), mode).await
    }

    /// Plans, approves and uninstalls.
    pub(crate) async fn leaves(&self, number: u128, mode: RetireMode, out: Option<&Path>) -> UninstallReport {
        let planned = self.plans_leaving(number, mode).await.unwrap();
        self.approves_leaving(number, &planned).await;
        self.goes(number, out).await.unwrap()
    }

    pub(crate) async fn approves_leaving(&self, number: u128, planned: &PlannedUninstall) {
        let decision = Decision::everything(planned.record.id);
        self.lifecycle.approve(&admin(number), workspace(number), &applet("notes"), &decision).await.unwrap();
    }

    pub(crate) async fn goes(
        &self,
        number: u128,
        out: Option<&Path>,
    ) -> Result<UninstallReport, LifecycleError> {
        self.lifecycle.uninstall(&admin(number), workspace(number), &applet("notes"), out, &Silent).await
    }

    pub(crate) async fn notes_state(&self, number: u128) -> applet_store::State {
        self.lifecycle.status(&admin(number), workspace(number), &applet("notes")).await.unwrap().state
    }

    pub(crate) async fn serves_notes(&self, number: u128) -> bool {
        let found = self
            .store
            .active_installation(tenant(number), workspace(number), &applet("notes"))
            .await
            .unwrap();
        found.is_some()
    }
}

/// Gives a tenant rows in both tables.
pub(crate) async fn write_notes(database: &Database, number: u128, rows: u32) {
    let tenant = tenant(number);
    database
        .run(&format!(
            "WITH made AS (
                 INSERT INTO {NOTES} (tenant_id, body, big, doc, blob, price)
                 SELECT '{tenant}', 'note ' || n || ' of {number}', n, jsonb_build_object('n', n), '\\x00ff', n / 3.0
                   FROM generate_series(1, {rows}) n RETURNING tenant_id, id)
             INSERT INTO {TAGS} (tenant_id, note_id) SELECT tenant_id, id FROM made"
        ))
        .await;
}

/// Where a table stands, if it does.
pub(crate) async fn stands(database: &Database) -> Vec<String> {
    let sql = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ 'applet_notes_' ORDER BY 1";
    database.texts(sql).await
}

/// A digest over all that a tenant has in both tables, whatever their names are now.
pub(crate) async fn content(database: &Database, number: u128) -> Vec<String> {
    let mut content = Vec::new();
    for table in stands(database).await {
        let sql = format!(
            "SELECT '{}' || ' ' || count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t.id), ''))
               FROM {table} t WHERE t.tenant_id = '{}'",
            table.trim_start_matches("_deleted_"),
            tenant(number),
        );
        content.extend(database.texts(&sql).await);
    }
    content
}

/// How many rows a tenant has in both tables.
pub(crate) async fn rows_of(database: &Database, number: u128) -> u64 {
    let mut rows = 0;
    for table in stands(database).await {
        let sql = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{}'", tenant(number));
        rows += database.texts(&sql).await[0].parse::<u64>().unwrap();
    }
    rows
}

/// Everything that is a tenant's: rows, what runs, what may be done, as whom.
pub(crate) async fn all_of(database: &Database, number: u128) -> Vec<String> {
    let mut all = content(database, number).await;
    for sql in [
        format!(
            "SELECT concat_ws(' ', state, applet_digest, grants, limits, generation, left_at)
               FROM applet_host.installations WHERE tenant_id = '{}' ORDER BY 1",
            tenant(number)
        ),
        format!(
            "SELECT concat_ws(' ', ended_at IS NULL, keep_until, tables, outcome) FROM applet_host.retentions
              WHERE tenant_id = '{}' ORDER BY 1",
            tenant(number)
        ),
    ] {
        all.extend(database.texts(&sql).await);
    }
    all
}

/// Moves a tenant's deadline, as if so much time had passed since the uninstall.
pub(crate) async fn passes(database: &Database, number: u128, time: &str) {
    database
        .run(&format!(
            "UPDATE applet_host.retentions SET keep_until = keep_until - interval '{time}'
              WHERE tenant_id = '{}' AND ended_at IS NULL",
            tenant(number)
        ))
        .await;
}
