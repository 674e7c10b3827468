//! Opening a session: startup message, authentication, settings that hold for its life.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use applet_types::{ExecutionLimits, Login};

use super::error::{ServerError, WireError};
use super::stream::{Binding, Stream, Target};
use crate::tenure::Tenure;

/// Settings that a session keeps for life.
#[derive(Debug, Clone)]
pub(crate) struct SessionSettings {
    pub(crate) application: Cow<'static, str>,
    /// What the session is opened under; `None` is for the host's own sessions, which no cap counts.
    pub(crate) tenure: Option<Arc<Tenure>>,
    pub(crate) read_only: bool,
    /// `None` leaves it to the role, which knows where the operators of extensions are.
    pub(crate) search_path: Option<&'static str>,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) idle_in_transaction: Duration,
    pub(crate) prepared_statements: usize,
}

/// What the server allows a transaction beyond what the host's watchdog does.
const WATCHDOG_GRACE: Duration = Duration::from_secs(1);

impl SessionSettings {
    /// For applets' statements.
    pub(crate) fn for_applets(limits: &ExecutionLimits, prepared_statements: usize) -> Self {
        Self {
            application: Cow::Borrowed("applet-host"),
            tenure: None,
            read_only: true,
            search_path: None,
            statement_timeout: Duration::from_millis(limits.statement_timeout_ms),
            lock_timeout: Duration::from_millis(limits.lock_timeout_ms),
            // The host's watchdog is first, and keeps the session; this holds should the host hang.
            idle_in_transaction: Duration::from_millis(limits.idle_in_transaction_ms) + WATCHDOG_GRACE,
            prepared_statements,
        }
    }
}

/// What the server needs to see to cancel a statement of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CancelKey {
    pub(crate) process: i32,
    pub(crate) secret: i32,
}

/// Opens a connection and logs in.
pub(super) async fn open(
    target: &Target,
    login: &Login,
    settings: &SessionSettings,
) -> Result<(Stream, BytesMut, CancelKey), WireError> {
    let mut stream = Stream::connect(&target.address).await?;
    let mut incoming = BytesMut::with_capacity(16 << 10);
    let mut outgoing = BytesMut::with_capacity(512);
    write_startup(target, login, settings, &mut outgoing)?;
    send(&mut stream, &outgoing, settings).await?;
    authenticate(&mut stream, &mut incoming, login, settings).await?;
    let mut key = None;
    loop {
        match receive(&mut stream, &mut incoming).await? {
            Message::BackendKeyData(body) => {
                key = Some(CancelKey { process: body.process_id(), secret: body.secret_key() });
            }
            Message::ParameterStatus(_) | Message::NoticeResponse(_) => {}
            Message::ReadyForQuery(_) => break,
            _ => return Err(WireError::Protocol("unexpected message at startup")),
        }
    }
    let key = key.ok_or(WireError::Protocol("no key to cancel with"))?;
    Ok((stream, incoming, key))
}

fn write_startup(
    target: &Target,
    login: &Login,
    settings: &SessionSettings,
    outgoing: &mut BytesMut,
) -> Result<(), WireError> {
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let (statement, lock, idle) = (
        milliseconds(settings.statement_timeout),
        milliseconds(settings.lock_timeout),
        milliseconds(settings.idle_in_transaction),
    );
    let parameters = [
        ("user", login.role.as_str()),
        ("database", target.database.as_str()),
        ("application_name", settings.application.as_ref()),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("extra_float_digits", "1"),
        ("bytea_output", "hex"),
        ("standard_conforming_strings", "on"),
        ("row_security", "on"),
        ("default_transaction_read_only", if settings.read_only { "on" } else { "off" }),
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", statement.as_str()),
        ("lock_timeout", lock.as_str()),
        ("idle_in_transaction_session_timeout", idle.as_str()),
        ("max_parallel_workers_per_gather", "0"),
        ("work_mem", "8MB"),
        ("jit", "off"),
        // Notices would be read and thrown away.
        ("client_min_messages", "error"),
    ];
    let search_path = settings.search_path.map(|path| ("search_path", path));
    Ok(frontend::startup_message(parameters.into_iter().chain(search_path), outgoing)?)
}

/// Sends a part of the log-in, unless the host may open no session any more: one that was stopped half-way
/// through must not go on where others have taken its place.
async fn send(stream: &mut Stream, bytes: &[u8], settings: &SessionSettings) -> Result<(), WireError> {
    if settings.tenure.as_ref().is_some_and(|tenure| !tenure.holds()) {
        return Err(WireError::Protocol("the host may open no session at the moment"));
    }
    Ok(stream.write_all(bytes).await?)
}

async fn authenticate(
    stream: &mut Stream,
    incoming: &mut BytesMut,
    login: &Login,
    settings: &SessionSettings,
) -> Result<(), WireError> {
    match receive(stream, incoming).await? {
        Message::AuthenticationOk => Ok(()),
        Message::AuthenticationSasl(body) => scram(stream, incoming, login, settings, &body).await,
        _ => Err(WireError::Protocol("the server asks for an authentication other than scram-sha-256")),
    }
}

/// The strongest of what the server offers and this connection allows.
fn mechanism(
    binding: Binding,
    offer: &AuthenticationSaslBody,
) -> Result<(&'static str, ChannelBinding), WireError> {
    let offers = |wanted: &str| offer.mechanisms().any(|mechanism| Ok(mechanism == wanted));
    match binding {
        Binding::EndPoint(hash) if offers(SCRAM_SHA_256_PLUS)? => {
            Ok((SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash)))
        }
        _ if !offers(SCRAM_SHA_256)? => Err(WireError::Protocol("the server does not offer scram-sha-256")),
        // Says that we would have: a server that did offer it knows then that somebody took the offer away.
        Binding::EndPoint(_) => Ok((SCRAM_SHA_256, ChannelBinding::unrequested())),
        Binding::None => Ok((SCRAM_SHA_256, ChannelBinding::unsupported())),
    }
}

async fn scram(
    stream: &mut Stream,
    incoming: &mut BytesMut,
    login: &Login,
    settings: &SessionSettings,
    offer: &AuthenticationSaslBody,
) -> Result<(), WireError> {
    let (mechanism, binding) = mechanism(stream.binding(), offer)?;
    let mut exchange = ScramSha256::new(login.password.reveal().as_bytes(), binding);
    let mut outgoing = BytesMut::with_capacity(256);
    frontend::sasl_initial_response(mechanism, exchange.message(), &mut outgoing)?;
    send(stream, &outgoing, settings).await?;
    let Message::AuthenticationSaslContinue(body) = receive(stream, incoming).await? else {
        return Err(WireError::Protocol("unexpected message in scram"));
    };
    exchange.update(body.data())?;
    outgoing.clear();
    frontend::sasl_response(exchange.message(), &mut outgoing)?;
    send(stream, &outgoing, settings).await?;
    let Message::AuthenticationSaslFinal(body) = receive(stream, incoming).await? else {
        return Err(WireError::Protocol("unexpected message in scram"));
    };
    // Proves that the server knows the password as well.
    exchange.finish(body.data())?;
    match receive(stream, incoming).await? {
        Message::AuthenticationOk => Ok(()),
        _ => Err(WireError::Protocol("unexpected message after scram")),
    }
}

async fn receive(stream: &mut Stream, incoming: &mut BytesMut) -> Result<Message, WireError> {
    loop {
        if let Some(message) = Message::parse(incoming)? {
            return match message {
                Message::ErrorResponse(body) => Err(WireError::Server(ServerError::read(&body)?)),
                message => Ok(message),
            };
        }
        stream.read_some(incoming).await?;
    }
}
