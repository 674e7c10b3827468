//! SELECT: FROM items, joins, grouping, windows, common table expressions and subqueries.

use super::Draft;
use super::schema::{CLIENTS, Kind, READABLE, Source};

/// What a projection may be made of.
const KINDS: [&Kind; 8] =
    [&Kind::Int, &Kind::Text, &Kind::Time, &Kind::Bool, &Kind::Num, &Kind::Json, &Kind::Array, &Kind::Date];

impl Draft {
    /// A whole SELECT statement, now and then with WITH before it.
    pub(super) fn top_select(&mut self) -> String {
        let with = if self.random.percent(16) { self.with() } else { String::new() };
        let end = if self.random.percent(5) { " ;" } else { "" };
        format!("{with}{}{end}", self.select())
    }

    fn with(&mut self) -> String {
        let mut items = Vec::new();
        let count = 1 + usize::from(self.random.percent(25));
        for number in 0..count {
            let Some((query, columns)) = self.nested(false) else { break };
            let name = format!("w{number}");
            let hint = self.random.pick(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
            items.push(format!("{name} AS {hint}({query})"));
            self.ctes.push(Source { alias: name, columns, keyed: false });
        }
        if items.is_empty() { String::new() } else { format!("WITH {} ", items.join(", ")) }
    }

    /// One SELECT, from FROM to LIMIT.
    fn select(&mut self) -> String {
        let outer = self.scope.clone();
        let from = self.from();
        let inner: Vec<_> = self.scope.iter().skip(outer.len()).cloned().collect();
        let condition = if self.random.percent(70) {
            format!("WHERE {}", self.expression(Kind::Bool, 3))
        } else {
            String::new()
        };
        let tail = match self.random.below(10) {
            0..3 => self.grouped(&condition, &from),
            3 => self.windowed(&condition, &from),
            4 => self.distinct(&condition, &from),
            _ => self.plain(&condition, &from, &inner),
        };
        self.scope = outer;
        tail
    }

    fn plain(&mut self, condition: &str, from: &str, sources: &[Source]) -> String {
        let projection = match self.random.below(6) {
            0 => "*".to_owned(),
            1 => sources.iter().map(|source| format!("{}.*", source.alias)).collect::<Vec<_>>().join(", "),
            _ => self.projection(),
        };
        let mut sql = format!("SELECT{}{projection}{}{from} {condition}", self.space(), self.space());
        let [source] = sources else { return sql };
        if source.keyed && self.random.percent(50) {
            let order = self.random.pick(&["ASC", "DESC", "DESC NULLS LAST", ""]);
            sql.push_str(&format!(" ORDER BY {}.id {order}", source.alias));
            sql.push_str(match self.random.below(7) {
                0 => " LIMIT 5",
                1 => " LIMIT 3 OFFSET 2",
                2 => " OFFSET 1 ROWS FETCH NEXT 4 ROWS ONLY",
                3 => " LIMIT 5000",
                _ => "",
            });
        }
        sql
    }

    fn projection(&mut self) -> String {
        let count = 1 + self.random.below(4);
        let mut items = Vec::new();
        for number in 0..count {
            let kind = *self.random.pick(&KINDS);
            let value = self.expression(kind, 2);
            items.push(if self.random.percent(40) { format!("{value} AS p{number}") } else { value });
        }
        items.join(", ")
    }

    fn grouped(&mut self, condition: &str, from: &str) -> String {
        let key = self.column(Kind::Text).unwrap_or_else(|| "'all'".to_owned());
        let total = match self.random.below(6) {
            0 => format!("sum({})", self.leaf(Kind::Int)),
            1 => format!("count(DISTINCT {})", self.leaf(Kind::Text)),
            2 => format!("max({})", self.leaf(Kind::Time)),
            3 => format!("count(*) FILTER (WHERE {})", self.expression(Kind::Bool, 1)),
            4 => {
                let text = self.leaf(Kind::Text);
                format!("string_agg({text}::text, ',' ORDER BY {text}::text)")
            }
            _ => format!("round(avg({}), 2)", self.leaf(Kind::Num)),
        };
        let having = if self.random.percent(25) { " HAVING count(*) > 1" } else { "" };
        let group = self.random.pick(&["1", "key"]);
        let group = if *group == *"1" { "1".to_owned() } else { key.clone() };
        format!("SELECT {key} AS k, count(*), {total} {from} {condition} GROUP BY {group}{having} ORDER BY 1")
    }

    fn windowed(&mut self, condition: &str, from: &str) -> String {
        let (partition, order) = (self.leaf(Kind::Text), self.leaf(Kind::Int));
        let call = self.random.pick(&["count(*)", "rank()", "dense_rank()", "sum(1)"]);
        let value = self.leaf(Kind::Text);
        if self.random.percent(30) {
            return format!(
                "SELECT {value}, {call} OVER w {from} {condition} WINDOW w AS (PARTITION BY {partition} ORDER BY {order})"
            );
        }
        format!("SELECT {value}, {call} OVER (PARTITION BY {partition} ORDER BY {order}) {from} {condition}")
    }

    fn distinct(&mut self, condition: &str, from: &str) -> String {
        let (a, b) = (self.leaf(Kind::Text), self.leaf(Kind::Int));
        format!("SELECT DISTINCT {a}, {b} {from} {condition}")
    }

    /// FROM with its joins; the items are in scope afterwards.
    fn from(&mut self) -> String {
        if self.random.percent(3) {
            return String::new();
        }
        let mut sql = format!("FROM{}{}", self.space(), self.item());
        while self.joins > 0 && self.random.percent(38) {
            self.joins -= 1;
            sql = self.join(sql);
        }
        sql
    }

    fn join(&mut self, left: String) -> String {
        match self.random.below(24) {
            0..3 => format!("{left}, {}", self.item()),
            3 => format!("{left} CROSS JOIN {}", self.item()),
            4 => {
                let table = self.table();
                format!("{left} NATURAL JOIN {table}")
            }
            5..7 => {
                let kind = self.random.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                format!("{left} {kind} {} USING (id)", self.table())
            }
            7..9 if self.joins > 0 => {
                self.joins -= 1;
                let kind = self.random.pick(&["LEFT JOIN", "JOIN", "RIGHT JOIN"]);
                let (a, b) = (self.table(), self.table());
                let inner = self.on();
                format!("{left} {kind} ({a} JOIN {b} ON {inner}) ON {}", self.on())
            }
            9..11 if self.queries > 0 => {
                let alias = self.alias();
                match self.nested(true) {
                    Some((query, columns)) => {
                        self.scope.push(Source { alias: alias.clone(), columns, keyed: false });
                        let kind = self.random.pick(&["JOIN", "LEFT JOIN"]);
                        format!("{left} {kind} LATERAL ({query}) AS {alias} ON true")
                    }
                    None => format!("{left} CROSS JOIN {}", self.table()),
                }
            }
            _ => {
                let kind = self.random.pick(&[
                    "JOIN",
                    "INNER JOIN",
                    "LEFT JOIN",
                    "LEFT OUTER JOIN",
                    "RIGHT JOIN",
                    "FULL JOIN",
                ]);
                let item = self.item();
                // FULL JOIN takes only conditions that can be merged or hashed.
                let on = if kind == "FULL JOIN" { self.equality() } else { self.on() };
                format!("{left}{}{kind} {item} ON {on}", self.space())
            }
        }
    }

    fn on(&mut self) -> String {
        if self.random.percent(60) { self.equality() } else { self.expression(Kind::Bool, 2) }
    }

    fn equality(&mut self) -> String {
        let two: Vec<_> = self.scope.iter().rev().take(2).map(|source| source.alias.clone()).collect();
        let ids: Vec<_> = self
            .scope
            .iter()
            .rev()
            .take(2)
            .map(|source| {
                source.columns.iter().find(|(_, kind)| *kind == Kind::Int).map(|(name, _)| name.clone())
            })
            .collect();
        match (two.as_slice(), ids.as_slice()) {
            ([a, b], [Some(x), Some(y)]) => format!("{a}.{x} = {b}.{y}"),
            _ => "true".to_owned(),
        }
    }

    /// One FROM item.
    fn item(&mut self) -> String {
        match self.random.below(20) {
            0..2 if self.queries > 0 => self.derived(),
            2 => {
                let alias = self.alias();
                let columns = vec![("code".to_owned(), Kind::Text), ("n".to_owned(), Kind::Int)];
                self.scope.push(Source { alias: alias.clone(), columns, keyed: false });
                self.queries = self.queries.saturating_sub(1);
                format!("(VALUES ('active', 1), ('lead', 2)) AS {alias}(code, n)")
            }
            3 => {
                let alias = self.alias();
                let values = self.leaf(Kind::Array);
                self.scope.push(Source {
                    alias: alias.clone(),
                    columns: vec![("tag".to_owned(), Kind::Text)],
                    keyed: false,
                });
                format!("unnest({values}) AS {alias}(tag)")
            }
            4..7 if !self.ctes.is_empty() => {
                let index = self.random.below(self.ctes.len());
                let cte = self.ctes.get(index).cloned().expect("within bounds");
                let alias = self.alias();
                self.scope.push(Source { alias: alias.clone(), ..cte.clone() });
                format!("{} AS {alias}", cte.alias)
            }
            _ => self.table(),
        }
    }

    fn table(&mut self) -> String {
        let table = self.random.pick(&READABLE);
        let schema = if self.random.percent(6) { "public." } else { "" };
        let schema = if table.name == "ai_chat_configs" { "" } else { schema };
        // A table twice needs an alias.
        if self.scope.iter().any(|source| source.alias == table.name) || self.random.percent(75) {
            let alias = self.alias();
            self.scope.push(table.source(&alias));
            let word = self.random.pick(&["AS ", ""]);
            return format!("{schema}{} {word}{alias}", self.name(table.name));
        }
        self.scope.push(table.source(table.name));
        format!("{schema}{}", self.name(table.name))
    }

    fn derived(&mut self) -> String {
        let alias = self.alias();
        match self.nested(false) {
            Some((query, columns)) => {
                self.scope.push(Source { alias: alias.clone(), columns, keyed: false });
                format!("({query}) AS {alias}")
            }
            None => self.table(),
        }
    }

    /// A query that stands inside another, with the columns it gives. Sees the queries around it only
    /// where SQL lets it.
    fn nested(&mut self, lateral: bool) -> Option<(String, Vec<(String, Kind)>)> {
        self.queries = self.queries.checked_sub(1)?;
        let outer = std::mem::take(&mut self.scope);
        if lateral {
            self.scope.clone_from(&outer);
        }
        let table = self.table();
        let condition =
            if self.random.percent(60) { self.expression(Kind::Bool, 2) } else { "true".to_owned() };
        let (id, text, time) = (self.leaf(Kind::Int), self.leaf(Kind::Text), self.leaf(Kind::Time));
        self.scope = outer;
        let columns =
            vec![("n".to_owned(), Kind::Int), ("t".to_owned(), Kind::Text), ("d".to_owned(), Kind::Time)];
        Some((format!("SELECT {id} AS n, {text} AS t, {time} AS d FROM {table} WHERE {condition}"), columns))
    }

    pub(super) fn scalar_subquery(&mut self) -> String {
        let Some(rest) = self.queries.checked_sub(1) else { return self.leaf(Kind::Int) };
        self.queries = rest;
        let outer = self.scope.len();
        let table = self.table();
        let total = self.random.pick(&["count(*)", "max(1)", "count(DISTINCT 1)"]);
        let condition = self.expression(Kind::Bool, 1);
        self.scope.truncate(outer);
        format!("(SELECT {total} FROM {table} WHERE {condition})")
    }

    pub(super) fn exists(&mut self) -> String {
        let Some(rest) = self.queries.checked_sub(1) else { return "true".to_owned() };
        self.queries = rest;
        let outer = self.scope.len();
        let table = self.table();
        let condition = self.expression(Kind::Bool, 1);
        self.scope.truncate(outer);
        let not = self.random.pick(&["", "NOT "]);
        format!("{not}EXISTS (SELECT 1 FROM {table} WHERE {condition})")
    }

    pub(super) fn in_subquery(&mut self) -> String {
        let Some(rest) = self.queries.checked_sub(1) else { return "false".to_owned() };
        let value = self.leaf(Kind::Int);
        self.queries = rest;
        let outer = self.scope.len();
        self.scope.push(CLIENTS.source("sub"));
        let condition = self.expression(Kind::Bool, 1);
        self.scope.truncate(outer);
        let operator = self.random.pick(&["IN", "NOT IN", "= ANY", "<> ALL"]);
        format!("{value} {operator} (SELECT sub.id FROM clients sub WHERE {condition})")
    }
}
