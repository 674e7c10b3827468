//! Where a server is, and the bytes to and from it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// How to reach a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// The socket file itself.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String, u16),
}

/// A database on a server.
#[derive(Clone, PartialEq, Eq, Hash)]
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

    /// A server that listens on TCP. Not encrypted: for loopback and private networks only.
    pub fn tcp(host: impl Into<String>, port: u16, database: impl Into<String>) -> Self {
        Self { address: Address::Tcp(host.into(), port), database: database.into() }
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(path) => write!(f, "Target({}, database {})", path.display(), self.database),
            Address::Tcp(host, port) => write!(f, "Target({host}:{port}, database {})", self.database),
        }
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(crate) async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes).await,
            Self::Tcp(stream) => stream.write_all(bytes).await,
        }
    }

    /// Says that nothing more will be written; what the server still sends can be read.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown().await,
            Self::Tcp(stream) => stream.shutdown().await,
        }
    }

    /// Reads what there is, at least one byte, behind what `buffer` has.
    pub(crate) async fn read_some(&mut self, buffer: &mut BytesMut) -> io::Result<()> {
        let read = match self {
            Self::Unix(stream) => stream.read_buf(buffer).await?,
            Self::Tcp(stream) => stream.read_buf(buffer).await?,
        };
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Whether nothing at all has come in: a server that says anything to an idle session, or hangs up,
    /// has ended it.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let read = match self {
            Self::Unix(stream) => stream.try_read(&mut byte),
            Self::Tcp(stream) => stream.try_read(&mut byte),
        };
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}
