//! What can go wrong on the wire. *Invariant:* nothing in here is shown to a guest; `crate::errors` turns
//! it into a failure with a fixed text.

use std::io;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;

use applet_types::Failure;

use super::transport::TransportError;

/// An error that the server reported, without its words: they may quote values, another tenant's too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// The SQLSTATE.
    pub(crate) state: String,
    /// The function in the server's source, which is the same in every language.
    pub(crate) routine: String,
    /// Table, column and constraint it names; to be looked up in our catalogue, never to be shown.
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) constraint: String,
}

impl ServerError {
    pub(crate) fn read(body: &ErrorResponseBody) -> io::Result<Self> {
        let mut error = Self::default();
        let mut fields = body.fields();
        while let Some(field) = fields.next()? {
            let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => error.state = text(),
                b'R' => error.routine = text(),
                b't' => error.table = text(),
                b'c' => error.column = text(),
                b'n' => error.constraint = text(),
                _ => {}
            }
        }
        Ok(error)
    }
}

/// Why an exchange with the server failed.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The server refused; the session has been read up to `ReadyForQuery` and can be used again.
    Server(ServerError),
    /// The connection broke.
    Lost(io::Error),
    /// There is no way to the server that is protected as it has to be.
    Unprotected(TransportError),
    /// The server broke the protocol or said something that has no place here.
    Protocol(&'static str),
    /// The exchange was stopped by one of our limits, or never began because of a bad parameter.
    Refused(Failure),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // How postgres-protocol reports a message that it cannot read.
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Protocol("unreadable message"),
            _ => Self::Lost(error),
        }
    }
}

impl From<TransportError> for WireError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Unreachable(error) => Self::Lost(error),
            error => Self::Unprotected(error),
        }
    }
}

impl From<Failure> for WireError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}
