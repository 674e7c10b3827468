//! Plans for made-up manifests: whatever a manifest may declare can be planned, and its statements pass
//! the plan's own check.

#![expect(clippy::indexing_slicing, reason = "JSON values are built and read by key")]

use applet_manifest::{ColumnType, ValidatedManifest, load};
use applet_plan::install;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{crm, made};

/// A text that would like to end its literal.
const HOSTILE: &str = "['\"\\\\;$a-z%_/* -]{0,12}";

fn default_of(kind: ColumnType) -> BoxedStrategy<Value> {
    match kind {
        ColumnType::BigSerial | ColumnType::Serial => Just(Value::Null).boxed(),
        ColumnType::Uuid => Just(json!("gen_random_uuid()")).boxed(),
        ColumnType::Varchar(_) | ColumnType::Text => HOSTILE.prop_map(Value::from).boxed(),
        ColumnType::Integer | ColumnType::BigInt => any::<i32>().prop_map(Value::from).boxed(),
        ColumnType::Decimal(..) => (-99_i32..99, 0_u8..99)
            .prop_map(|(whole, hundredths)| Value::from(format!("{whole}.{hundredths:02}")))
            .boxed(),
        ColumnType::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        ColumnType::TimestampTz | ColumnType::Date => Just(json!("now()")).boxed(),
        ColumnType::Jsonb => HOSTILE.prop_map(|text| json!({ "a": [text, null, 1] })).boxed(),
        ColumnType::Bytea => Just(json!("\\x00ff")).boxed(),
    }
}

prop_compose! {
    fn column(number: usize)(
        kind in proptest::sample::select(ColumnType::EXAMPLES.to_vec()),
    )(
        default in proptest::option::of(default_of(kind)),
        kind in Just(kind),
        index in any::<bool>(),
        required in any::<bool>(),
        target in proptest::sample::select(vec!["clients", "chats", "t0"]),
        on_delete in proptest::sample::select(vec!["CASCADE", "SET NULL", "RESTRICT", "no action"]),
        tied in any::<bool>(),
    ) -> Value {
        let mut column = json!({ "name": format!("c{number}"), "type": kind.to_string(), "required": required });
        column["index"] = json!(index && kind.can_be_indexed());
        if let Some(default) = default {
            column["default"] = default;
        }
        if tied && kind == ColumnType::BigInt && !(required && on_delete == "SET NULL") {
            column["foreignKey"] = json!({ "table": target, "onDelete": on_delete });
        }
        column
    }
}

prop_compose! {
    fn table(number: usize)(
        more in (0_usize..6).prop_flat_map(|count| (0..count).map(column).collect::<Vec<_>>()),
        unique in proptest::collection::vec(any::<bool>(), 3),
    ) -> Value {
        let mut columns = vec![
            json!({ "name": "id", "type": "bigserial", "primary": true }),
            json!({ "name": "tenant_id", "type": "uuid" }),
        ];
        let indexable: Vec<Value> = more
            .iter()
            .filter(|column| !["jsonb", "bytea"].contains(&column["type"].as_str().unwrap()))
            .map(|column| column["name"].clone())
            .collect();
        let indexes: Vec<Value> = (1..=indexable.len().min(unique.len()))
            .map(|count| json!({ "columns": indexable[..count], "unique": unique[count - 1] }))
            .collect();
        columns.extend(more);
        json!({ "name": format!("t{number}"), "columns": columns, "indexes": indexes })
    }
}

fn manifest() -> impl Strategy<Value = ValidatedManifest> {
    let tables = (1_usize..4).prop_flat_map(|count| (0..count).map(table).collect::<Vec<_>>());
    tables.prop_map(|tables| {
        let manifest = json!({
            "manifestVersion": "1.0", "id": "made-up", "version": "1.0.0", "name": "Made up",
            "permissions": { "database": { "createTables": true, "read": ["clients"] } },
            "tables": tables,
        });
        load(manifest.to_string().as_bytes()).unwrap_or_else(|violations| panic!("{violations}\n{manifest}"))
    })
}

/// `PROPTEST_CASES` asks for more (`make test-long`).
fn cases() -> u32 {
    std::env::var_os("PROPTEST_CASES").map_or(80, |_| ProptestConfig::default().cases)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s4_28_whatever_a_manifest_declares_is_planned_vetted_and_joined(manifest in manifest()) {
        let grants = manifest.requested();
        let plan = install(&manifest, &grants, &crm()).unwrap_or_else(|refusal| panic!("{refusal}"));
        let again = install(&manifest, &grants, &made(crm(), &manifest)).unwrap_or_else(|refusal| panic!("{refusal}"));
        prop_assert_eq!(plan.digest(), again.digest());
        prop_assert!(again.pending(&made(crm(), &manifest)).is_empty());
    }
}
