//! Where a server is, and the bytes to and from it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use applet_types::is_loopback;

use super::binding;
use super::tls::Tls;
use super::transport::{Transport, TransportError};

/// How to reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// The socket file itself.
    Unix(PathBuf),
    /// Host and port, in plain text.
    Tcp(String, u16),
    /// Host and port, in TLS.
    Tls(String, u16, Tls),
}

/// A database on a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) address: Address,
    pub(crate) database: String,
}

impl Target {
    /// A server that listens on a Unix socket in `directory`.
    pub fn unix(directory: impl AsRef<Path>, port: u16, database: impl Into<String>) -> Self {
        let socket = directory.as_ref().join(format!(".s.PGSQL.{port}"));
        Self { address: Address::Unix(socket), database: database.into() }
    }

    /// A server that listens on TCP, in plain text: for this machine, and for operators who insist.
    pub fn tcp(host: impl Into<String>, port: u16, database: impl Into<String>) -> Self {
        Self { address: Address::Tcp(host.into(), port), database: database.into() }
    }

    /// A server that listens on TCP and proves who it is.
    pub fn tls(host: impl Into<String>, port: u16, database: impl Into<String>, tls: Tls) -> Self {
        Self { address: Address::Tls(host.into(), port, tls), database: database.into() }
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// How the way to the server is protected. Where that is TLS, it goes there and back to see, without
    /// logging in.
    ///
    /// # Errors
    ///
    /// When there is no way that is protected as it has to be.
    pub async fn probe(&self) -> Result<Transport, TransportError> {
        match &self.address {
            Address::Unix(_) => Ok(Transport::Socket),
            Address::Tcp(host, port) => {
                Ok(Transport::Plain { server: format!("{host}:{port}"), loopback: is_loopback(host) })
            }
            Address::Tls(host, port, tls) => {
                let stream = tls.secure(host, dial(host, *port).await?).await?;
                let (_, session) = stream.get_ref();
                Ok(Transport::tls(format!("{host}:{port}"), session.protocol_version(), tls.proof()))
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, database } = self;
        match address {
            Address::Unix(path) => write!(f, "Target({}, database {database})", path.display()),
            Address::Tcp(host, port) => write!(f, "Target({host}:{port}, database {database})"),
            Address::Tls(host, port, tls) => write!(f, "Target({host}:{port}, database {database}, {tls:?})"),
        }
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a login on a connection can be tied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// Nothing: plain text, or a certificate for which there is no rule.
    None,
    /// The server's certificate, by its hash.
    EndPoint(Vec<u8>),
}

impl Stream {
    pub(crate) async fn connect(address: &Address) -> Result<Self, TransportError> {
        Ok(match address {
            Address::Unix(path) => Self::Unix(UnixStream::connect(path).await?),
            Address::Tcp(host, port) => Self::Tcp(dial(host, *port).await?),
            Address::Tls(host, port, tls) => {
                let stream = dial(host, *port).await?;
                Self::Tls(Box::new(tls.secure(host, stream).await?))
            }
        })
    }

    pub(super) fn binding(&self) -> Binding {
        let Self::Tls(stream) = self else { return Binding::None };
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        certificate.and_then(|shown| binding::end_point(shown)).map_or(Binding::None, Binding::EndPoint)
    }

    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes).await,
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                // What is written is encrypted, but may not be sent yet.
                stream.flush().await
            }
        }
    }

    /// Says that nothing more will be written; what the server still sends can be read.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown().await,
            Self::Tcp(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        }
    }

    /// Reads what there is, at least one byte, behind what `buffer` has.
    pub(crate) async fn read_some(&mut self, buffer: &mut BytesMut) -> io::Result<()> {
        let read = match self {
            Self::Unix(stream) => stream.read_buf(buffer).await?,
            Self::Tcp(stream) => stream.read_buf(buffer).await?,
            Self::Tls(stream) => stream.read_buf(buffer).await?,
        };
        some(read)
    }

    /// Waits until the server has hung up; what it still says is thrown away. TLS is left aside: its
    /// farewell comes before the server's process is gone.
    pub(crate) async fn drain(&mut self) {
        let mut rest = BytesMut::with_capacity(8 << 10);
        loop {
            rest.clear();
            let read = match self {
                Self::Unix(stream) => stream.read_buf(&mut rest).await,
                Self::Tcp(stream) => stream.read_buf(&mut rest).await,
                Self::Tls(stream) => stream.get_mut().0.read_buf(&mut rest).await,
            };
            if read.and_then(some).is_err() {
                return;
            }
        }
    }

    /// Whether nothing at all has come in: a server that says anything to an idle session, or hangs up,
    /// has ended it. A stream that is not quiet may have lost a byte by this, and is good for
    /// [`Stream::finish`] and [`Stream::drain`] only.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let read = match self {
            Self::Unix(stream) => stream.try_read(&mut byte),
            Self::Tcp(stream) => stream.try_read(&mut byte),
            Self::Tls(stream) => {
                let (socket, session) = stream.get_ref();
                // What was decrypted and not read yet, or a farewell, is in the session.
                if !session.wants_read() {
                    return false;
                }
                socket.try_read(&mut byte)
            }
        };
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn some(read: usize) -> io::Result<()> {
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
