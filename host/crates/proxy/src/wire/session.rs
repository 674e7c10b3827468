//! One session: its socket, what it has prepared, what is set on it, and whether it may be used again.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{
    self, ErrorResponseBody, Message, ParameterDescriptionBody, RowDescriptionBody,
};
use postgres_protocol::message::frontend;

use applet_types::{Column, Login, TenantId};

use super::close;
use super::error::{ServerError, WireError};
use super::prepared::{Prepared, StatementCache};
use super::rows::{Collector, too_large};
use super::signing::{INVALID, Signing, Tenants};
use super::startup::{self, CancelKey, SessionSettings};
use super::stream::{Stream, Target};
use crate::values::{Decoder, oid};

/// Messages other than rows: nothing that we ask for comes near it.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
const READ_CHUNK: usize = 16 << 10;
/// What a DataRow has besides its fields.
const ROW_OVERHEAD: usize = 8 << 10;

/// Where a session stands, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The server has said that it is idle, and nothing was sent since.
    Idle,
    /// The server has said that it waits inside a transaction.
    InTransaction,
    /// The transaction has failed and waits for its rollback.
    Failed,
    /// Something was sent and not answered in full.
    Busy,
}

/// Statements of our own that a session keeps prepared under fixed names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fixed {
    Begin,
    Commit,
    Rollback,
    Audit,
}

/// A logged-in connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) stream: Stream,
    pub(super) incoming: BytesMut,
    pub(super) outgoing: BytesMut,
    pub(super) statements: StatementCache,
    /// Statements to close on the server with the next message.
    given_up: Vec<Arc<Prepared>>,
    /// The schema that they were prepared for.
    era: u64,
    pub(super) fixed: [bool; 4],
    pub(super) status: Status,
    /// The tenant that is set, if we are sure.
    pub(super) tenant: Option<TenantId>,
    /// How the sessions of its pool tell the tenant.
    pub(super) tenants: Option<Arc<Tenants>>,
    /// What it signs with, where the tenant is signed.
    pub(super) signing: Option<Signing>,
    /// The database did not take its setting, so it must not be used again.
    worn: bool,
    target: Arc<Target>,
    key: CancelKey,
    born: Instant,
}

impl Session {
    /// Connects and logs in.
    pub(crate) async fn connect(
        target: Arc<Target>,
        login: &Login,
        settings: &SessionSettings,
    ) -> Result<Self, WireError> {
        let (stream, incoming, key) = startup::open(&target, login, settings).await?;
        Ok(Self {
            stream,
            incoming,
            outgoing: BytesMut::with_capacity(4 << 10),
            statements: StatementCache::new(settings.prepared_statements),
            given_up: Vec::new(),
            era: 0,
            fixed: [false; 4],
            status: Status::Idle,
            tenant: None,
            tenants: None,
            signing: None,
            worn: false,
            target,
            key,
            born: Instant::now(),
        })
    }

    /// Whether everything that was asked has been answered, and nothing is left of it.
    pub(crate) fn is_settled(&self) -> bool {
        self.status == Status::Idle && self.incoming.is_empty() && !self.worn
    }

    /// The server's process that serves it.
    pub(super) const fn process(&self) -> i32 {
        self.key.process
    }

    /// Whether it may serve another invocation: settled, and the server has not said a word since.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_settled() && self.stream.is_quiet()
    }

    /// Where it stands.
    pub(crate) const fn status(&self) -> Status {
        self.status
    }

    /// When it was opened.
    pub(crate) const fn born(&self) -> Instant {
        self.born
    }

    /// Ends it and waits until the server has let go.
    pub(crate) async fn close(self) {
        let busy = self.status != Status::Idle;
        close::bury(self.stream, self.key, &self.target, busy).await;
    }

    /// Gives up what was prepared for another schema: the server refuses it once its result has another type,
    /// and inside of a transaction it could not be tried again.
    pub(crate) fn keep_up(&mut self, era: u64) {
        if self.era != era {
            self.era = era;
            self.forget_statements();
        }
    }

    /// Gives up everything that is prepared.
    pub(crate) fn forget_statements(&mut self) {
        self.given_up.extend(self.statements.forget());
    }

    /// Prepares the statements that are not prepared yet, in one round trip, and gives them all.
    pub(crate) async fn prepare(&mut self, texts: &[&str]) -> Result<Vec<Arc<Prepared>>, WireError> {
        let mut found: Vec<Option<Arc<Prepared>>> =
            texts.iter().map(|text| self.statements.get(text)).collect();
        if found.iter().any(Option::is_none) {
            self.parse_missing(texts, &mut found).await?;
        }
        found.into_iter().collect::<Option<_>>().ok_or(WireError::Protocol("a statement was not prepared"))
    }

    async fn parse_missing(
        &mut self,
        texts: &[&str],
        found: &mut [Option<Arc<Prepared>>],
    ) -> Result<(), WireError> {
        let mut names = Vec::new();
        let mut closed = 0_usize;
        for (text, _) in texts.iter().zip(found.iter()).filter(|(_, found)| found.is_none()) {
            let given_up = std::mem::take(&mut self.given_up);
            for evicted in given_up.into_iter().chain(self.statements.make_room()) {
                frontend::close(b'S', &evicted.name, &mut self.outgoing)?;
                closed += 1;
            }
            let name = self.statements.fresh_name();
            frontend::parse(&name, text, [], &mut self.outgoing)?;
            frontend::describe(b'S', &name, &mut self.outgoing)?;
            names.push((name, closed));
            closed = 0;
        }
        let in_transaction = self.status;
        self.send_and_sync().await?;
        let mut names = names.into_iter();
        for (text, slot) in texts.iter().zip(found.iter_mut()).filter(|(_, found)| found.is_none()) {
            let Some((name, closed)) = names.next() else { break };
            for _ in 0..closed {
                self.expect(Expected::Closed).await?;
            }
            let prepared = Arc::new(self.described(name).await?);
            self.statements.insert(text, Arc::clone(&prepared));
            *slot = Some(prepared);
        }
        self.ready().await?;
        if self.status == in_transaction {
            Ok(())
        } else {
            Err(WireError::Protocol("unexpected transaction state"))
        }
    }

    async fn described(&mut self, name: String) -> Result<Prepared, WireError> {
        self.expect(Expected::Parsed).await?;
        let parameters = match self.next().await? {
            Message::ParameterDescription(body) => parameter_types(&body)?,
            message => return Err(self.unexpected(message).await),
        };
        let (columns, decoders) = match self.next().await? {
            Message::RowDescription(body) => describe_columns(&body)?,
            Message::NoData => (Vec::new(), Vec::new()),
            message => return Err(self.unexpected(message).await),
        };
        Ok(Prepared { name, parameters, columns: Arc::from(columns), decoders })
    }

    /// Sends what was collected, with a Sync behind it. From here on the session is busy.
    pub(super) async fn send_and_sync(&mut self) -> Result<(), WireError> {
        frontend::sync(&mut self.outgoing);
        self.status = Status::Busy;
        let sent = self.stream.write_all(&self.outgoing).await;
        self.outgoing.clear();
        // A server that ends a session says why before it hangs up; that is worth reading even if it no
        // longer listens.
        match sent {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The next message that is not a mere notice.
    pub(super) async fn next(&mut self) -> Result<Message, WireError> {
        loop {
            if let Some(header) = backend::Header::parse(&self.incoming)?
                && usize::try_from(header.len()).is_ok_and(|length| length > MAX_MESSAGE_BYTES)
            {
                return Err(WireError::Protocol("a message is too long"));
            }
            match Message::parse(&mut self.incoming)? {
                Some(
                    Message::NoticeResponse(_)
                    | Message::ParameterStatus(_)
                    | Message::NotificationResponse(_),
                ) => {}
                Some(message) => return Ok(message),
                None => self.read_more().await?,
            }
        }
    }

    async fn read_more(&mut self) -> Result<(), WireError> {
        self.incoming.reserve(READ_CHUNK);
        Ok(self.stream.read_some(&mut self.incoming).await?)
    }

    /// Feeds rows to `collector` straight from the buffer, up to the first message that is no row.
    pub(super) async fn rows(&mut self, collector: &mut Collector<'_>) -> Result<(), WireError> {
        let limit = collector.row_bytes();
        loop {
            let Some(header) = backend::Header::parse(&self.incoming)? else {
                self.read_more().await?;
                continue;
            };
            if header.tag() != backend::DATA_ROW_TAG {
                return Ok(());
            }
            let length =
                usize::try_from(header.len()).map_err(|_| WireError::Protocol("a row of no length"))?;
            if length > limit.saturating_add(ROW_OVERHEAD) {
                return Err(too_large(format!("a row may have at most {limit} bytes")));
            }
            match self.incoming.get(5..length + 1) {
                Some(body) => {
                    collector.row(body)?;
                    self.incoming.advance(length + 1);
                }
                None => self.read_more().await?,
            }
        }
    }

    pub(super) async fn expect(&mut self, expected: Expected) -> Result<(), WireError> {
        match (expected, self.next().await?) {
            (Expected::Parsed, Message::ParseComplete)
            | (Expected::Bound, Message::BindComplete)
            | (Expected::Closed, Message::CloseComplete) => Ok(()),
            (_, message) => Err(self.unexpected(message).await),
        }
    }

    /// Reads the end of an exchange.
    pub(super) async fn ready(&mut self) -> Result<(), WireError> {
        match self.next().await? {
            Message::ReadyForQuery(body) => {
                self.status = match body.status() {
                    b'I' => Status::Idle,
                    b'T' => Status::InTransaction,
                    b'E' => Status::Failed,
                    _ => return Err(WireError::Protocol("unknown transaction state")),
                };
                Ok(())
            }
            message => Err(self.unexpected(message).await),
        }
    }

    /// What to make of a message that is not the one we wait for. An error of the server ends the exchange:
    /// what comes up to the Sync is skipped by it, and the session can go on, without its tenant.
    pub(super) async fn unexpected(&mut self, message: Message) -> WireError {
        let Message::ErrorResponse(body) = message else { return WireError::Protocol("unexpected message") };
        match self.skip_to_ready(&body).await {
            Ok(error) => WireError::Server(error),
            Err(error) => error,
        }
    }

    async fn skip_to_ready(&mut self, body: &ErrorResponseBody) -> Result<ServerError, WireError> {
        self.tenant = None;
        let error = ServerError::read(body)?;
        if error.state == INVALID {
            self.worn = true;
            if let Some(tenants) = &self.tenants {
                tenants.doubt();
            }
        }
        match self.next().await {
            Ok(Message::ReadyForQuery(body)) => {
                self.status = match body.status() {
                    b'I' => Status::Idle,
                    b'E' => Status::Failed,
                    _ => return Err(WireError::Protocol("unexpected transaction state after an error")),
                };
                Ok(error)
            }
            // A fatal error: the server hangs up. It stays busy, so it is closed.
            Err(WireError::Lost(_)) => Ok(error),
            Ok(_) => Err(WireError::Protocol("unexpected message after an error")),
            Err(error) => Err(error),
        }
    }
}

/// Messages that carry nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Parsed,
    Bound,
    Closed,
}

fn parameter_types(body: &ParameterDescriptionBody) -> Result<Vec<u32>, WireError> {
    Ok(body.parameters().collect()?)
}

fn describe_columns(body: &RowDescriptionBody) -> Result<(Vec<Column>, Vec<Decoder>), WireError> {
    let mut columns = Vec::new();
    let mut decoders = Vec::new();
    let mut fields = body.fields();
    while let Some(field) = fields.next()? {
        let decoder = Decoder::of(field.type_oid());
        let element = oid::inner(field.type_oid()).map(|inner| Decoder::of(inner).kind());
        columns.push(Column { name: field.name().to_owned(), kind: decoder.kind(), element });
        decoders.push(decoder);
    }
    Ok((columns, decoders))
}
