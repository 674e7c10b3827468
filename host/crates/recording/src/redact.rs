//! A recording without values: every one is replaced by another of the same kind and length, the same for the same,
//! so that what is looked up by a value that was read before is still found.
//!
//! What stays: statements without their literals, names of columns, tables and of members of JSON, kinds, lengths,
//! how many rows there are, which values are equal, times of the clock, codes of errors, and the ids of tenant,
//! workspace, installation and call.

use applet_types::{Failure, Statement, Value};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::cells;
use crate::recording::{Asked, Ending, Event, Recording, Seed};
use applet_types::{ColumnType, Encoding, Outcome};

/// Replaces values. The key is drawn for one recording and thrown away.
struct Mask {
    key: [u8; 32],
}

impl Recording {
    /// The same without values. `literals` takes them out of a statement's text; `key` is chance that nobody keeps.
    #[must_use]
    pub fn redacted(mut self, key: [u8; 32], literals: impl Fn(&str) -> String) -> Self {
        let mask = Mask { key };
        let head = &mut self.head;
        head.redacted = true;
        head.payload = mask.json_text(&head.payload);
        // Chance of its own: from the real one, a token that the applet has made could be made again.
        head.seed = Seed(mask.bytes_of("seed", &head.seed.0));
        head.user = None;
        for event in &mut self.events {
            match event {
                Event::Asked(asked) => mask.asked(asked, &literals),
                Event::Begun(begun) => mask.failures(&mut begun.answer),
                Event::Ended(ended) => mask.failures(&mut ended.answer),
                Event::Line(line) => line.text = blanked(&line.text),
            }
        }
        self.ending = match self.ending {
            Ending::Answer(answer) => Ending::Answer(mask.json_text(&answer)),
            Ending::Refused { code, message } => Ending::Refused { code, message: blanked(&message) },
            Ending::NoSuchHook => Ending::NoSuchHook,
            Ending::Host(failure) => Ending::Host(Box::new(without_words(*failure))),
        };
        self
    }
}

/// Letters that say nothing, as many bytes.
pub(crate) fn blanked(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_whitespace() { " ".repeat(letter.len_utf8()) } else { "x".repeat(letter.len_utf8()) }
        })
        .collect()
}

/// A failure's words may quote the statement.
fn without_words(failure: Failure) -> Failure {
    Failure { message: blanked(&failure.message), hint: failure.hint.map(|hint| blanked(&hint)), ..failure }
}

impl Mask {
    fn digest(&self, kind: &str, value: &[u8], block: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update((kind.len() as u64).to_be_bytes());
        hash.update(kind);
        hash.update(value);
        hash.update(block.to_be_bytes());
        hash.finalize().into()
    }

    fn bytes_of(&self, kind: &str, value: &[u8; 32]) -> [u8; 32] {
        self.digest(kind, value, 0)
    }

    /// So many bytes that are the same for the same value.
    fn stream(&self, kind: &str, value: &[u8]) -> impl Iterator<Item = u8> {
        // The value is digested once: a long one must not cost its square.
        let root = self.digest(kind, value, 0);
        (0_u64..).flat_map(move |block| {
            let mut hash = Sha256::new();
            hash.update(root);
            hash.update(block.to_be_bytes());
            <[u8; 32]>::from(hash.finalize())
        })
    }

    fn text(&self, text: &str) -> String {
        let letters = self.stream("text", text.as_bytes()).take(text.len());
        letters.map(|byte| char::from(b'a' + byte % 26)).collect()
    }

    /// As many digits, of the same sign.
    fn digits(&self, number: &str) -> String {
        let mut stream = self.stream("number", number.as_bytes());
        let mut first = true;
        number
            .chars()
            .map(|letter| {
                if !letter.is_ascii_digit() {
                    return letter;
                }
                let byte = stream.next().unwrap_or_default();
                // No leading zero that was not there, and nothing beyond the largest number of as many digits.
                let digit = if std::mem::take(&mut first) { byte % 8 + 1 } else { byte % 10 };
                char::from(b'0' + digit)
            })
            .collect()
    }

    fn integer(&self, value: i64) -> i64 {
        self.digits(&value.to_string()).parse().unwrap_or(i64::MAX / 10)
    }

    /// As many bytes. Member names stay, values do not.
    fn json_text(&self, text: &str) -> String {
        match serde_json::from_str::<Json>(text) {
            Ok(value) => self.json(value).to_string(),
            Err(_) => self.text(text),
        }
    }

    fn json(&self, value: Json) -> Json {
        match value {
            Json::Null => Json::Null,
            Json::Bool(_) => Json::Bool(false),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => self.integer(integer).into(),
                None => {
                    serde_json::from_str(&self.digits(&number.to_string())).unwrap_or_else(|_| 1.5.into())
                }
            },
            Json::String(text) => Json::String(self.text(&text)),
            Json::Array(values) => values.into_iter().map(|value| self.json(value)).collect(),
            Json::Object(members) => {
                members.into_iter().map(|(name, value)| (name, self.json(value))).collect()
            }
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Null => Value::Null,
            Value::Boolean(_) => Value::Boolean(false),
            Value::Integer(value) => Value::Integer(self.integer(*value)),
            Value::Float(value) => Value::Float(self.float(*value)),
            Value::Text(text) => Value::Text(self.text(text)),
            Value::Bytes(bytes) => Value::Bytes(self.stream("bytes", bytes).take(bytes.len()).collect()),
            Value::Json(text) => Value::Json(self.json_text(text)),
        }
    }

    fn float(&self, value: f64) -> f64 {
        self.digits(&value.to_string()).parse().unwrap_or(1.5)
    }

    fn asked(&self, asked: &mut Asked, literals: &impl Fn(&str) -> String) {
        for Statement { sql, parameters } in &mut asked.statements {
            *sql = literals(sql);
            for parameter in parameters {
                *parameter = self.value(parameter);
            }
        }
        match &mut asked.answer {
            Some(Ok(outcomes)) => {
                for outcome in outcomes {
                    self.outcome(outcome, asked.encoding);
                }
            }
            Some(Err(failure)) => *failure = without_words(failure.clone()),
            None => {}
        }
    }

    fn failures(&self, answer: &mut crate::recording::Answer<()>) {
        if let Some(Err(failure)) = answer {
            *failure = without_words(failure.clone());
        }
    }

    /// What cannot be read cell by cell is left out altogether.
    fn outcome(&self, outcome: &mut Outcome, encoding: Encoding) {
        let rows = &mut outcome.rows;
        match encoding {
            Encoding::Json => {
                let text = String::from_utf8_lossy(&rows.data);
                if !text.is_empty() {
                    rows.data = self.json_text(&text).into_bytes();
                }
            }
            Encoding::Packed => {
                let kinds: Vec<_> = rows.columns.iter().map(|column| column.kind).collect();
                let masked = cells::read(rows).map_err(|error| error.to_string()).and_then(|read| {
                    let row = |row: Vec<Json>| -> Vec<Json> {
                        row.into_iter().zip(&kinds).map(|(cell, kind)| self.cell(cell, *kind)).collect()
                    };
                    cells::pack(&rows.columns, &read.into_iter().map(row).collect::<Vec<_>>())
                });
                match masked {
                    Ok(data) => rows.data = data,
                    Err(_) => (rows.count, rows.data) = (0, Vec::new()),
                }
            }
        }
    }

    fn cell(&self, cell: Json, kind: ColumnType) -> Json {
        if cell.is_null() {
            return cell;
        }
        let text = cell.as_str().unwrap_or_default();
        match kind {
            ColumnType::Boolean => false.into(),
            ColumnType::Int16 => (self.integer(cell.as_i64().unwrap_or_default()) % 10_000).into(),
            ColumnType::Int32 => (self.integer(cell.as_i64().unwrap_or_default()) % 1_000_000_000).into(),
            ColumnType::Int64 => self.integer(text.parse().unwrap_or_default()).to_string().into(),
            ColumnType::Float32 | ColumnType::Float64 => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => self.digits(text).into(),
                Ok(_) | Err(_) => text.into(),
            },
            ColumnType::Numeric => self.digits(text).into(),
            ColumnType::Text => self.text(text).into(),
            ColumnType::Bytes => {
                let bytes = hex::decode(text).unwrap_or_default();
                hex::encode(self.stream("bytes", &bytes).take(bytes.len()).collect::<Vec<_>>()).into()
            }
            ColumnType::Uuid => {
                hex::encode(self.stream("uuid", text.as_bytes()).take(16).collect::<Vec<_>>()).into()
            }
            // Days and moments within a century of 1970.
            ColumnType::Date => (self.integer(cell.as_i64().unwrap_or_default()) % 36_500).into(),
            ColumnType::Time => {
                (self.integer(text.parse().unwrap_or_default()).abs() % 86_400_000_000).to_string().into()
            }
            ColumnType::Timestamp | ColumnType::TimestampTz => {
                (self.integer(text.parse().unwrap_or_default()) % 3_153_600_000_000_000).to_string().into()
            }
            ColumnType::Interval => "0 1 0".into(),
            ColumnType::Json | ColumnType::Array => self.json_text(text).into(),
        }
    }
}
