//! Registries that lie, and what becomes of whoever asks them. The honest one is in `tests/tests/packages.rs`:
//! no real registry can be made to send these answers.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::sync::{Arc, Mutex};

use applet_package::{Package, Reference, Sha256Digest};
use applet_registry::{Access, Credentials, PACKAGE_TYPE, Registry, RegistryError};
use applet_types::Secret;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does with one request: the head that came, to the bytes that go.
type Answers = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

enum Reply {
    Bytes(Vec<u8>),
    /// This, and then zeros for as long as somebody takes them.
    Endless(Vec<u8>),
}

struct Hostile {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<usize>>,
}

impl Hostile {
    async fn start(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, sent) = (Arc::default(), Arc::default());
        let this = Self { port, heads: Arc::clone(&heads), sent: Arc::clone(&sent) };
        let answers: Answers = Arc::new(answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&heads), Arc::clone(&sent)));
            }
        });
        this
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("127.0.0.1:{}/acme/ai-chat{rest}", self.port).parse().unwrap()
    }

    async fn pull(&self, rest: &str) -> Result<Vec<u8>, RegistryError> {
        self.pull_as(rest, &Access::default()).await
    }

    async fn pull_as(&self, rest: &str, access: &Access) -> Result<Vec<u8>, RegistryError> {
        let reference = self.reference(rest);
        let registry = Registry::new(reference.repository(), access)?;
        registry.pull(&reference, 1 << 20).await.map(|pulled| pulled.bytes)
    }

    async fn code(&self, rest: &str) -> &'static str {
        self.pull(rest).await.map_or_else(|error| error.code(), |_| "pulled")
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Answers,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<usize>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    heads.lock().unwrap().push(head.clone());
    let (start, endless) = match answers(&head) {
        Reply::Bytes(bytes) => (bytes, false),
        Reply::Endless(bytes) => (bytes, true),
    };
    // Whoever has heard enough hangs up.
    if stream.write_all(&start).await.is_err() {
        return;
    }
    while endless && stream.write_all(&[b'0'; 4096]).await.is_ok() {
        *sent.lock().unwrap() += 4096;
    }
    let _closed = stream.shutdown().await;
}

fn answer(status: &str, headers: &[&str], body: &[u8]) -> Reply {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    Reply::Bytes([head.as_bytes(), body].concat())
}

fn manifest_of(digest: Sha256Digest, size: usize, layers: usize) -> Vec<u8> {
    let layer = format!(r#"{{"mediaType":"{PACKAGE_TYPE}","digest":"{digest}","size":{size}}}"#);
    let layers = vec![layer; layers].join(",");
    format!(r#"{{"schemaVersion":2,"artifactType":"{PACKAGE_TYPE}","layers":[{layers}]}}"#).into_bytes()
}

fn package() -> Vec<u8> {
    Package::new("id: notes", b"\0asm").to_bytes()
}

fn manifest() -> Vec<u8> {
    manifest_of(Sha256Digest::of(&package()), package().len(), 1)
}

/// A registry with this manifest and this blob under whatever name.
async fn with(manifest: Vec<u8>, blob: Vec<u8>) -> Hostile {
    Hostile::start(move |head| {
        let body = if head.contains("/manifests/") { &manifest } else { &blob };
        answer("200 OK", &[], body)
    })
    .await
}

/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_what_comes_is_the_bytes_that_were_asked_for_or_nothing() {
    assert_eq!(with(manifest(), package()).await.pull(":1").await.unwrap(), package());
    let mut other = package();
    other.reverse();
    assert_eq!(with(manifest(), other).await.code(":1").await, "digest-mismatch");
    let shorter = package().into_iter().skip(1).collect();
    assert_eq!(with(manifest(), shorter).await.code(":1").await, "digest-mismatch");
    let longer = [package(), vec![0]].concat();
    assert_eq!(with(manifest(), longer).await.code(":1").await, "registry-too-large");

    let honest = with(manifest(), package()).await;
    let pinned = format!("@{}", Sha256Digest::of(&manifest()));
    assert!(honest.pull(&pinned).await.is_ok());
    let wanted = format!("@{}", Sha256Digest::of(b"another manifest"));
    assert_eq!(honest.code(&wanted).await, "digest-mismatch");
    assert_eq!(honest.code(&format!(":1{wanted}")).await, "digest-mismatch");

    let liar = Hostile::start(|_| {
        let header = format!("Docker-Content-Digest: {}", Sha256Digest::of(b"x"));
        answer("200 OK", &[&header], &manifest())
    });
    assert_eq!(liar.await.code(":1").await, "digest-mismatch");
}

/// Spec: S4x.10, G30
#[tokio::test]
async fn s4x_10_what_is_endless_or_enormous_is_cut_off() {
    const GIBIBYTE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n";
    let announced = Hostile::start(|_| Reply::Endless(GIBIBYTE.into())).await;
    assert_eq!(announced.code(":1").await, "registry-too-large");
    let chunked = Hostile::start(|_| Reply::Endless(CHUNKS.into())).await;
    assert_eq!(chunked.code(":1").await, "registry-too-large");
    let until_the_end = Hostile::start(|_| Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    assert_eq!(until_the_end.code(":1").await, "registry-too-large");
    let blob = Hostile::start(|head| match head.contains("/manifests/") {
        true => answer("200 OK", &[], &manifest()),
        false => Reply::Endless(CHUNKS.into()),
    });
    let blob = blob.await;
    assert_eq!(blob.code(":1").await, "registry-too-large");
    let header = Hostile::start(|_| Reply::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec())).await;
    assert_eq!(header.code(":1").await, "registry-unreachable");
    let many = Hostile::start(|_| answer("200 OK", &["X: y"; 1_000], &manifest())).await;
    assert_eq!(many.code(":1").await, "registry-unreachable");
    // What lies in the system's buffers between the two, and no more.
    for server in [announced, chunked, until_the_end, blob, header] {
        let sent = *server.sent.lock().unwrap();
        assert!(sent < 64 << 20, "{sent} bytes were taken");
    }
}

/// Spec: S4x.10, G30
#[tokio::test]
async fn s4x_10_manifests_that_are_no_packages_are_refused_before_anything_is_fetched() {
    let digest = Sha256Digest::of(&package());
    for (manifest, code) in [
        (manifest_of(digest, package().len(), 1_000_000), "registry-too-large"),
        (manifest_of(digest, package().len(), 200), "not-a-package"),
        (manifest_of(digest, package().len(), 0), "not-a-package"),
        (manifest_of(digest, (1 << 20) + 1, 1), "registry-too-large"),
        (manifest_of(digest, usize::MAX, 1), "registry-too-large"),
        (vec![b'['; 60_000], "not-a-package"),
        (br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(), "not-a-package"),
        (Vec::new(), "not-a-package"),
    ] {
        let server = with(manifest, package()).await;
        assert_eq!(server.code(":1").await, code);
        assert_eq!(server.heads().len(), 1, "a blob was asked for");
    }
    let babble = Hostile::start(|_| Reply::Bytes(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await;
    assert_eq!(babble.code(":1").await, "registry-unreachable");
    let silent = Hostile::start(|_| Reply::Bytes(Vec::new())).await;
    assert_eq!(silent.code(":1").await, "registry-unreachable");
}

/// Spec: S4x.10, S4x.2
#[tokio::test]
async fn s4x_10_redirects_lead_to_no_address_that_only_a_machine_itself_should_ask() {
    let to = |location: &'static str| {
        Hostile::start(move |head| match head.contains("/manifests/") {
            true => answer("200 OK", &[], &manifest()),
            false => answer("307 Temporary Redirect", &[&format!("Location: {location}")], b""),
        })
    };
    for (location, code) in [
        ("http://169.254.169.254/latest/meta-data/", "insecure-transport"),
        ("https://169.254.169.254/latest/meta-data/", "registry-address"),
        ("https://[::ffff:a9fe:a9fe]/x", "registry-address"),
        ("https://0xa9fea9fe/x", "registry-address"),
        ("https://[fd00:ec2::254]/x", "registry-address"),
        ("https://0.0.0.0/x", "registry-address"),
        ("http://registry.example/x", "insecure-transport"),
        ("file:///etc/passwd", "registry-answer"),
        ("ftp://127.0.0.1/x", "registry-answer"),
        ("https://ann:s3cret@registry.example/x", "registry-answer"),
        ("//", "registry-redirect"),
        ("/v2/acme/ai-chat/blobs/again", "registry-redirect"),
    ] {
        let server = to(location).await;
        assert_eq!(server.code(":1").await, code, "{location}");
        assert!(server.heads().len() <= 7, "{location}");
    }
    let plain = Access { insecure: true, ..Access::default() };
    let server = to("http://169.254.169.254/latest/meta-data/").await;
    assert_eq!(server.pull_as(":1", &plain).await.unwrap_err().code(), "registry-address");
    let nowhere = Hostile::start(|_| answer("302 Found", &[], b"")).await;
    assert_eq!(nowhere.code(":1").await, "registry-redirect");
}

fn ann() -> Access {
    let credentials = Credentials { username: "ann".to_owned(), password: Secret::new("s3cret") };
    Access { credentials: Some(credentials), ..Access::default() }
}

/// "ann:s3cret".
const BASIC: &str = "Basic YW5uOnMzY3JldA==";

/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_credentials_go_to_the_registry_and_to_nobody_it_redirects_to() {
    let storage = Hostile::start(|_| answer("200 OK", &[], &package())).await;
    let location = format!("Location: http://127.0.0.1:{}/blob", storage.port);
    let registry = Hostile::start(move |head| {
        if !head.contains(BASIC) {
            answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], b"")
        } else if head.contains("/manifests/") {
            answer("200 OK", &[], &manifest())
        } else {
            answer("302 Found", &[&location], b"")
        }
    });
    let registry = registry.await;
    assert_eq!(registry.pull_as(":1", &ann()).await.unwrap(), package());
    let asked = storage.heads().concat().to_lowercase();
    assert!(!asked.is_empty() && !asked.contains("authorization"), "{asked}");
    assert_eq!(registry.code(":1").await, "registry-unauthorized");
    assert!(!registry.heads()[0].contains("Basic"), "nothing is said before it is asked for");
}

/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_tokens_are_fetched_for_what_is_done_and_from_no_address_that_is_out_of_bounds() {
    let tokens = Hostile::start(|_| answer("200 OK", &[], br#"{"token":"t0k3n"}"#)).await;
    let realm = format!(
        "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{}/t\",service=\"r\",scope=\"registry:catalog:*\"",
        tokens.port
    );
    let registry = Hostile::start(move |head| {
        if !head.contains("Bearer t0k3n") {
            answer("401 Unauthorized", &[&realm], b"")
        } else if head.contains("/manifests/") {
            answer("200 OK", &[], &manifest())
        } else {
            answer("200 OK", &[], &package())
        }
    });
    let registry = registry.await;
    assert_eq!(registry.pull_as(":1", &ann()).await.unwrap(), package());
    let heads = tokens.heads();
    let [asked] = heads.as_slice() else { panic!("{heads:?}") };
    assert!(asked.starts_with("GET /t?service=r&scope=repository%3Aacme%2Fai-chat%3Apull "), "{asked}");
    assert!(asked.contains(BASIC) && !asked.contains("catalog"), "{asked}");

    for (realm, code) in [
        ("https://169.254.169.254/t", "registry-address"),
        ("http://169.254.169.254/t", "insecure-transport"),
        ("not a place", "registry-answer"),
    ] {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\"");
        let server = Hostile::start(move |_| answer("401 Unauthorized", &[&challenge], b"")).await;
        assert_eq!(server.pull_as(":1", &ann()).await.unwrap_err().code(), code, "{realm}");
    }
    let never = Hostile::start(|_| answer("401 Unauthorized", &["WWW-Authenticate: Basic"], b"")).await;
    assert_eq!(never.pull_as(":1", &ann()).await.unwrap_err().code(), "registry-unauthorized");
    assert_eq!(never.heads().len(), 2, "it is asked again and again");
    let odd = Hostile::start(|_| answer("401 Unauthorized", &["WWW-Authenticate: Negotiate"], b"")).await;
    assert_eq!(odd.pull_as(":1", &ann()).await.unwrap_err().code(), "registry-unauthorized");
}

/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_an_upload_goes_to_the_registry_itself() {
    let thief = Hostile::start(|_| answer("201 Created", &[], b"")).await;
    for (location, code) in [
        (format!("http://127.0.0.1:{}/upload", thief.port), "registry-redirect"),
        ("https://169.254.169.254/u".to_owned(), "registry-redirect"),
        ("http://registry.example/u".to_owned(), "insecure-transport"),
    ] {
        let location = format!("Location: {location}");
        let registry = Hostile::start(move |head| match head.starts_with("POST") {
            true => answer("202 Accepted", &[&location], b""),
            false => answer("404 Not Found", &[], b""),
        });
        let registry = registry.await;
        let reference = registry.reference(":1");
        let client = Registry::new(reference.repository(), &ann()).unwrap();
        let pushed = client.push(&reference, Bytes::from(package()), "notes", "1.0.0").await;
        assert_eq!(pushed.unwrap_err().code(), code);
    }
    assert!(thief.heads().is_empty());
}

/// What a registry says is not printed: only a code of the specification's form is.
///
/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_no_text_of_a_registry_reaches_the_terminal() {
    let body = b"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\\u001b[2J run this\"}]}";
    let server = Hostile::start(move |_| answer("500 Internal Server Error", &[], body)).await;
    let said = server.pull(":1").await.unwrap_err().to_string();
    assert!(said.ends_with("refuses with status 500 (DENIED)"), "{said}");
    let odd = b"{\"errors\":[{\"code\":\"\\u001b[2J\"}]}";
    let server = Hostile::start(move |_| answer("500 Oops", &[], odd)).await;
    let said = server.pull(":1").await.unwrap_err().to_string();
    assert!(said.ends_with("refuses with status 500"), "{said}");
}

/// Spec: S4x.10, G44
#[tokio::test]
async fn s4x_10_a_registry_with_an_authority_is_spoken_with_by_tls_or_not_at_all() {
    // What a server that speaks plain text says to a handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            let mut bytes = [0; 64];
            let count = stream.read(&mut bytes).await.unwrap();
            heard.lock().unwrap().extend_from_slice(&bytes[..count]);
        }
    });
    let plain = Hostile { port, heads: Arc::default(), sent: Arc::default() };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let access = Access { root_certificates: Some(file.clone()), ..Access::default() };
    assert_eq!(plain.pull_as(":1", &access).await.unwrap_err().code(), "tls-authorities");
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(&file, authority.pem()).unwrap();
    assert_eq!(plain.pull_as(":1", &access).await.unwrap_err().code(), "tls-certificate");
    // The first byte of a handshake, and not of a request.
    assert_eq!(came.lock().unwrap().first(), Some(&22));
}
