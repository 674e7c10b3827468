//! Sessions on a database that wants the tenant signed, and on one that changes its mind.

use std::sync::Arc;
use std::time::Duration;

use applet_gate::StatementKind::Select;
use applet_types::{Encoding, TenantClaim, TenantForm, TenantSigner};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::proxied::{Bench, statement};
use super::{free, json, read, scoped};
use crate::testing::{A, B, Cluster, Database, grants, invocation, login};
use crate::wire::{Session, Tenants, WireError};
use applet_types::{Database as _, Value};

const COUNT: &str = "SELECT count(*)::int FROM public.clients c WHERE c.tenant_id = $1::pg_catalog.uuid";
const BY_POLICY: &str = "SELECT count(*)::int, min(c.tenant_id::text) FROM public.clients c";

/// Signs with a key that tests know, in the form that the database verifies.
struct Signer(TenantForm);

impl TenantSigner for Signer {
    fn form(&self) -> TenantForm {
        self.0
    }

    fn sign(&self, claim: &TenantClaim<'_>) -> String {
        let text = format!("{}.{:010}.{:013}", claim.tenant, claim.process, claim.expires_ms);
        let mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        let tag = mac.chain_update(format!("{text}.{}", claim.role)).finalize().into_bytes();
        let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{text}.{tag}")
    }
}

/// What a preparation by somebody who is no superuser makes of the fixture.
fn sign(database: &Database) {
    let pad =
        |byte: u8| format!("{}{}", format!("{:02x}", 7 ^ byte).repeat(32), format!("{byte:02x}").repeat(32));
    database.sql(&format!(
        "INSERT INTO applet_host.tenant_key (inner_pad, outer_pad) VALUES ('\\x{}', '\\x{}');
         ALTER POLICY tenant ON clients USING (tenant_id = (SELECT applet_host.tenant()))",
        pad(0x36),
        pad(0x5C)
    ));
}

/// The way back: sessions of applets are gone before a policy changes.
fn unsign(database: &Database) {
    database.sql("DELETE FROM applet_host.tenant_key");
    let guests = "FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'guest%'";
    while database.sql(&format!("SELECT count(pg_terminate_backend(pid)) {guests}")) != "0" {}
    database.sql(
        "ALTER POLICY tenant ON clients USING (tenant_id = (SELECT nullif(current_setting('applet.tenant', true), '')::uuid))",
    );
}

async fn signed_session(database: &Database) -> Session {
    let tenants = Arc::new(Tenants::new(Arc::new(Signer(TenantForm::Signed))));
    let mut session = database.session().await;
    session.agree(&tenants, "guest_one").await.unwrap();
    session
}

async fn by_policy(session: &mut Session, tenant: applet_types::TenantId) -> serde_json::Value {
    json(&read(session, free(BY_POLICY), &[], tenant, Encoding::Json).await.unwrap())
}

#[tokio::test]
async fn d1_a_session_signs_for_the_tenant_that_asks() {
    let database = Cluster::shared().database();
    sign(&database);
    let mut session = signed_session(&database).await;
    for tenant in [A, B, B, A] {
        let both = read(&mut session, scoped(COUNT, Select, 0), &[], tenant, Encoding::Json).await.unwrap();
        assert_eq!(json(&both), serde_json::json!([[50]]));
        assert_eq!(by_policy(&mut session, tenant).await, serde_json::json!([[50, tenant.to_string()]]));
    }
}

#[tokio::test]
async fn d1_a_signed_setting_is_sent_again_before_it_runs_out_and_not_before() {
    let database = Cluster::shared().database();
    sign(&database);
    let mut session = signed_session(&database).await;
    let setting = free("SELECT current_setting('applet.tenant', true)");
    let mut sent = Vec::new();
    for due in [false, false, true, false] {
        if due {
            session.make_due();
        }
        let outcome = read(&mut session, setting, &[], A, Encoding::Json).await.unwrap();
        sent.push(json(&outcome)[0][0].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(sent[0], sent[1]);
    assert!(sent[1] < sent[2], "it lasts longer");
    assert_eq!(sent[2], sent[3]);
}

/// With settings in reach of a guest that has got past the gate, one tenant could leave them to the next.
#[tokio::test]
async fn d1_a_session_forgets_what_was_set_on_it_when_its_tenant_changes() {
    let database = Cluster::shared().database();
    sign(&database);
    let mut session = signed_session(&database).await;
    let leave = "SELECT set_config('put.by', current_setting('applet.tenant'), false),
                        set_config('statement_timeout', '0', false), set_config('role', 'applet_guest', false)";
    read(&mut session, free(leave), &[], A, Encoding::Json).await.unwrap();
    let find = free(
        "SELECT current_setting('put.by', true), current_setting('statement_timeout'), current_user::text",
    );
    let kept = read(&mut session, find, &[], A, Encoding::Json).await.unwrap();
    assert!(json(&kept)[0][0].as_str().unwrap().starts_with(&A.to_string()));
    let found = read(&mut session, find, &[], B, Encoding::Json).await.unwrap();
    assert_eq!(json(&found), serde_json::json!([["", "5s", "guest_one"]]));
    assert_eq!(by_policy(&mut session, B).await, serde_json::json!([[50, B.to_string()]]));
}

#[tokio::test]
async fn d1_a_session_whose_setting_is_not_taken_is_never_used_again() {
    let database = Cluster::shared().database();
    sign(&database);
    let mut session = database.session().await;
    let refused = read(&mut session, scoped(COUNT, Select, 0), &[], A, Encoding::Json).await.unwrap_err();
    assert!(matches!(refused, WireError::Server(error) if error.state == "AH005"));
    assert!(!session.is_reusable());
    let other = Arc::new(Tenants::new(Arc::new(Signer(TenantForm::Signed))));
    let mut as_other = database.session_as(&login("two")).await;
    as_other.agree(&other, "guest_one").await.unwrap();
    let refused = read(&mut as_other, scoped(COUNT, Select, 0), &[], A, Encoding::Json).await.unwrap_err();
    assert!(
        matches!(refused, WireError::Server(error) if error.state == "AH005"),
        "another role's signature"
    );
}

/// Somebody else prepares the database while a host serves from it.
#[tokio::test]
async fn d1_a_host_follows_when_the_form_changes() {
    let bench = Bench::with(|config| config.tenants = Some(Arc::new(Signer(TenantForm::Plain))));
    let call = || invocation("applet-one", A, grants());
    let count = statement("SELECT count(*)::int FROM clients", &[]);
    let insert = statement("INSERT INTO clients (name) VALUES ($1)", &[Value::Text("x".into())]);
    let mut expected = 50;
    let mut each_way = async || {
        for _ in 0..2 {
            bench.proxy.query(&call(), &insert, Encoding::Json).await.unwrap();
            expected += 1;
            let outcome = bench.proxy.query(&call(), &count, Encoding::Json).await.unwrap();
            assert_eq!(json(&outcome), serde_json::json!([[expected]]));
        }
    };
    each_way().await;
    sign(&bench.database);
    each_way().await;
    unsign(&bench.database);
    each_way().await;
}
