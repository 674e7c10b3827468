import unittest

from applet_sdk import Query, db
from applet_sdk.errors import BuilderError, DecodeError
from applet_sdk.rows import Rows
from applet_sdk.sql import Parts, Statement


class Builder(unittest.TestCase):
    def setUp(self):
        self.statements: list[Statement] = []

    def table(self, name: str) -> Query:
        def run(statement: Statement) -> Rows:
            self.statements.append(statement)
            return Rows((), (), affected=3)

        return Query(run, Parts(name))

    def select(self, query: Query) -> Statement:
        return query._parts.select(lambda _: False)

    def test_s4_40_a_query_is_a_value_that_later_steps_leave_alone(self):
        clients = self.table("clients").select("id").where("status", "lead")
        newest = clients.order_by("created_at", "desc").limit(1)
        other = clients.where("age", ">", 30)
        self.assertEqual(self.select(clients).sql, "SELECT id FROM clients WHERE status = $1")
        self.assertEqual(
            self.select(newest).sql, "SELECT id FROM clients WHERE status = $1 ORDER BY created_at DESC LIMIT 1"
        )
        self.assertEqual(
            self.select(other), Statement("SELECT id FROM clients WHERE status = $1 AND age > $2", ("lead", 30))
        )

    def test_s4_40_a_column_that_is_none_is_null(self):
        clients = self.table("clients")
        self.assertEqual(self.select(clients.where("phone", None)).sql, "SELECT * FROM clients WHERE phone IS NULL")
        with self.assertRaises(BuilderError):
            self.select(clients.where("phone", "=", None))
        # A text in the middle is a value, not an operator.
        self.assertEqual(self.select(clients.where("name", "=")).parameters, ("=",))

    def test_s4_46_values_by_name_and_by_mapping(self):
        with self.assertRaisesRegex(DecodeError, "no row back"):
            self.table("notes").insert({"a": 1}, b=2)
        self.assertEqual(self.statements[0].sql, "INSERT INTO notes (a, b) VALUES ($1, $2) RETURNING *")

    def test_outside_of_a_component_there_is_no_host(self):
        with self.assertRaisesRegex(RuntimeError, "no host here"):
            db.query("SELECT 1")


if __name__ == "__main__":
    unittest.main()
