//! TLS to the server: who it has to prove to be, and the handshake.
//!
//! *Invariants:* between the request for TLS and the handshake exactly one byte is read, into nothing that
//! is read from later: what somebody on the way puts there can only break the handshake, never be taken
//! for the server's words (the class of CVE-2021-23214). A server that does not want TLS is left; nothing
//! falls back to plain text.
//!
//! Start reading at [`Tls`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore,
    SignatureScheme,
};

use super::transport::TransportError;

/// How long a server may take for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The protocol's name in ALPN: a server for something else, at the same name, does not answer to it.
const PROTOCOL: &[u8] = b"postgresql";

/// What a server has to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: whoever listens to the traffic learns nothing, but whoever answers is believed
    /// (`sslmode=require`).
    Nothing,
    /// That a trusted authority knows it, under whatever name (`sslmode=verify-ca`).
    Authority,
    /// That a trusted authority knows it under the name that was asked for (`sslmode=verify-full`).
    Name,
}

/// TLS as one database's sessions use it. The authorities are read once; cheap to clone.
#[derive(Clone)]
pub struct Tls {
    proof: Proof,
    authorities: Option<PathBuf>,
    config: Arc<ClientConfig>,
}

impl Tls {
    /// TLS with a server that proves this to the authorities of a PEM file, or to those that this machine
    /// trusts.
    ///
    /// # Errors
    ///
    /// [`TransportError::Authorities`] when there is no authority to go by.
    pub fn new(proof: Proof, authorities: Option<&Path>) -> Result<Self, TransportError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TransportError::Handshake(error.to_string()))?;
        let mut config = match proof {
            Proof::Name => builder.with_webpki_verifier(chain(&provider, authorities)?),
            Proof::Authority => {
                let chain = Some(chain(&provider, authorities)?);
                let verifier = Arc::new(Lenient { chain, provider });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
            Proof::Nothing => {
                let verifier = Arc::new(Lenient { chain: None, provider });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        }
        .with_no_client_auth();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self { proof, authorities: authorities.map(Path::to_owned), config: Arc::new(config) })
    }

    /// What the server has to prove.
    pub const fn proof(&self) -> Proof {
        self.proof
    }

    /// Asks the server on a fresh connection for TLS, and shakes hands.
    pub(crate) async fn secure(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TransportError> {
        match timeout(HANDSHAKE, self.shake_hands(host, stream)).await {
            Ok(secured) => secured,
            Err(_) => Err(TransportError::Unreachable(io::ErrorKind::TimedOut.into())),
        }
    }

    async fn shake_hands(
        &self,
        host: &str,
        mut stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TransportError> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TransportError::Name(host.to_owned()))?;
        let mut request = BytesMut::with_capacity(8);
        frontend::ssl_request(&mut request);
        stream.write_all(&request).await?;
        // One byte, and no buffer: see the module's invariant.
        let mut answer = [0];
        match stream.read_exact(&mut answer).await {
            Ok(_) if answer == *b"S" => {}
            Ok(_) => return Err(TransportError::NotOffered),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(TransportError::NotOffered);
            }
            Err(error) => return Err(error.into()),
        }
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await.map_err(TransportError::of_handshake)
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        (self.proof, &self.authorities) == (other.proof, &other.authorities)
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("proof", &self.proof)
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

/// The authorities of a PEM file, or of this machine.
fn authorities(file: Option<&Path>) -> Result<RootCertStore, TransportError> {
    let found = match file {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None),
        None => rustls_native_certs::load_native_certs(),
    };
    let refused = |why: String| TransportError::Authorities(why);
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let name = file.display();
            if let Some(error) = found.errors.first() {
                return Err(refused(format!("`{name}` cannot be read: {error}")));
            }
            for certificate in found.certs {
                let added = roots.add(certificate);
                added.map_err(|error| refused(format!("`{name}` holds no usable certificate: {error}")))?;
            }
            if roots.is_empty() {
                return Err(refused(format!("`{name}` holds no certificate in PEM form")));
            }
        }
        // A machine's store may hold what rustls cannot read, and be useful all the same.
        None => {
            let (used, _) = roots.add_parsable_certificates(found.certs);
            if used == 0 {
                return Err(refused("this machine trusts no authority".to_owned()));
            }
        }
    }
    Ok(roots)
}

fn chain(
    provider: &Arc<CryptoProvider>,
    file: Option<&Path>,
) -> Result<Arc<WebPkiServerVerifier>, TransportError> {
    let roots = Arc::new(authorities(file)?);
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error: VerifierBuilderError| TransportError::Authorities(error.to_string()))
}

/// Asks less than the name: that the chain leads to an authority, or nothing at all. In either case the
/// server has to own the certificate that it shows.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The chain is verified before the name is.
            Err(RustlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
