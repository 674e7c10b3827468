//! TLS to a real server, and somebody in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use applet_gate::StatementKind::Select;
use applet_types::{Database as _, Encoding, ExecutionLimits};

use super::proxied::{call, statement, text};
use super::{free, json, read, scoped};
use crate::testing::{A, Cluster, Database, Recorder, TestLogins, catalog, login, settings};
use crate::testing_tls::{Authority, Identity, Malice, Middle};
use crate::wire::{Exchange, Proof, ServerError, Session, Target, Tls, Transport, TransportError, WireError};
use crate::{Proxy, ProxyConfig};

const COUNT: &str = "SELECT count(*)::int FROM public.clients c WHERE c.tenant_id = $1::pg_catalog.uuid";

/// A server that proves itself as `localhost`, and its authority.
struct Secured {
    authority: Authority,
    database: Database,
}

impl Secured {
    fn start() -> Self {
        let authority = Authority::new();
        let identity = authority.issue(&["localhost"]);
        Self { database: served_as(Some(&identity)), authority }
    }

    fn at(&self, host: &str, tls: Tls) -> Target {
        Target::tls(host, self.database.cluster.port(), &self.database.name, tls)
    }

    fn target(&self) -> Target {
        self.at("localhost", self.authority.tls(Proof::Name))
    }

    async fn between(&self, malice: Malice) -> Middle {
        Middle::start(self.database.cluster.port(), malice).await
    }
}

fn served_as(identity: Option<&Identity>) -> Database {
    let cluster = Arc::new(Cluster::start());
    let database = cluster.database();
    cluster.listen(identity);
    database
}

async fn open(target: Target) -> Result<Session, WireError> {
    Session::connect(Arc::new(target), &login("one"), &settings()).await
}

async fn refused(target: Target) -> TransportError {
    match open(target).await.unwrap_err() {
        WireError::Unprotected(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Waits for something that the server is about to do.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Spec: G44
#[tokio::test]
async fn g44_a_server_that_proves_its_name_serves_in_tls_1_3() {
    let secured = Secured::start();
    let transport = secured.target().probe().await.unwrap();
    assert!(matches!(&transport, Transport::Tls { version, proved: "name", .. } if version == "TLS 1.3"));
    assert_eq!(transport.problem(), None);
    let mut session = open(secured.target()).await.unwrap();
    // More than a record, and more than what is read at once.
    let long = "x".repeat(100_000);
    for _ in 0..20 {
        let count = read(&mut session, scoped(COUNT, Select, 0), &[], A, Encoding::Json).await.unwrap();
        assert_eq!(json(&count), serde_json::json!([[50]]));
        let echo = free("SELECT $1::text");
        let echoed = read(&mut session, echo, &[text(&long)], A, Encoding::Json).await.unwrap();
        assert_eq!(json(&echoed)[0][0].as_str().unwrap(), long);
        assert!(session.is_reusable(), "an idle session is quiet, and looking takes nothing away");
    }
    let versions = secured.database.sql(
        "SELECT DISTINCT version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'guest_one'",
    );
    assert_eq!(versions, "TLSv1.3");
    session.close().await;
    let left = secured.database.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'guest_one'");
    assert_eq!(left, "0", "a closed session is gone at the server");
}

/// Spec: G44
#[tokio::test]
async fn g44_statements_writes_and_their_records_go_through_tls() {
    let secured = Secured::start();
    let recorder = Arc::new(Recorder::default());
    let proxy = Proxy::new(ProxyConfig::new(
        secured.target(),
        Arc::new(catalog()),
        Arc::new(TestLogins),
        recorder.clone(),
    ));
    let insert = statement("INSERT INTO clients (name) VALUES ($1) RETURNING name", &[text("Ann")]);
    proxy.query(&call(A), &insert, Encoding::Json).await.unwrap();
    let count = statement("SELECT count(*)::int FROM clients", &[]);
    let counted = proxy.query(&call(A), &count, Encoding::Json).await.unwrap();
    assert_eq!(json(&counted), serde_json::json!([[51]]));
    let recorded: Vec<_> =
        recorder.records.lock().unwrap().iter().map(|record| record.operation.as_str()).collect();
    assert_eq!(recorded, ["read"]);
    assert_eq!(
        secured.database.sql("SELECT count(*) FROM applet_host.audit WHERE operation = 'insert'"),
        "1"
    );
    proxy.close().await;
}

/// Spec: G44
#[tokio::test]
async fn g44_a_server_that_proves_too_little_is_left() {
    let secured = Secured::start();
    let wrong_name = refused(secured.at("127.0.0.1", secured.authority.tls(Proof::Name))).await;
    assert_eq!(wrong_name.to_string(), "the server's certificate is not for `127.0.0.1` but for `localhost`");
    let stranger = Authority::new();
    for proof in [Proof::Name, Proof::Authority] {
        let unknown = refused(secured.at("localhost", stranger.tls(proof))).await;
        assert_eq!(unknown.code(), "tls-certificate");
        assert!(unknown.to_string().contains("an authority that is not trusted"), "{unknown}");
    }
    // What was asked for, and no more.
    let lenient = secured.at("127.0.0.1", secured.authority.tls(Proof::Authority));
    open(lenient).await.unwrap().close().await;
    let credulous = secured.at("127.0.0.1", Tls::new(Proof::Nothing, None).unwrap());
    assert!(credulous.probe().await.unwrap().problem().unwrap().contains("127.0.0.1"));
    open(credulous).await.unwrap().close().await;
}

/// Spec: G44
#[tokio::test]
async fn g44_a_server_without_tls_gets_nothing_in_plain_text() {
    let database = served_as(None);
    let middle = Middle::start(database.cluster.port(), Malice::None).await;
    for proof in [Proof::Name, Proof::Authority, Proof::Nothing] {
        let tls = Authority::new().tls(proof);
        let refused = refused(middle.target(&database.name, tls)).await;
        assert_eq!(refused.code(), "tls-not-offered");
    }
    for connection in middle.heard() {
        assert_eq!(connection, SSL_REQUEST);
    }
    let plain = Target::tcp("127.0.0.1", database.cluster.port(), &database.name);
    open(plain).await.unwrap().close().await;
}

/// Length and code, as everybody asks.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];

/// Whoever is on the way puts words before the handshake, to be taken for the server's after it.
///
/// Spec: G44
#[tokio::test]
async fn g44_words_from_before_the_handshake_are_never_believed() {
    let secured = Secured::start();
    // "You are in", "ready"; an error; a whole record of TLS that says nothing.
    const IN: &[u8] = b"SR\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";
    const ERROR: &[u8] = b"SE\0\0\0\x12SFATAL\0Msorry\0\0";
    const RECORD: &[u8] = b"S\x17\x03\x03\0\x04\0\0\0\0";
    for injected in [IN, ERROR, RECORD] {
        let middle = secured.between(Malice::Answer(injected)).await;
        let tls = secured.authority.tls(Proof::Name);
        let refused = refused(middle.target(&secured.database.name, tls)).await;
        assert_eq!(refused.code(), "tls-handshake", "{refused}");
        assert!(!refused.to_string().contains("sorry"), "{refused}");
    }
    for answer in [&b"N"[..], b"E\0\0\0\x12SFATAL\0Msorry\0\0", b"R\0\0\0\x08\0\0\0\0"] {
        let middle = secured.between(Malice::Answer(answer)).await;
        let tls = secured.authority.tls(Proof::Name);
        let refused = refused(middle.target(&secured.database.name, tls)).await;
        assert_eq!(refused.code(), "tls-not-offered", "{refused}");
        assert!(middle.heard().iter().all(|heard| *heard == SSL_REQUEST), "nothing more was said");
    }
}

fn without_plus(bytes: Vec<u8>) -> Vec<u8> {
    const OFFER: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
    const LESS: &[u8] = b"SCRAM-SHA-256\0\0";
    let Some(at) = bytes.windows(OFFER.len()).position(|window| window == OFFER) else { return bytes };
    let length = u8::try_from(8 + LESS.len()).unwrap();
    [b"R\0\0\0", &[length][..], &[0, 0, 0, 10], LESS, &bytes[at + OFFER.len()..]].concat()
}

/// Somebody with a certificate that is trusted for the name passes a login on; whether or not they take
/// the stronger offer away, the server learns that the two ends of TLS are not each other's.
///
/// Spec: G44
#[tokio::test]
async fn g44_a_login_is_tied_to_the_servers_certificate() {
    let secured = Secured::start();
    let forged = Arc::new(secured.authority.issue(&["localhost"]));
    for change in [|bytes| bytes, without_plus as fn(Vec<u8>) -> Vec<u8>] {
        let middle = secured.between(Malice::Between(Arc::clone(&forged), change)).await;
        let tls = secured.authority.tls(Proof::Name);
        let error = open(middle.target(&secured.database.name, tls)).await.unwrap_err();
        let WireError::Server(ServerError { state, routine, .. }) = error else { panic!("{error:?}") };
        assert!(["08P01", "28000"].contains(&state.as_str()), "{state} {routine}");
        assert!(routine.starts_with("scram") || routine.starts_with("read_client"), "{routine}");
    }
}

/// Spec: G44
#[tokio::test]
async fn g44_cancelling_goes_through_tls_as_well() {
    let secured = Secured::start();
    let middle = secured.between(Malice::None).await;
    let mut session =
        open(middle.target(&secured.database.name, secured.authority.tls(Proof::Name))).await.unwrap();
    let slow = free("SELECT pg_sleep(60)");
    let prepared = session.prepare(&[slow.text]).await.unwrap();
    let fetch = slow.fetch(Encoding::Json, &ExecutionLimits::default());
    let bound = slow.bind(&prepared[0], &[], A, fetch).unwrap();
    let exchange = Exchange { statements: &[bound], ..Exchange::default() };
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active' AND usename = 'guest_one'";
    {
        let asked = session.exchange(&exchange);
        tokio::pin!(asked);
        let seen = until("the statement runs", || secured.database.sql(running) == "1");
        tokio::select! {
            _ = &mut asked => panic!("the statement has ended"),
            () = seen => {}
        }
    }
    session.close().await;
    assert_eq!(secured.database.sql(running), "0");
    let heard = middle.heard();
    assert_eq!(heard.len(), 2, "the session, and the request to cancel");
    for connection in heard {
        let (request, rest) = connection.split_at(SSL_REQUEST.len());
        assert_eq!(request, SSL_REQUEST);
        assert_eq!(rest.first(), Some(&0x16), "a handshake follows");
        let cancel: &[u8] = &[0x04, 0xD2, 0x16, 0x2E];
        assert!(!rest.windows(4).any(|window| window == cancel), "the key of cancelling is not in sight");
    }
}

/// Spec: G44
#[tokio::test]
async fn g44_a_session_that_the_server_has_ended_is_not_used_again() {
    let secured = Secured::start();
    let session = open(secured.target()).await.unwrap();
    assert!(session.is_reusable());
    secured
        .database
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest_one'");
    until("its end is noticed", || !session.is_reusable()).await;
    session.close().await;
}

/// Spec: G44
#[tokio::test]
async fn g44_an_error_of_tls_holds_nothing_that_a_guest_could_use() {
    let secured = Secured::start();
    let target = secured.at("127.0.0.1", secured.authority.tls(Proof::Name));
    let recorder = Arc::new(Recorder::default());
    let proxy = Proxy::new(ProxyConfig::new(target, Arc::new(catalog()), Arc::new(TestLogins), recorder));
    let count = statement("SELECT count(*) FROM clients", &[]);
    let failure = proxy.query(&call(A), &count, Encoding::Json).await.unwrap_err();
    assert_eq!(failure.to_string(), "database-unavailable: the database cannot be reached");
    proxy.close().await;
}
