//! A bind parameter as a guest hands it over.

/// A parameter's value. PostgreSQL says what type each parameter has; the value is checked against that
/// when it is bound, and text is parsed by PostgreSQL itself, never by us.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL NULL of whatever type.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An integer; may be bound to any number type.
    Integer(i64),
    /// A floating point number; may be bound to any number type but the integers unless it is whole.
    Float(f64),
    /// Text; may be bound to any type, read by that type's input rules.
    Text(String),
    /// Bytes; only for `bytea`.
    Bytes(Vec<u8>),
    /// JSON text; for `json` and `jsonb`, and for arrays when it is a JSON array.
    Json(String),
}

impl Value {
    /// Bytes that count toward the parameter limit.
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Boolean(_) => 1,
            Self::Integer(_) | Self::Float(_) => 8,
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}
