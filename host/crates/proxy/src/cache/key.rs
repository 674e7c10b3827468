//! What an answer is found by: a keyed digest over everything that it depends on (S4.65).
//!
//! *Invariant:* tenant, applet and grants are part of every key by construction. The digest is keyed with a
//! secret of the database, so that whoever can write to Redis can neither guess nor forge a key.

use applet_types::{Encoding, ExecutionLimits, Invocation, SqlName, TenantId, Value};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The digest that an answer is found by.
pub(crate) type Digest = [u8; 32];

/// A value that stands for the state of one (tenant, table). Random or counted, never used twice.
pub(crate) type Stamp = [u8; 16];

/// The secrets of one database, each for one use.
#[derive(Clone)]
pub(crate) struct Secrets {
    keys: Hmac<Sha256>,
    names: Hmac<Sha256>,
    /// What values are sealed with.
    pub(super) values: [u8; 32],
}

/// Everything that an answer depends on.
pub(crate) struct Asked<'a> {
    pub(crate) call: &'a Invocation,
    /// The catalogue that the statement was judged with.
    pub(crate) catalog: &'a str,
    /// The scoped text.
    pub(crate) text: &'a str,
    pub(crate) parameters: &'a [Value],
    pub(crate) encoding: Encoding,
    pub(crate) row_cap: u32,
}

impl Secrets {
    /// Derives them from the database's secret.
    pub(crate) fn derive(secret: &[u8; 32]) -> Self {
        let of = |purpose: &str| keyed(secret).chain_update(purpose).finalize().into_bytes();
        Self {
            keys: keyed(&of("keys").into()),
            names: keyed(&of("names").into()),
            values: of("values").into(),
        }
    }

    /// The key of an answer.
    pub(crate) fn digest(&self, asked: &Asked<'_>) -> Digest {
        let mut fields = Fields(self.keys.clone());
        let call = asked.call;
        fields.bytes(call.tenant.as_uuid().as_bytes());
        fields.bytes(call.workspace.as_uuid().as_bytes());
        fields.bytes(call.installation.as_uuid().as_bytes());
        fields.bytes(call.applet.as_str().as_bytes());
        fields.bytes(call.grants.digest().to_string().as_bytes());
        fields.bytes(asked.catalog.as_bytes());
        fields.bytes(asked.text.as_bytes());
        fields.number(asked.parameters.len() as u64);
        for value in asked.parameters {
            fields.value(value);
        }
        fields.number(match asked.encoding {
            Encoding::Packed => 0,
            Encoding::Json => 1,
        });
        fields.number(asked.row_cap.into());
        let ExecutionLimits { row_bytes, result_bytes, .. } = call.limits.execution;
        fields.number(row_bytes as u64);
        fields.number(result_bytes as u64);
        fields.0.finalize().into_bytes().into()
    }

    /// Where Redis keeps what belongs to a table of a tenant. The tenant is the hash tag, so that a cluster
    /// keeps all of a tenant in one slot; the table's name is hidden.
    pub(crate) fn name(&self, kind: &str, tenant: TenantId, table: &SqlName) -> String {
        let mut fields = Fields(self.names.clone());
        fields.bytes(tenant.as_uuid().as_bytes());
        fields.bytes(table.as_str().as_bytes());
        let digest = fields.0.finalize().into_bytes();
        let short: String = hex(&digest).chars().take(32).collect();
        format!("{{{tenant}}}:applet:{kind}:{short}")
    }
}

/// Where Redis keeps an answer.
pub(crate) fn answer_name(tenant: TenantId, digest: &Digest) -> String {
    format!("{{{tenant}}}:applet:a:{}", hex(digest))
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fields one after the other, each with its length, so that no two lists of fields are the same bytes.
struct Fields(Hmac<Sha256>);

impl Fields {
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    /// A value with its kind: the text `1` and the number 1 are different questions.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.number(0),
            Value::Boolean(value) => {
                self.number(1);
                self.number((*value).into());
            }
            Value::Integer(value) => {
                self.number(2);
                self.number(value.cast_unsigned());
            }
            Value::Float(value) => {
                self.number(3);
                self.number(value.to_bits());
            }
            Value::Text(text) => {
                self.number(4);
                self.bytes(text.as_bytes());
            }
            Value::Bytes(bytes) => {
                self.number(5);
                self.bytes(bytes);
            }
            Value::Json(text) => {
                self.number(6);
                self.bytes(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use applet_types::{Columns, Grants};

    use super::*;
    use crate::testing::{A, B, grants, invocation};

    fn asked<'a>(call: &'a Invocation, parameters: &'a [Value]) -> Asked<'a> {
        Asked { call, catalog: "c", text: "SELECT 1", parameters, encoding: Encoding::Packed, row_cap: 10 }
    }

    #[test]
    fn s4_65_everything_that_an_answer_depends_on_changes_its_key() {
        let secrets = Secrets::derive(&[7; 32]);
        let call = invocation("applet-one", A, grants());
        let one = [Value::Integer(1)];
        let mut digests = vec![secrets.digest(&asked(&call, &one))];
        assert_eq!(digests[0], secrets.digest(&asked(&call, &one)), "the same question has the same key");
        for parameters in [
            vec![],
            vec![Value::Null],
            vec![Value::Integer(2)],
            vec![Value::Boolean(true)],
            vec![Value::Text("1".into())],
            vec![Value::Json("1".into())],
            vec![Value::Bytes(b"1".to_vec())],
            vec![Value::Float(1.0)],
            vec![Value::Float(-0.0)],
            vec![Value::Float(0.0)],
            vec![Value::Text("ab".into()), Value::Text("c".into())],
            vec![Value::Text("a".into()), Value::Text("bc".into())],
        ] {
            digests.push(secrets.digest(&asked(&call, &parameters)));
        }
        let mut fewer = Grants::builder();
        fewer.table("clients".parse().unwrap()).read = Some(Columns::All);
        for other in [
            invocation("applet-one", B, grants()),
            invocation("applet-two", A, grants()),
            invocation("applet-one", A, fewer.build()),
        ] {
            digests.push(secrets.digest(&asked(&other, &one)));
        }
        let mut narrower = call.clone();
        let mut limits = (*narrower.limits).clone();
        limits.execution.result_bytes = 5;
        narrower.limits = Arc::new(limits);
        digests.push(secrets.digest(&asked(&narrower, &one)));
        for change in [
            |asked: &mut Asked<'_>| asked.catalog = "d",
            |asked: &mut Asked<'_>| asked.text = "SELECT 2",
            |asked: &mut Asked<'_>| asked.encoding = Encoding::Json,
            |asked: &mut Asked<'_>| asked.row_cap = 11,
        ] {
            let mut other = asked(&call, &one);
            change(&mut other);
            digests.push(secrets.digest(&other));
        }
        digests.push(Secrets::derive(&[8; 32]).digest(&asked(&call, &one)));
        let different: HashSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len());
    }

    #[test]
    fn s4_65_names_in_redis_keep_a_tenant_in_one_slot_and_hide_the_table() {
        let secrets = Secrets::derive(&[7; 32]);
        let clients = "clients".parse().unwrap();
        let name = secrets.name("g", A, &clients);
        assert!(name.starts_with(&format!("{{{A}}}:applet:g:")) && !name.contains("clients"), "{name}");
        assert_ne!(name.split(':').next_back(), secrets.name("g", B, &clients).split(':').next_back());
    }
}
