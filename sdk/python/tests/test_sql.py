"""The same statements as the Rust SDK writes (`sdk/rust/src/sql/tests.rs`)."""

import unittest
from dataclasses import replace

from applet_sdk.errors import BuilderError
from applet_sdk.sql import Condition, Join, Parts, Statement


def no(_: str) -> bool:
    return False


def chats_only(table: str) -> bool:
    return table == "chats"


def compare(column: str, operator: str, value: object) -> Condition:
    return Condition("compare", column, operator, (value,))


class Sql(unittest.TestCase):
    def test_s4_39_to_s4_43_a_select_with_everything(self):
        parts = Parts(
            "clients",
            columns=("id", "first_name", "last_name", "phone"),
            conditions=(compare("created_at", ">", "2026-01-01"), compare("status", "!=", "gone")),
            order=(("created_at", "desc"),),
            limit=100,
            offset=20,
        )
        self.assertEqual(
            parts.select(no),
            Statement(
                "SELECT id, first_name, last_name, phone FROM clients WHERE created_at > $1 AND status <> $2 "
                "ORDER BY created_at DESC LIMIT 100 OFFSET 20",
                ("2026-01-01", "gone"),
            ),
        )

    def test_s4_44_s4_45_a_join_with_qualified_columns_and_a_star(self):
        def parts(kind):
            return Parts(
                "chat_messages",
                columns=("chat_messages.*", "chats.client_id"),
                joins=(Join(kind, "chats", "chat_messages.chat_id", "=", "chats.id"),),
            )

        self.assertEqual(
            parts("inner").select(chats_only).sql,
            "SELECT chat_messages.*, chats.client_id FROM chat_messages JOIN chats "
            "ON chat_messages.chat_id = chats.id WHERE chats.deleted_at IS NULL",
        )
        self.assertEqual(
            parts("left").select(chats_only).sql,
            "SELECT chat_messages.*, chats.client_id FROM chat_messages LEFT JOIN chats "
            "ON chat_messages.chat_id = chats.id AND chats.deleted_at IS NULL",
        )

    def test_s4_46_an_insert_gives_the_stored_row_back(self):
        parts = Parts("chat_messages")
        self.assertEqual(
            parts.insert({"chat_id": 7, "content": "Hello!"}),
            Statement("INSERT INTO chat_messages (chat_id, content) VALUES ($1, $2) RETURNING *", (7, "Hello!")),
        )
        self.assertEqual(parts.insert({}).sql, "INSERT INTO chat_messages DEFAULT VALUES RETURNING *")

    def test_s4_47_an_update_needs_a_condition_or_says_that_it_means_every_row(self):
        parts = Parts("clients")
        with self.assertRaises(BuilderError):
            parts.update({"notes": "x"}, no)
        every = replace(parts, every_row=True)
        self.assertEqual(every.update({"notes": "x"}, no).sql, "UPDATE clients SET notes = $1")
        chosen = replace(parts, conditions=(compare("id", "=", 7),))
        self.assertEqual(
            chosen.update({"notes": "x"}, no),
            Statement("UPDATE clients SET notes = $1 WHERE id = $2", ("x", 7)),
        )
        with self.assertRaises(BuilderError):
            chosen.update({}, no)

    def test_decision_3_delete_is_soft_where_the_table_allows_it_and_deleted_rows_are_hidden(self):
        parts = Parts("chats", conditions=(compare("id", "=", 7),))
        self.assertEqual(
            parts.delete(chats_only).sql,
            "UPDATE chats SET deleted_at = now() WHERE id = $1 AND chats.deleted_at IS NULL",
        )
        self.assertEqual(parts.delete(no).sql, "DELETE FROM chats WHERE id = $1")
        self.assertEqual(parts.select(chats_only).sql, "SELECT * FROM chats WHERE id = $1 AND chats.deleted_at IS NULL")
        shown = replace(parts, with_deleted=True)
        self.assertEqual(shown.select(chats_only).sql, "SELECT * FROM chats WHERE id = $1")
        self.assertEqual(shown.force_delete(chats_only).sql, "DELETE FROM chats WHERE id = $1")

    def test_s4_40_lists_and_nulls(self):
        parts = Parts(
            "clients",
            conditions=(
                Condition("in", "id", values=(1, 2)),
                Condition("in", "status"),
                Condition("null", "phone"),
                Condition("not-null", "clients.email"),
            ),
        )
        self.assertEqual(
            parts.select(no).sql,
            "SELECT * FROM clients WHERE id IN ($1, $2) AND status IN (NULL) AND phone IS NULL "
            "AND clients.email IS NOT NULL",
        )

    def test_s4_48_only_names_and_known_words_become_text(self):
        hostile = ["", "a b", "a;--", "A", 'a"b', "a.b.c", "1a", "a'", "chats.", ".id", "a\u212a", "a\n", "a" * 64, 7]
        parts = Parts("clients")
        for name in hostile:
            with self.subTest(name=name):
                for wrong in (
                    lambda name=name: Parts(name).select(no),
                    lambda name=name: replace(parts, columns=(name,)).select(no),
                    lambda name=name: replace(parts, columns=(f"{name}..*",)).select(no),
                    lambda name=name: replace(parts, conditions=(compare(name, "=", 1),)).select(no),
                    lambda name=name: replace(parts, order=((name, "asc"),)).select(no),
                    lambda name=name: replace(parts, joins=(Join("inner", name, "a", "=", "b"),)).select(no),
                    lambda name=name: replace(parts, joins=(Join("left", "chats", "a", "=", name),)).select(no),
                    lambda name=name: parts.insert({name: 1}),
                    lambda name=name: replace(parts, every_row=True).update({name: 1}, no),
                ):
                    self.assertRaises(BuilderError, wrong)
        for operator in ["", "= 1 OR 1 =", "is", "IN", "~", "li\u212ae", None, 7]:
            compared = replace(parts, conditions=(compare("id", operator, 1),))
            self.assertRaises(BuilderError, compared.select, no)
        for order in ["", "up", "asc, id", "desc nulls last", None]:
            self.assertRaises(BuilderError, Parts("clients", order=(("id", order),)).select, no)
        for rows in [-1, 1 << 32, 1.5, "1", True]:
            self.assertRaises(BuilderError, Parts("clients", limit=rows).select, no)
            self.assertRaises(BuilderError, Parts("clients", offset=rows).select, no)

    def test_s4_40_comparing_with_null_is_a_mistake_not_an_empty_result(self):
        parts = Parts("clients", conditions=(compare("id", "=", None),))
        with self.assertRaisesRegex(BuilderError, "where_null"):
            parts.select(no)

    def test_writes_take_no_limit_order_or_join(self):
        limited = Parts("clients", conditions=(compare("id", "=", 7),), limit=1)
        self.assertRaises(BuilderError, limited.update, {"notes": "x"}, no)
        self.assertRaises(BuilderError, limited.delete, no)
        self.assertRaises(BuilderError, limited.insert, {"notes": "x"})


if __name__ == "__main__":
    unittest.main()
