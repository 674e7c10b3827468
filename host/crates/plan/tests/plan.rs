//! Plans against a catalogue like that of a CRM.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod common;
mod generated;

use applet_catalog::{Catalog, Tenancy};
use applet_manifest::load;
use applet_plan::{Plan, ProblemCode, Side, StepKind, diff, install, own_table_ddl};
use applet_types::TenantForm;
use common::{ai_chat, crm, example, golden, made, name, with};

fn plan(manifest: &applet_manifest::ValidatedManifest, catalog: &Catalog) -> Plan {
    install(manifest, &manifest.requested(), catalog).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn problems(manifest: &str, catalog: &Catalog) -> Vec<(ProblemCode, String)> {
    let manifest = load(manifest.as_bytes()).unwrap_or_else(|violations| panic!("{violations}"));
    let refusal = install(&manifest, &manifest.requested(), catalog).unwrap_err();
    refusal.problems().iter().map(|problem| (problem.code, problem.message.clone())).collect()
}

#[test]
fn s4_27_plans_print_as_they_are_shown_to_an_admin() {
    golden("ai-chat", &plan(&ai_chat(), &crm()).render());
    golden("support-desk", &plan(&example("support-desk"), &crm()).render());
    golden("viewer", &plan(&example("viewer"), &crm()).render());
}

#[test]
fn s4_20_equal_inputs_give_equal_bytes_and_anything_else_another_digest() {
    let (manifest, catalog) = (ai_chat(), crm());
    let digest = plan(&manifest, &catalog).digest();
    assert_eq!(digest, plan(&ai_chat(), &crm()).digest());
    let narrowed = manifest.narrow(&["write:chats".parse().unwrap()], &|_| None).unwrap();
    assert_ne!(digest, install(&manifest, &narrowed, &catalog).unwrap().digest());
    assert_ne!(digest, plan(&example("support-desk"), &catalog).digest());
}

#[test]
fn s4_20_a_plan_covers_the_relations_it_names_and_no_other() {
    let manifest = ai_chat();
    let digest = plan(&manifest, &crm()).digest();
    let elsewhere = with(crm(), "api_keys", |table| table.columns.truncate(1));
    assert_eq!(digest, plan(&manifest, &elsewhere).digest());
    let here = with(crm(), "clients", |table| table.columns.truncate(2));
    assert_ne!(digest, plan(&manifest, &here).digest());
}

#[test]
fn s4_20_joining_a_table_that_another_tenant_made_is_the_same_plan_with_nothing_left_to_do() {
    for manifest in [ai_chat(), example("support-desk")] {
        let before = plan(&manifest, &crm());
        let joined = made(crm(), &manifest);
        let after = plan(&manifest, &joined);
        assert_eq!(before.digest(), after.digest());
        assert!(!before.pending(&crm()).is_empty());
        assert_eq!(after.pending(&joined), Vec::<&applet_plan::DdlStatement>::new());
    }
}

#[test]
fn s4_29_what_is_pending_after_a_crash_is_what_is_missing() {
    let manifest = example("support-desk");
    let whole = plan(&manifest, &crm());
    let joined = made(crm(), &manifest);
    let half = with(joined, "applet_support_desk_tickets", |table| {
        table.foreign_keys.retain(|key| key.target.as_str() == "tenants");
    });
    let pending: Vec<_> = whole.pending(&half).iter().map(|statement| statement.sql()).collect();
    assert_eq!(pending.len(), 2, "{pending:?}");
    assert!(pending.iter().all(|sql| sql.contains("ADD CONSTRAINT")));
}

#[test]
fn s4_21_every_key_of_an_own_table_starts_with_the_tenant() {
    let text = plan(&example("support-desk"), &crm()).render();
    assert!(text.contains("PRIMARY KEY (tenant_id, id)"));
    assert!(text.contains("FOREIGN KEY (tenant_id, client_id) REFERENCES public.clients (tenant_id, id)"));
    assert!(text.contains("FOREIGN KEY (tenant_id) REFERENCES public.tenants (id) ON DELETE CASCADE"));
    assert!(text.contains("ON DELETE SET NULL (parent_id)"));
    for line in text.lines().filter(|line| line.contains(" INDEX ")) {
        assert!(line.contains("(tenant_id"), "{line}");
    }
}

#[test]
fn s4_51_every_own_table_gets_forced_row_security_and_both_policies() {
    let text = plan(&ai_chat(), &crm()).render();
    for part in ["ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY", "AS PERMISSIVE", "AS RESTRICTIVE"] {
        assert_eq!(text.matches(part).count(), 1, "{part}");
    }
}

#[test]
fn d1_policies_ask_for_the_tenant_as_the_database_takes_it() {
    let statements = |form| {
        let plan = plan(&ai_chat(), &crm().taking_tenant(form));
        plan.steps()
            .iter()
            .flat_map(|step| step.statements())
            .map(|each| each.sql().to_owned())
            .collect::<Vec<_>>()
    };
    for (form, asks, other) in [
        (TenantForm::Plain, "current_setting('applet.tenant', true)", "applet_host.tenant()"),
        (TenantForm::Signed, "(SELECT applet_host.tenant())", "current_setting"),
    ] {
        let statements = statements(form);
        assert_eq!(statements.iter().filter(|sql| sql.contains(asks)).count(), 2, "{statements:#?}");
        assert!(!statements.iter().any(|sql| sql.contains(other)), "{statements:#?}");
    }
}

#[test]
fn s4_18_own_tables_that_were_not_granted_are_not_made() {
    let manifest = ai_chat();
    let grants = manifest.narrow(&["create-tables".parse().unwrap()], &|_| None).unwrap();
    let plan = install(&manifest, &grants, &crm()).unwrap();
    assert!(plan.steps().iter().all(|step| matches!(step.kind(), StepKind::GrantRole { .. })));
    assert!(plan.pending(&crm()).is_empty());
}

#[test]
fn f7_new_code_under_other_grants_is_a_plan_of_grants_only() {
    let manifest = ai_chat();
    let old = manifest.narrow(&["write:chats".parse().unwrap()], &|_| None).unwrap();
    let new = manifest.narrow(&["read:users".parse().unwrap()], &|_| None).unwrap();
    let installed = made(crm(), &manifest);
    let side = |grants| Side { manifest: &manifest, grants };
    let plan = diff(Some(side(&old)), side(&new), &installed).unwrap();
    let lines = |lines: &[applet_plan::GrantLine]| -> Vec<String> {
        lines.iter().map(|line| format!("{} {}", line.operation, line.table)).collect()
    };
    assert_eq!(lines(&plan.grants().added), ["insert chats", "update chats"]);
    assert_eq!(lines(&plan.grants().removed), ["read users"]);
    assert!(plan.pending(&installed).is_empty());
    assert!(plan.render().starts_with("change AI Chat (ai-chat) from 1.0.0 to 1.0.0"));
}

#[test]
fn s4_8_tables_that_are_not_there_or_not_visible_are_named() {
    let manifest = "
manifestVersion: '1.0'
id: curious
version: 1.0.0
name: Curious
permissions:
  database:
    read: [countries, invoices, applets_home, { table: clients, columns: [id, ssn] }]
    write: [countries, { table: chats, operations: [soft-delete] }, { table: users, operations: [soft-delete] }]
";
    let catalog =
        with(crm(), "chats", |table| table.columns.retain(|column| column.name.as_str() != "deleted_at"));
    let invisible = with(catalog, "applets_home", |table| table.tenancy = Tenancy::Invisible);
    let found = problems(manifest, &invisible);
    let messages: Vec<_> = found.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "table `applets_home` does not exist or applets cannot see it",
            "table `invoices` does not exist or applets cannot see it",
            "table `chats` has no `deleted_at`: its rows cannot be soft deleted",
            "table `clients` has no column `ssn`",
            "table `countries` is the same for all tenants and can only be read",
        ]
    );
}

const NOTES: &str = "
manifestVersion: '1.0'
id: notes
version: 1.0.0
name: Notes
permissions: { database: { createTables: true } }
tables:
  - name: TABLE
    columns:
      - { name: id, type: bigserial, primary: true }
      - { name: tenant_id, type: uuid, required: true }
      - { name: ref, type: bigint, foreignKey: { table: TARGET, column: COLUMN } }
";

fn notes(table: &str, target: &str, column: &str) -> String {
    NOTES.replace("TABLE", table).replace("TARGET", target).replace("COLUMN", column)
}

#[test]
fn s4_75_a_foreign_key_needs_a_unique_key_with_the_tenant_at_its_target() {
    for (target, column, reason) in [
        ("nowhere", "id", "cannot point at `nowhere`: it does not exist or applets cannot see it"),
        (
            "countries",
            "code",
            "cannot point at `countries`: it has no tenant column that the key could begin with",
        ),
        ("clients", "ident", "cannot point at `clients.ident`: there is no such column"),
        ("api_keys", "id", "cannot point at `api_keys.id`: `api_keys` has no unique key (tenant_id, id)"),
        (
            "clients",
            "email",
            "cannot point at `clients.email`: that is of type character varying(255), this of type bigint",
        ),
    ] {
        let found = problems(&notes("notes", target, column), &crm());
        assert_eq!(found, [(ProblemCode::InvalidForeignKey, format!("`notes.ref` {reason}"))]);
    }
    let manifest = load(notes("notes", "clients", "id").as_bytes()).unwrap();
    assert!(
        plan(&manifest, &crm())
            .render()
            .contains("REFERENCES public.clients (tenant_id, id) ON DELETE NO ACTION")
    );
}

#[test]
fn s4_76_an_own_table_cannot_hide_a_table_of_the_database() {
    let found = problems(&notes("api_keys", "clients", "id"), &crm());
    assert_eq!(found[0].0, ProblemCode::NameTaken);
}

#[test]
fn s4_18_keys_that_span_tenants_and_rows_that_cannot_go_are_named_before_approval() {
    let manifest = notes("notes", "clients", "id").replace("createTables", "write: [users], createTables");
    let manifest = load(manifest.as_bytes()).unwrap();
    assert_eq!(
        plan(&manifest, &crm()).warnings(),
        [
            "key `users_email_key` of `users` spans tenants: its columns cannot be written unless the operator allows it",
            "a row of `clients` cannot be deleted while a row of `applet_notes_notes` points at it",
        ]
    );
    let elsewhere = notes("notes", "clients", "id")
        .replace("createTables", "write: [{ table: users, operations: [soft-delete] }], createTables");
    let elsewhere = load(elsewhere.as_bytes()).unwrap();
    assert_eq!(plan(&elsewhere, &crm()).warnings().len(), 1, "soft delete writes no column of the key");
}

#[test]
fn s4_28_an_own_table_of_another_shape_is_refused_with_every_difference() {
    let manifest = ai_chat();
    let other = with(made(crm(), &manifest), "applet_ai_chat_ai_chat_configs", |table| {
        table.unique_keys.retain(|key| !key.primary);
        table.foreign_keys.clear();
        table.columns.retain(|column| column.name.as_str() != "system_prompt");
        for column in &mut table.columns {
            match column.name.as_str() {
                "model_name" => "text".clone_into(&mut column.sql_type),
                "temperature" => column.default = None,
                "created_at" => column.nullable = true,
                _ => {}
            }
        }
    });
    let refusal = install(&manifest, &manifest.requested(), &other).unwrap_err();
    golden("another-shape", &format!("{refusal}\n"));
    assert!(refusal.problems().iter().all(|problem| problem.code == ProblemCode::TableDiffers));
}

#[test]
fn s4_28_columns_of_a_newer_version_do_not_stand_in_the_way() {
    let manifest = ai_chat();
    let newer = with(made(crm(), &manifest), "applet_ai_chat_ai_chat_configs", |table| {
        let mut column = table.columns[2].clone();
        column.name = name("added_later");
        table.columns.push(column);
    });
    assert_eq!(plan(&manifest, &newer).digest(), plan(&manifest, &crm()).digest());
    let required = with(newer, "applet_ai_chat_ai_chat_configs", |table| {
        let column = table.columns.last_mut().unwrap();
        (column.nullable, column.default) = (false, None);
    });
    let relaxed = plan(&manifest, &required);
    assert_eq!(relaxed.digest(), plan(&manifest, &crm()).digest());
    let change = relaxed.adjustments()[0].statements()[0].sql();
    assert!(change.ends_with("ALTER COLUMN added_later DROP NOT NULL"), "{change}");
}

#[test]
fn s4_21_without_tenants_nothing_can_be_installed() {
    let manifest = ai_chat();
    let refusal = install(&manifest, &manifest.requested(), &Catalog::default()).unwrap_err();
    assert_eq!(refusal.problems()[0].code, ProblemCode::NoTenants);
}

#[test]
fn s4_19_own_tables_that_exist_are_left_alone_whatever_their_shape() {
    let manifest = ai_chat();
    let statements = own_table_ddl(&manifest, &crm()).unwrap();
    assert_eq!(statements.len(), plan(&manifest, &crm()).pending(&crm()).len());
    let other =
        with(made(crm(), &manifest), "applet_ai_chat_ai_chat_configs", |table| table.columns.truncate(2));
    assert_eq!(own_table_ddl(&manifest, &other).unwrap(), []);
}
