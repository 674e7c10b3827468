//! The tables that statements are made of: the fixture's, as far as every set of grants in the tests goes.

/// What kind of value a column or expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Num,
    Text,
    Time,
    Date,
    Bool,
    Json,
    Array,
    Uuid,
}

impl Kind {
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Int => "bigint",
            Self::Num => "numeric",
            Self::Text => "text",
            Self::Time => "timestamptz",
            Self::Date => "date",
            Self::Bool => "boolean",
            Self::Json => "jsonb",
            Self::Array => "text[]",
            Self::Uuid => "uuid",
        }
    }
}

/// A FROM item: its alias and columns.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) alias: String,
    pub(super) columns: Vec<(String, Kind)>,
    /// Whether `id` tells its rows apart, so that ordering by it is total.
    pub(super) keyed: bool,
}

/// A table and its columns.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// Columns that may be written, with their kinds.
    pub(super) writable: &'static [(&'static str, Kind)],
    /// What an INSERT has to supply, as text.
    pub(super) required: &'static [(&'static str, &'static str)],
}

impl Table {
    pub(super) fn source(&self, alias: &str) -> Source {
        let columns = self.columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Source { alias: alias.to_owned(), columns, keyed: self.name != "countries" }
    }
}

/// The columns of `users` that every set of grants in the tests covers.
pub const USER_COLUMNS: [&str; 7] =
    ["id", "tenant_id", "email", "first_name", "role", "is_active", "created_at"];

pub(super) const CLIENTS: Table = Table {
    name: "clients",
    columns: &[
        ("id", Kind::Int),
        ("tenant_id", Kind::Uuid),
        ("first_name", Kind::Text),
        ("last_name", Kind::Text),
        ("phone", Kind::Text),
        ("status", Kind::Text),
        ("created_at", Kind::Time),
        ("deleted_at", Kind::Time),
        ("last_contacted_at", Kind::Time),
        ("email", Kind::Text),
        ("country_code", Kind::Text),
        ("assigned_user_id", Kind::Int),
        ("referred_by_client_id", Kind::Int),
        ("tags", Kind::Array),
        ("metadata", Kind::Json),
        ("lifetime_value", Kind::Num),
        ("birth_date", Kind::Date),
    ],
    writable: &[
        ("last_name", Kind::Text),
        ("deleted_at", Kind::Time),
        ("last_contacted_at", Kind::Time),
        ("assigned_user_id", Kind::Int),
        ("tags", Kind::Array),
        ("metadata", Kind::Json),
        ("birth_date", Kind::Date),
    ],
    required: &[("first_name", "'New TENANT-A'"), ("status", "'lead'")],
};

pub(super) const CHATS: Table = Table {
    name: "chats",
    columns: &[
        ("id", Kind::Int),
        ("tenant_id", Kind::Uuid),
        ("client_id", Kind::Int),
        ("status", Kind::Text),
        ("created_at", Kind::Time),
        ("closed_at", Kind::Time),
        ("deleted_at", Kind::Time),
        ("subject", Kind::Text),
        ("channel", Kind::Text),
        ("assigned_user_id", Kind::Int),
    ],
    writable: &[
        ("closed_at", Kind::Time),
        ("deleted_at", Kind::Time),
        ("subject", Kind::Text),
        ("assigned_user_id", Kind::Int),
    ],
    required: &[("client_id", "2"), ("status", "'open'")],
};

pub(super) const MESSAGES: Table = Table {
    name: "chat_messages",
    columns: &[
        ("id", Kind::Int),
        ("tenant_id", Kind::Uuid),
        ("chat_id", Kind::Int),
        ("content", Kind::Text),
        ("sender_type", Kind::Text),
        ("created_at", Kind::Time),
        ("read_at", Kind::Time),
        ("reply_to_id", Kind::Int),
        ("tokens", Kind::Int),
        ("metadata", Kind::Json),
    ],
    writable: &[
        ("content", Kind::Text),
        ("read_at", Kind::Time),
        ("reply_to_id", Kind::Int),
        ("metadata", Kind::Json),
    ],
    required: &[("chat_id", "3"), ("content", "'Hello TENANT-A'")],
};

pub(super) const USERS: Table = Table {
    name: "users",
    columns: &[
        ("id", Kind::Int),
        ("tenant_id", Kind::Uuid),
        ("email", Kind::Text),
        ("first_name", Kind::Text),
        ("role", Kind::Text),
        ("is_active", Kind::Bool),
        ("created_at", Kind::Time),
    ],
    writable: &[],
    required: &[],
};

pub(super) const COUNTRIES: Table = Table {
    name: "countries",
    columns: &[("code", Kind::Text), ("name", Kind::Text), ("region", Kind::Text), ("dial_code", Kind::Text)],
    writable: &[],
    required: &[],
};

pub(super) const CONFIGS: Table = Table {
    name: "ai_chat_configs",
    columns: &[
        ("id", Kind::Int),
        ("tenant_id", Kind::Uuid),
        ("model_name", Kind::Text),
        ("system_prompt", Kind::Text),
        ("temperature", Kind::Num),
        ("created_at", Kind::Time),
    ],
    writable: &[("system_prompt", Kind::Text)],
    required: &[("model_name", "'gpt-5'")],
};

pub(super) const READABLE: [&Table; 6] = [&CLIENTS, &CHATS, &MESSAGES, &USERS, &COUNTRIES, &CONFIGS];
pub(super) const WRITABLE: [&Table; 3] = [&CLIENTS, &CHATS, &MESSAGES];
