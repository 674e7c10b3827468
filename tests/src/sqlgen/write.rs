//! INSERT, UPDATE and DELETE.

use super::Draft;
use super::schema::{CLIENTS, CONFIGS, Kind, Table, WRITABLE};

impl Draft {
    fn writable(&mut self) -> &'static Table {
        let index = self.random.below(WRITABLE.len());
        WRITABLE.into_iter().cycle().nth(index).unwrap_or(&CLIENTS)
    }

    fn returning(&mut self, alias: &str, columns: &[(&str, Kind)]) -> String {
        match self.random.below(4) {
            0 => String::new(),
            1 => {
                let column = columns.first().map_or("created_at", |(name, _)| name);
                format!(" RETURNING {alias}.{column} AS back, upper('x')")
            }
            _ => {
                let names: Vec<_> = columns.iter().map(|(name, _)| format!("{alias}.{name}")).collect();
                format!(" RETURNING {}", names.join(", "))
            }
        }
    }

    pub(super) fn insert(&mut self) -> String {
        if self.random.percent(12) {
            return self.upsert();
        }
        let table = self.writable();
        let extra = self.random.below(table.writable.len() + 1);
        let extra: Vec<_> =
            table.writable.iter().take(extra).filter(|(name, _)| *name != "content").collect();
        let mut columns: Vec<_> = table.required.iter().map(|(name, _)| self.name(name)).collect();
        for (name, _) in &extra {
            columns.push(self.name(name));
        }
        let columns = columns.join(", ");
        let target = self.name(table.name);
        let head = format!("INSERT INTO{}{target} ({columns})", self.space());
        let rows = if self.random.percent(30) {
            let source = self.table_of_rows();
            let mut values: Vec<_> = table.required.iter().map(|(_, value)| (*value).to_owned()).collect();
            for (_, kind) in &extra {
                values.push(self.expression(*kind, 2));
            }
            let condition = self.expression(Kind::Bool, 2);
            self.scope.clear();
            format!("SELECT {} FROM {source} WHERE {condition}", values.join(", "))
        } else {
            let count = 1 + self.random.below(3);
            let rows: Vec<_> = (0..count).map(|_| self.row(table, &extra)).collect();
            format!("VALUES {}", rows.join(", "))
        };
        let conflict = self.random.pick(&["", "", "", " ON CONFLICT DO NOTHING"]);
        format!("{head} {rows}{conflict}{}", self.returning(table.name, table.writable))
    }

    fn row(&mut self, table: &Table, extra: &[&(&str, Kind)]) -> String {
        let mut values: Vec<_> = table.required.iter().map(|(_, value)| (*value).to_owned()).collect();
        for (_, kind) in extra {
            values.push(if self.random.percent(8) {
                "DEFAULT".to_owned()
            } else {
                self.expression(*kind, 1)
            });
        }
        format!("({})", values.join(", "))
    }

    fn table_of_rows(&mut self) -> String {
        self.scope.push(CLIENTS.source("s"));
        "clients AS s".to_owned()
    }

    fn upsert(&mut self) -> String {
        let email =
            self.random.pick(&["client1.TENANT-A@example.com", "new@x.test", "client1.TENANT-B@example.com"]);
        let email = self.text(email);
        let own = self.random.percent(30);
        if own {
            self.scope.push(CONFIGS.source("applet_ai_chat_ai_chat_configs"));
            self.scope.clear();
            return "INSERT INTO ai_chat_configs (model_name) VALUES ('gpt-9') ON CONFLICT (tenant_id) \
                    DO UPDATE SET model_name = EXCLUDED.model_name RETURNING model_name"
                .to_owned();
        }
        self.scope.push(CLIENTS.source("clients"));
        let condition = if self.random.percent(50) {
            format!(" WHERE {}", self.qualified_condition())
        } else {
            String::new()
        };
        self.scope.clear();
        format!(
            "INSERT INTO clients (first_name, email) VALUES ('Up TENANT-A', {email}) ON CONFLICT (tenant_id, email) \
             DO UPDATE SET first_name = EXCLUDED.first_name, lifetime_value = clients.lifetime_value + 1{condition} \
             RETURNING clients.first_name, clients.lifetime_value"
        )
    }

    /// A condition whose columns are all qualified: in DO UPDATE a bare one is ambiguous.
    fn qualified_condition(&mut self) -> String {
        let column = self.random.pick(&[
            "clients.status = 'active'",
            "clients.id < 7 OR true",
            "clients.email IS NOT NULL",
        ]);
        column.to_owned()
    }

    pub(super) fn update(&mut self) -> String {
        let table = self.writable();
        let alias = if self.random.percent(50) { self.alias() } else { table.name.to_owned() };
        let target =
            if alias == table.name { table.name.to_owned() } else { format!("{} AS {alias}", table.name) };
        self.scope.push(table.source(&alias));
        let count = 1 + self.random.below(3);
        let start = self.random.below(table.writable.len());
        let assigned: Vec<_> =
            table.writable.iter().cycle().skip(start).take(count.min(table.writable.len())).collect();
        let mut sets = Vec::new();
        for (name, kind) in assigned {
            let value = if self.random.percent(8) && *name != "content" {
                "DEFAULT".to_owned()
            } else {
                self.not_null(*kind)
            };
            sets.push(format!("{} = {value}", self.name(name)));
        }
        let sets = sets.join(", ");
        // Which of several matching rows is taken is open, so the joined table gives conditions only.
        let from = if self.random.percent(30) && self.joins > 0 {
            self.joins -= 1;
            let other = self.alias();
            let source = self.writable();
            self.scope.push(source.source(&other));
            format!(" FROM {} {other}", source.name)
        } else {
            String::new()
        };
        let condition = if self.random.percent(85) {
            format!(" WHERE {}", self.expression(Kind::Bool, 2))
        } else {
            String::new()
        };
        self.scope.clear();
        let returning = self.returning(&alias, table.writable);
        format!("UPDATE {target} SET{}{sets}{from}{condition}{returning}", self.space())
    }

    /// A value that the fixture's NOT NULL columns take as well.
    fn not_null(&mut self, kind: Kind) -> String {
        let value = self.expression(kind, 2);
        match kind {
            Kind::Json => format!("coalesce({value}, '{{}}'::jsonb)"),
            Kind::Array => format!("coalesce({value}, ARRAY[]::text[])"),
            Kind::Text => format!("coalesce({value}, '-')"),
            Kind::Int | Kind::Num | Kind::Time | Kind::Date | Kind::Bool | Kind::Uuid => value,
        }
    }

    /// Hard delete is granted on messages and on the own table.
    pub(super) fn delete(&mut self) -> String {
        if self.random.percent(15) {
            return "DELETE FROM ai_chat_configs WHERE model_name <> 'x' RETURNING model_name".to_owned();
        }
        let alias = self.alias();
        self.scope.push(super::schema::MESSAGES.source(&alias));
        let using = if self.random.percent(30) {
            let other = self.alias();
            let source = self.writable();
            self.scope.push(source.source(&other));
            format!(" USING {} AS {other}", source.name)
        } else {
            String::new()
        };
        let condition = self.expression(Kind::Bool, 2);
        self.scope.clear();
        format!("DELETE FROM chat_messages {alias}{using} WHERE {condition} RETURNING {alias}.id")
    }
}
