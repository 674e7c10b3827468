use super::*;
use crate::{params, values};

fn no(_: &str) -> bool {
    false
}

fn chats_only(table: &str) -> bool {
    table == "chats"
}

fn statement(sql: &str, parameters: impl Into<Vec<Value>>) -> Statement {
    Statement { sql: sql.to_owned(), parameters: parameters.into() }
}

fn compare(column: &str, operator: &str, value: impl Into<Value>) -> Condition {
    Condition::Compare(column.to_owned(), operator.to_owned(), value.into())
}

fn own<const N: usize>(values: [(&str, Value); N]) -> Vec<(String, Value)> {
    values.into_iter().map(|(column, value)| (column.to_owned(), value)).collect()
}

/// Spec: S4.39-43
#[test]
fn s4_39_to_s4_43_a_select_with_everything() {
    let parts = Parts {
        columns: ["id", "first_name", "last_name", "phone"].map(str::to_owned).to_vec(),
        conditions: vec![compare("created_at", ">", "2026-01-01"), compare("status", "!=", "gone")],
        order: vec![("created_at".to_owned(), Order::Descending)],
        limit: Some(100),
        offset: Some(20),
        ..Parts::new("clients")
    };
    assert_eq!(
        parts.select(&no).unwrap(),
        statement(
            "SELECT id, first_name, last_name, phone FROM clients WHERE created_at > $1 AND status <> $2 \
             ORDER BY created_at DESC LIMIT 100 OFFSET 20",
            params!["2026-01-01", "gone"]
        )
    );
}

#[test]
fn s4_44_s4_45_a_join_with_qualified_columns_and_a_star() {
    let join = |kind| Join {
        kind,
        table: "chats".to_owned(),
        left: "chat_messages.chat_id".to_owned(),
        operator: "=".to_owned(),
        right: "chats.id".to_owned(),
    };
    let parts = |kind| Parts {
        columns: ["chat_messages.*", "chats.client_id"].map(str::to_owned).to_vec(),
        joins: vec![join(kind)],
        ..Parts::new("chat_messages")
    };
    assert_eq!(
        parts(JoinKind::Inner).select(&chats_only).unwrap().sql,
        "SELECT chat_messages.*, chats.client_id FROM chat_messages JOIN chats ON chat_messages.chat_id = chats.id \
         WHERE chats.deleted_at IS NULL"
    );
    assert_eq!(
        parts(JoinKind::Left).select(&chats_only).unwrap().sql,
        "SELECT chat_messages.*, chats.client_id FROM chat_messages LEFT JOIN chats \
         ON chat_messages.chat_id = chats.id AND chats.deleted_at IS NULL"
    );
}

#[test]
fn s4_46_an_insert_gives_the_stored_row_back() {
    let parts = Parts::new("chat_messages");
    assert_eq!(
        parts.insert(own(values! { chat_id: 7, content: "Hello!" })).unwrap(),
        statement(
            "INSERT INTO chat_messages (chat_id, content) VALUES ($1, $2) RETURNING *",
            params![7, "Hello!"]
        )
    );
    assert_eq!(parts.insert(Vec::new()).unwrap().sql, "INSERT INTO chat_messages DEFAULT VALUES RETURNING *");
}

#[test]
fn s4_47_an_update_needs_a_condition_or_says_that_it_means_every_row() {
    let mut parts = Parts::new("clients");
    assert!(parts.update(own(values! { notes: "x" }), &no).is_err());
    parts.every_row = true;
    assert_eq!(parts.update(own(values! { notes: "x" }), &no).unwrap().sql, "UPDATE clients SET notes = $1");
    parts.conditions.push(compare("id", "=", 7));
    assert_eq!(
        parts.update(own(values! { notes: "x" }), &no).unwrap(),
        statement("UPDATE clients SET notes = $1 WHERE id = $2", params!["x", 7])
    );
}

#[test]
fn decision_3_delete_is_soft_where_the_table_allows_it_and_deleted_rows_are_hidden() {
    let mut parts = Parts { conditions: vec![compare("id", "=", 7)], ..Parts::new("chats") };
    assert_eq!(
        parts.delete(&chats_only).unwrap().sql,
        "UPDATE chats SET deleted_at = now() WHERE id = $1 AND chats.deleted_at IS NULL"
    );
    assert_eq!(parts.delete(&no).unwrap().sql, "DELETE FROM chats WHERE id = $1");
    assert_eq!(
        parts.select(&chats_only).unwrap().sql,
        "SELECT * FROM chats WHERE id = $1 AND chats.deleted_at IS NULL"
    );
    parts.with_deleted = true;
    assert_eq!(parts.select(&chats_only).unwrap().sql, "SELECT * FROM chats WHERE id = $1");
    assert_eq!(parts.force_delete(&chats_only).unwrap().sql, "DELETE FROM chats WHERE id = $1");
}

#[test]
fn s4_40_lists_and_nulls() {
    let parts = Parts {
        conditions: vec![
            Condition::In("id".to_owned(), params![1, 2].to_vec()),
            Condition::In("status".to_owned(), Vec::new()),
            Condition::Null("phone".to_owned()),
            Condition::NotNull("clients.email".to_owned()),
        ],
        ..Parts::new("clients")
    };
    assert_eq!(
        parts.select(&no).unwrap().sql,
        "SELECT * FROM clients WHERE id IN ($1, $2) AND status IN (NULL) AND phone IS NULL AND clients.email IS NOT NULL"
    );
}

#[test]
fn s4_48_only_names_and_known_operators_become_text() {
    let hostile = ["", "a b", "a;--", "A", "a\"b", "a.b.c", "1a", "a'", "chats.", ".id", "a\u{212a}"];
    for name in hostile {
        assert!(Parts::new(name).select(&no).is_err(), "table {name}");
        let column = Parts { columns: vec![name.to_owned()], ..Parts::new("clients") };
        assert!(column.select(&no).is_err(), "column {name}");
        let condition = Parts { conditions: vec![compare(name, "=", 1)], ..Parts::new("clients") };
        assert!(condition.select(&no).is_err(), "condition {name}");
        let order = Parts { order: vec![(name.to_owned(), Order::Ascending)], ..Parts::new("clients") };
        assert!(order.select(&no).is_err(), "order {name}");
        assert!(Parts::new("clients").insert(vec![(name.to_owned(), 1.into())]).is_err(), "insert {name}");
    }
    for operator in ["", "= 1 OR 1 =", "is", "IN", "~"] {
        let parts = Parts { conditions: vec![compare("id", operator, 1)], ..Parts::new("clients") };
        assert!(parts.select(&no).is_err(), "operator {operator}");
    }
    assert!(Parts::new(&"a".repeat(64)).select(&no).is_err());
}

#[test]
fn s4_40_comparing_with_null_is_a_mistake_not_an_empty_result() {
    let parts = Parts { conditions: vec![compare("id", "=", None::<i64>)], ..Parts::new("clients") };
    assert!(parts.select(&no).unwrap_err().message.contains("where_null"));
}
