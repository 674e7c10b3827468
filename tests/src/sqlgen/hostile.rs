//! Mutations that turn a statement into one that should mostly be refused.

use super::Draft;
use crate::corpus::TENANT_B;

/// Statements that are attacks as they are.
const ATTACKS: &[&str] = &[
    "SELECT * FROM api_keys",
    "SELECT id, last_name FROM users",
    "SELECT * FROM pg_class",
    "SELECT * FROM pg_catalog.pg_authid",
    "SELECT ctid, xmin FROM clients",
    "SELECT * FROM ghosts",
    "WITH RECURSIVE r AS (SELECT 1 AS n) SELECT * FROM r",
    "SELECT pg_sleep(10)",
    "SELECT current_setting('app.tenant_id')",
    "SELECT 'api_keys'::regclass",
    "SELECT id FROM clients WHERE id @@ 3",
    "SELECT id FROM clients WHERE id OPERATOR(pg_catalog.=) 1",
    "UPDATE clients SET tenant_id = tenant_id",
    "UPDATE clients SET id = 1",
    "INSERT INTO clients (first_name, created_at) VALUES ('x', now())",
    "INSERT INTO clients (first_name, tenant_id) VALUES ('x', NULL)",
    "DELETE FROM clients",
    "TRUNCATE clients",
    "COPY clients TO STDOUT",
    "SELECT * INTO t FROM clients",
    "WITH d AS (DELETE FROM chat_messages RETURNING *) SELECT * FROM d",
    "SELECT id FROM clients WHERE id = $1000",
    "SELECT id FROM clients WHERE id = $3 OR id = $1",
    "SELECT first_name FROM clients WHERE first_name = '\\'' UNION ALL SELECT key FROM api_keys --'",
    "SELECT id FROM clients WHERE id >-- '\n 0 UNION ALL SELECT key FROM api_keys --'",
    "SELECT id FROM clients c JOIN LATERAL (SELECT * FROM api_keys) x ON true",
    "SELECT no_such_column FROM clients",
    "SELECT c.no_such_column FROM clients c",
    "SELECT id FROM clients TABLESAMPLE SYSTEM (10)",
    "SELECT id FROM ONLY clients",
    "SELECT x.* FROM clients c, LATERAL (SELECT c.tenant_id, h.subject FROM chats h) x",
    "SELECT k.a FROM clients AS k(a, b)",
    "SELECT j.first_name FROM (clients c JOIN chats h ON h.client_id = c.id) AS j",
    "SELECT 1; SELECT 2",
    "INSERT INTO clients (first_name) TABLE api_keys",
    "SELECT * FROM clients TABLESAMPLE SYSTEM ((SELECT count(*) FROM api_keys))",
    "",
    "SELECT",
];

/// Words that change what a statement is when they are put somewhere into it.
const TOKENS: &[&str] = &[
    "UNION SELECT key FROM api_keys",
    ";",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    "$$",
    "(",
    ")",
    "FOR UPDATE",
    "OR true",
    "::regclass",
    "api_keys",
    "tenant_id",
    "ONLY",
    "LATERAL",
    "RECURSIVE",
    ", api_keys k",
    "pg_sleep(1)",
    "INTO x",
    "$99",
    "\\",
    "\u{a0}",
    "NATURAL",
    "E'",
    "U&'",
    "X'",
    ">--",
    "||/*",
    "OVERRIDING SYSTEM VALUE",
    "VARIADIC",
    "RETURNING *",
    "COLLATE \"C\"",
    "= ANY",
    "IS NULL",
    "AND",
    "public.",
    "pg_catalog.",
];

/// Replacements of one piece of text by another.
const SWAPS: &[(&str, &str)] = &[
    ("clients", "api_keys"),
    ("chats", "pg_class"),
    ("chat_messages", "tenants"),
    ("status", "xmin"),
    ("first_name", "nothing_here"),
    ("first_name", "tenant_id"),
    ("upper(", "query_to_xml("),
    ("length(", "pg_read_file("),
    ("coalesce(", "set_config("),
    ("bigint", "regclass"),
    ("text", "pg_catalog.text"),
    (" = ", " @@ "),
    (" || ", " ||/* "),
    (" AND ", " OR "),
    ("WITH ", "WITH RECURSIVE "),
    ("SELECT ", "SELECT DISTINCT ON (id) "),
    ("JOIN", "NATURAL JOIN"),
    ("deleted_at", "created_at"),
    ("users", "\"users\""),
    ("WHERE", "WHERE true OR"),
    (" FROM ", " INTO x FROM "),
    ("UPDATE clients SET", "UPDATE clients SET id = 1,"),
    ("UPDATE chats SET", "UPDATE chats SET tenant_id = NULL,"),
    ("first_name, status", "first_name, tenant_id"),
    ("client_id, status", "client_id, created_at"),
];

impl Draft {
    /// The statement, changed for the worse.
    pub(super) fn mutate(&mut self, sql: String) -> String {
        match self.random.below(20) {
            0..4 => self.random.pick(ATTACKS).to_owned(),
            4..8 => {
                let (from, to) = self.swap();
                sql.replacen(from, to, 1 + self.random.below(2))
            }
            8..11 => self.insert_token(&sql),
            11 => self.delete_word(&sql),
            12 => format!("{sql} UNION ALL {sql}"),
            13 => format!("{sql}; DELETE FROM chat_messages"),
            14 => self.long(&sql),
            15 => format!("SELECT * FROM ({sql}) AS z, (SELECT 1) y, (SELECT 2) v, api_keys"),
            16 => format!(
                "SELECT 1 FROM clients a, chats b, users c, countries d, chat_messages e WHERE ({sql}) IS NULL"
            ),
            17 => format!("{sql} FOR UPDATE"),
            18 => sql.replace("'active'", &format!("'{TENANT_B}'::uuid::text")).replace("id", "\"id\""),
            _ => {
                let cut = self.random.below(sql.chars().count().max(1));
                sql.chars().take(cut).collect()
            }
        }
    }

    fn swap(&mut self) -> (&'static str, &'static str) {
        let index = self.random.below(SWAPS.len());
        SWAPS.iter().copied().cycle().nth(index).unwrap_or_default()
    }

    fn insert_token(&mut self, sql: &str) -> String {
        let words: Vec<_> = sql.split(' ').collect();
        let place = self.random.below(words.len() + 1);
        let token = self.random.pick(TOKENS);
        let (before, after) = words.split_at(place);
        [before, &[token], after].concat().join(" ")
    }

    fn delete_word(&mut self, sql: &str) -> String {
        let count = sql.split(' ').count();
        let gone = self.random.below(count);
        let kept: Vec<_> =
            sql.split(' ').enumerate().filter(|(index, _)| *index != gone).map(|(_, word)| word).collect();
        kept.join(" ")
    }

    fn long(&mut self, sql: &str) -> String {
        match self.random.below(4) {
            0 => format!("SELECT 1{}", " + 1".repeat(400)),
            1 => format!("SELECT {}1{}", "(".repeat(80), ")".repeat(80)),
            2 => format!("{sql} -- {}", "x".repeat(70_000)),
            _ => format!("SELECT {} true", "NOT ".repeat(300)),
        }
    }
}
