//! Numbers of PostgreSQL's built-in types (`pg_type.dat`); they never change.

pub(crate) const BOOL: u32 = 16;
pub(crate) const BYTEA: u32 = 17;
pub(crate) const CHAR: u32 = 18;
pub(crate) const NAME: u32 = 19;
pub(crate) const INT8: u32 = 20;
pub(crate) const INT2: u32 = 21;
pub(crate) const INT4: u32 = 23;
pub(crate) const TEXT: u32 = 25;
pub(crate) const OID: u32 = 26;
pub(crate) const JSON: u32 = 114;
pub(crate) const FLOAT4: u32 = 700;
pub(crate) const FLOAT8: u32 = 701;
pub(crate) const BPCHAR: u32 = 1042;
pub(crate) const VARCHAR: u32 = 1043;
pub(crate) const DATE: u32 = 1082;
pub(crate) const TIME: u32 = 1083;
pub(crate) const TIMESTAMP: u32 = 1114;
pub(crate) const TIMESTAMPTZ: u32 = 1184;
pub(crate) const INTERVAL: u32 = 1186;
pub(crate) const TIMETZ: u32 = 1266;
pub(crate) const NUMERIC: u32 = 1700;
pub(crate) const UUID: u32 = 2950;
pub(crate) const JSONB: u32 = 3802;

/// The element type of a built-in array type.
pub(crate) const fn element(array: u32) -> Option<u32> {
    Some(match array {
        1000 => BOOL,
        1001 => BYTEA,
        1002 => CHAR,
        1003 => NAME,
        1005 => INT2,
        1007 => INT4,
        1009 => TEXT,
        1014 => BPCHAR,
        1015 => VARCHAR,
        1016 => INT8,
        1021 => FLOAT4,
        1022 => FLOAT8,
        1028 => OID,
        1115 => TIMESTAMP,
        1182 => DATE,
        1183 => TIME,
        1185 => TIMESTAMPTZ,
        1187 => INTERVAL,
        1231 => NUMERIC,
        1270 => TIMETZ,
        199 => JSON,
        2951 => UUID,
        3807 => JSONB,
        _ => return None,
    })
}

/// What an array that we read is made of, or a range of numbers.
pub(crate) const fn inner(of: u32) -> Option<u32> {
    match of {
        3904 => Some(INT4),
        3906 => Some(NUMERIC),
        3926 => Some(INT8),
        array => match element(array) {
            Some(CHAR | TIMETZ) | None => None,
            element => element,
        },
    }
}

/// Whether the type is one of those whose numbers are above (user-defined ones start at 16384).
pub(crate) const fn is_text(oid: u32) -> bool {
    matches!(oid, TEXT | VARCHAR | BPCHAR | NAME)
}

/// Types made by users: enums, domains and their arrays. How they are written is theirs to say.
pub(crate) const fn is_user_defined(oid: u32) -> bool {
    oid >= 16_384
}
