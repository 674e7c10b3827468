//! A certificate authority of the tests' own, and somebody between a client and its server.

use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::wire::{Proof, Target, Tls};

/// An authority, with its certificate in a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: NamedTempFile,
}

/// A server's certificate and key.
pub(crate) struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = NamedTempFile::new().unwrap();
        // Two authorities are two, by name as well.
        let name = file.path().display().to_string();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        std::fs::write(file.path(), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(parameters, key), file }
    }

    pub(crate) fn file(&self) -> &Path {
        self.file.path()
    }

    /// A certificate for these names or addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }

    /// TLS that goes by this authority.
    pub(crate) fn tls(&self, proof: Proof) -> Tls {
        Tls::new(proof, Some(self.file())).unwrap()
    }
}

impl Identity {
    /// The files of certificate and key, in this folder.
    pub(crate) fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        use std::os::unix::fs::PermissionsExt;
        let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
        std::fs::write(&certificate, self.certificate.pem()).unwrap();
        std::fs::write(&key, self.key.serialize_pem()).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        (certificate, key)
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

pub(crate) fn free_port() -> u16 {
    StdListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// What somebody in between does.
#[derive(Clone)]
pub(crate) enum Malice {
    /// Listens.
    None,
    /// Answers the request for TLS with this, and sends it on as if nothing had happened.
    Answer(&'static [u8]),
    /// Speaks TLS with both sides, under a certificate of its own, and changes what it passes to the client.
    Between(Arc<Identity>, fn(Vec<u8>) -> Vec<u8>),
}

/// Somebody between a client and its server, who keeps what passes from client to server.
pub(crate) struct Middle {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Middle {
    pub(crate) async fn start(server: u16, malice: Malice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = {
                    let mut heard = hearing.lock().unwrap();
                    heard.push(Vec::new());
                    heard.len() - 1
                };
                tokio::spawn(pass(client, server, malice.clone(), Arc::clone(&hearing), number));
            }
        });
        Self { port, heard }
    }

    pub(crate) fn target(&self, database: &str, tls: Tls) -> Target {
        Target::tls("localhost", self.port, database, tls)
    }

    /// What went to the server as it stood on the wire, by connection.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }
}

type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

async fn pass(mut client: TcpStream, server: u16, malice: Malice, heard: Heard, number: usize) {
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    if let Malice::None = malice {
        return relay(client, upstream, |bytes| bytes, heard, number).await;
    }
    let mut request = [0; 8];
    if client.read_exact(&mut request).await.is_err() {
        return;
    }
    heard.lock().unwrap()[number].extend_from_slice(&request);
    match malice {
        Malice::Between(identity, change) => {
            client.write_all(b"S").await.unwrap();
            let Ok(client) = identity.acceptor().accept(client).await else { return };
            // It does not ask the server to prove anything.
            let anybody = Tls::new(Proof::Nothing, None).unwrap();
            let upstream = anybody.secure("localhost", upstream).await.unwrap();
            relay(client, upstream, change, heard, number).await;
        }
        Malice::Answer(answer) => {
            upstream.write_all(&request).await.unwrap();
            let mut given = [0];
            upstream.read_exact(&mut given).await.unwrap();
            client.write_all(answer).await.unwrap();
            relay(client, upstream, |bytes| bytes, heard, number).await;
        }
        Malice::None => {}
    }
}

async fn relay(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: impl AsyncRead + AsyncWrite + Unpin,
    change: fn(Vec<u8>) -> Vec<u8>,
    heard: Heard,
    number: usize,
) {
    let (mut client_reads, mut client_writes) = tokio::io::split(client);
    let (mut server_reads, mut server_writes) = tokio::io::split(server);
    let up = async {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = client_reads.read(&mut bytes).await {
            heard.lock().unwrap()[number].extend_from_slice(&bytes[..read]);
            if server_writes.write_all(&bytes[..read]).await.is_err() || server_writes.flush().await.is_err()
            {
                break;
            }
        }
        let _ended = server_writes.shutdown().await;
    };
    let down = async {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = server_reads.read(&mut bytes).await {
            let changed = change(bytes[..read].to_vec());
            if client_writes.write_all(&changed).await.is_err() || client_writes.flush().await.is_err() {
                break;
            }
        }
        let _ended = client_writes.shutdown().await;
    };
    tokio::join!(up, down);
}
