//! Expressions of a wanted kind over the columns in scope.

use serde_json::{Value, json};

use super::Draft;
use super::schema::Kind;
use crate::corpus::TENANT_B;

impl Draft {
    /// An expression of this kind, at most so deep.
    pub(super) fn expression(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.random.percent(35) {
            return self.leaf(kind);
        }
        match kind {
            Kind::Int => self.integer(depth - 1),
            Kind::Num => self.number(depth - 1),
            Kind::Text => self.string(depth - 1),
            Kind::Time => self.time(depth - 1),
            Kind::Date => self.date(depth - 1),
            Kind::Bool => self.condition(depth - 1),
            Kind::Json => self.json(depth - 1),
            Kind::Array => self.array(depth - 1),
            Kind::Uuid => self.leaf(Kind::Uuid),
        }
    }

    /// A column, a literal or a parameter.
    pub(super) fn leaf(&mut self, kind: Kind) -> String {
        if self.random.percent(72)
            && let Some(column) = self.column(kind)
        {
            return column;
        }
        if self.random.percent(15) {
            let value = self.value(kind);
            return self.parameter(value, kind);
        }
        match kind {
            Kind::Int => self.random.pick(&["1", "2", "7", "101", "0", "-3", "42"]).to_owned(),
            Kind::Num => self.random.pick(&["0.5", "100.50", "1e2", "7"]).to_owned(),
            Kind::Text => {
                let text =
                    self.random.pick(&["active", "lead", "open", "it's", "%TENANT%", "", r"a\b", "US", "é"]);
                self.text(text)
            }
            Kind::Time => self
                .random
                .pick(&["timestamptz '2026-01-01T00:00:00Z'", "'2020-05-05'::timestamptz"])
                .to_owned(),
            Kind::Date => self.random.pick(&["date '1985-03-01'", "CAST('2000-01-01' AS date)"]).to_owned(),
            Kind::Bool => self.random.pick(&["true", "false", "NULL::boolean"]).to_owned(),
            Kind::Json => self
                .random
                .pick(&[r#"'{"source": "web"}'::jsonb"#, "'[1, 2]'::jsonb", "'{}'::jsonb"])
                .to_owned(),
            Kind::Array => {
                self.random.pick(&["ARRAY['hot', 'cold']", "'{hot}'::text[]", "ARRAY[]::text[]"]).to_owned()
            }
            Kind::Uuid => format!("'{TENANT_B}'::uuid"),
        }
    }

    fn value(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::Int => json!(self.random.below(20)),
            Kind::Num => json!(12.5),
            Kind::Text => json!(self.random.pick(&["lead", "x' OR '1'='1", "TENANT-A", "\\"])),
            Kind::Time => json!("2026-02-03T04:05:06Z"),
            Kind::Date => json!("1990-01-01"),
            Kind::Bool => json!(true),
            Kind::Json => json!({ "owner": "TENANT-A" }),
            Kind::Array => json!(["hot", "newsletter"]),
            Kind::Uuid => json!(TENANT_B),
        }
    }

    /// A column of this kind in scope, mostly with its qualifier.
    pub(super) fn column(&mut self, kind: Kind) -> Option<String> {
        let found: Vec<_> = self
            .scope
            .iter()
            .flat_map(|source| source.columns.iter().map(move |(name, of)| (&source.alias, name, *of)))
            .filter(|(_, _, of)| *of == kind)
            .map(|(alias, name, _)| (alias.clone(), name.clone()))
            .collect();
        if found.is_empty() {
            return None;
        }
        let index = self.random.below(found.len());
        let (alias, name) = found.into_iter().nth(index)?;
        let bare = self.scope.len() == 1 && self.random.percent(60);
        let name = self.name(&name);
        Some(if bare { name } else { format!("{}.{name}", self.name(&alias)) })
    }

    fn integer(&mut self, depth: usize) -> String {
        match self.random.below(12) {
            0 => format!("({} + {})", self.expression(Kind::Int, depth), self.expression(Kind::Int, depth)),
            1 => format!("({} % 7)", self.expression(Kind::Int, depth)),
            2 => format!("length({})", self.expression(Kind::Text, depth)),
            3 => format!("abs({})", self.expression(Kind::Int, depth)),
            4 => format!("coalesce({}, 0)", self.expression(Kind::Int, depth)),
            5 => self.case(Kind::Int, depth),
            6 => format!("extract(year FROM {})::int", self.expression(Kind::Time, depth)),
            7 => format!("cardinality({})", self.expression(Kind::Array, depth)),
            8 => format!("position('a' in {})", self.expression(Kind::Text, depth)),
            9 => format!(
                "greatest({}, 3, {})",
                self.expression(Kind::Int, depth),
                self.expression(Kind::Int, depth)
            ),
            10 => {
                format!("({} - {} * 2)", self.expression(Kind::Int, depth), self.expression(Kind::Int, depth))
            }
            _ => self.scalar_subquery(),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        match self.random.below(5) {
            0 => format!("round({}, 1)", self.expression(Kind::Num, depth)),
            1 => format!("({} * 1.1)", self.expression(Kind::Num, depth)),
            2 => format!("{}::numeric(12,2)", self.leaf(Kind::Int)),
            3 => format!(
                "({} / nullif({}, 0))",
                self.expression(Kind::Num, depth),
                self.expression(Kind::Num, depth)
            ),
            _ => self.case(Kind::Num, depth),
        }
    }

    fn string(&mut self, depth: usize) -> String {
        match self.random.below(14) {
            0 => {
                format!("({} || {})", self.expression(Kind::Text, depth), self.expression(Kind::Text, depth))
            }
            1 => format!("upper({})", self.expression(Kind::Text, depth)),
            2 => format!("left({}, 4)", self.expression(Kind::Text, depth)),
            3 => format!("substring({} from 2 for 3)", self.expression(Kind::Text, depth)),
            4 => format!("trim(both ' ' from {})", self.expression(Kind::Text, depth)),
            5 => format!("replace({}, 'a', 'b')", self.expression(Kind::Text, depth)),
            6 => format!("coalesce({}, {})", self.expression(Kind::Text, depth), self.leaf(Kind::Text)),
            7 => self.case(Kind::Text, depth),
            8 => format!("({})[1]", self.expression(Kind::Array, depth)),
            9 => format!("({} ->> 'source')", self.expression(Kind::Json, depth)),
            10 => format!("to_char({}, 'YYYY-MM')", self.expression(Kind::Time, depth)),
            11 => format!("{}::text", self.leaf(Kind::Int)),
            12 => {
                format!("concat_ws(', ', {}, {})", self.expression(Kind::Text, depth), self.leaf(Kind::Text))
            }
            _ => format!("nullif({}, '')", self.expression(Kind::Text, depth)),
        }
    }

    fn time(&mut self, depth: usize) -> String {
        match self.random.below(4) {
            0 => format!("date_trunc('day', {})", self.expression(Kind::Time, depth)),
            1 => format!("({} + interval '1 day')", self.expression(Kind::Time, depth)),
            2 => format!("coalesce({}, {})", self.expression(Kind::Time, depth), self.leaf(Kind::Time)),
            _ => format!("({} - make_interval(days => 3))", self.expression(Kind::Time, depth)),
        }
    }

    fn date(&mut self, depth: usize) -> String {
        match self.random.below(2) {
            0 => format!("{}::date", self.leaf(Kind::Time)),
            _ => format!("({} + 1)", self.expression(Kind::Date, depth)),
        }
    }

    fn json(&mut self, depth: usize) -> String {
        match self.random.below(4) {
            0 => format!("({} -> 'address')", self.expression(Kind::Json, depth)),
            1 => format!("jsonb_build_object('k', {})", self.expression(Kind::Text, depth)),
            2 => format!("to_jsonb({})", self.expression(Kind::Int, depth)),
            _ => format!("({} || '{{\"x\": 1}}'::jsonb)", self.expression(Kind::Json, depth)),
        }
    }

    fn array(&mut self, depth: usize) -> String {
        match self.random.below(3) {
            0 => format!("array_append({}, {})", self.expression(Kind::Array, depth), self.leaf(Kind::Text)),
            1 => format!(
                "ARRAY[{}, {}]",
                self.expression(Kind::Text, depth),
                self.expression(Kind::Text, depth)
            ),
            _ => format!("string_to_array({}, ' ')", self.expression(Kind::Text, depth)),
        }
    }

    fn case(&mut self, kind: Kind, depth: usize) -> String {
        let condition = self.expression(Kind::Bool, depth);
        let (yes, no) = (self.expression(kind, depth), self.expression(kind, depth));
        format!("CASE WHEN {condition} THEN {yes} ELSE {no} END")
    }

    /// A condition of any kind.
    pub(super) fn condition(&mut self, depth: usize) -> String {
        match self.random.below(20) {
            0..2 => {
                format!("({} AND {})", self.expression(Kind::Bool, depth), self.expression(Kind::Bool, depth))
            }
            2..4 => {
                format!("({} OR {})", self.expression(Kind::Bool, depth), self.expression(Kind::Bool, depth))
            }
            4 => format!("NOT ({})", self.expression(Kind::Bool, depth)),
            5 => format!("{} ILIKE '%a%'", self.expression(Kind::Text, depth)),
            6 => format!(
                "{} IN ('active', 'open', {})",
                self.expression(Kind::Text, depth),
                self.leaf(Kind::Text)
            ),
            7 => format!(
                "{} BETWEEN 1 AND {}",
                self.expression(Kind::Int, depth),
                self.expression(Kind::Int, depth)
            ),
            8 => {
                let kind = *self.random.pick(&[&Kind::Int, &Kind::Text, &Kind::Time]);
                let test = self.random.pick(&["IS NULL", "IS NOT NULL"]);
                format!("{} {test}", self.expression(kind, depth))
            }
            9 => format!(
                "{} = ANY({})",
                self.expression(Kind::Text, depth),
                self.expression(Kind::Array, depth)
            ),
            10 => format!("{} @> {}", self.expression(Kind::Json, depth), self.leaf(Kind::Json)),
            11 => format!(
                "{} IS DISTINCT FROM {}",
                self.expression(Kind::Int, depth),
                self.expression(Kind::Int, depth)
            ),
            12 => self.exists(),
            13 => self.in_subquery(),
            14 => match self.column(Kind::Uuid) {
                Some(column) => format!("{column} = '{TENANT_B}'::uuid"),
                None => "true".to_owned(),
            },
            15 => format!("({}, {}) <= (5, 'm')", self.leaf(Kind::Int), self.leaf(Kind::Text)),
            16 => format!("{} && {}", self.expression(Kind::Array, depth), self.leaf(Kind::Array)),
            17 => format!("{} ~* '^[a-m]'", self.expression(Kind::Text, depth)),
            _ => {
                let kind =
                    *self.random.pick(&[&Kind::Int, &Kind::Text, &Kind::Time, &Kind::Num, &Kind::Date]);
                let operator = self.random.pick(&["=", "<>", "<", "<=", ">", ">=", "!="]);
                format!("{} {operator} {}", self.expression(kind, depth), self.expression(kind, depth))
            }
        }
    }
}
