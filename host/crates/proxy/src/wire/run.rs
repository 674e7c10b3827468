//! What a session is used for: groups of messages under one Sync, so one round trip each.

use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend::{self, BindError};

use applet_types::{AuditRecord, TenantId};

use super::error::WireError;
use super::prepared::Prepared;
use super::rows::{Collector, Fetch, Fetched};
use super::session::{Expected, Fixed, Session, Status};
use super::signing::Signing;
use crate::audit;
use crate::values::Fit;

/// The function that writes a write's record inside its own transaction (SPEC Decision 9). Tenant and role
/// are the session's.
const AUDIT_WRITE: &str = "SELECT applet_host.audit_write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// Its parameter types: uuid, uuid, text, uuid, uuid, text, text[], text, bigint, bigint, text.
const AUDIT_TYPES: [u32; 11] = [2950, 2950, 25, 2950, 2950, 25, 1009, 25, 20, 20, 25];

impl Fixed {
    const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Audit => "audit",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Begin => "BEGIN READ WRITE",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
            Self::Audit => AUDIT_WRITE,
        }
    }

    /// The command tag of its success. COMMIT answers ROLLBACK when there is nothing left to commit.
    const fn tag(self) -> &'static str {
        match self {
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Rollback => "ROLLBACK",
            Self::Audit => "SELECT 1",
        }
    }

    const fn types(self) -> &'static [u32] {
        match self {
            Self::Begin | Self::Commit | Self::Rollback => &[],
            Self::Audit => &AUDIT_TYPES,
        }
    }
}

/// Settings that differ from the session's own for this exchange only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) lock_timeout: Option<Duration>,
}

/// A prepared statement with everything it needs to run.
#[derive(Debug)]
pub(crate) struct Bound<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) parameters: Vec<Fit<'a>>,
    pub(crate) fetch: Fetch,
}

/// How an exchange leaves the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
}

/// One round trip: an optional BEGIN, settings, audit records of earlier statements, statements, and an
/// optional COMMIT or ROLLBACK.
#[derive(Debug, Default)]
pub(crate) struct Exchange<'a> {
    pub(crate) begin: bool,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) settings: Settings,
    pub(crate) audits: &'a [AuditRecord],
    pub(crate) statements: &'a [Bound<'a>],
    pub(crate) end: Option<End>,
}

/// What was sent and has to be answered, in order.
enum Step<'a> {
    Parsed(Fixed),
    Fixed(Fixed),
    /// A setting, with its command tag.
    Set(&'static str),
    Statement(&'a Bound<'a>),
}

impl Session {
    /// Sends an exchange and reads its answers: one [`Fetched`] per statement.
    pub(crate) async fn exchange(&mut self, exchange: &Exchange<'_>) -> Result<Vec<Fetched>, WireError> {
        let expected = match (exchange.end, exchange.begin, self.status) {
            (Some(_), _, _) => Status::Idle,
            (None, true, _) => Status::InTransaction,
            (None, false, status) => status,
        };
        let tenant = exchange.tenant.filter(|tenant| {
            self.tenant != Some(*tenant) || self.signing.as_ref().is_some_and(Signing::is_due)
        });
        let steps = match self.write_exchange(exchange, tenant) {
            Ok(steps) => steps,
            Err(error) => {
                // Nothing was sent: the session is as it was.
                self.outgoing.clear();
                return Err(error);
            }
        };
        // Until the answer is in, it may be either.
        let before = self.tenant.take();
        self.send_and_sync().await?;
        let mut fetched = Vec::with_capacity(exchange.statements.len());
        for step in steps {
            self.answer(step, &mut fetched).await?;
        }
        self.ready().await?;
        if self.status != expected {
            return Err(WireError::Protocol("unexpected transaction state"));
        }
        self.tenant = match exchange.end {
            // What a rollback restores is the setting before its transaction, which nobody noted.
            Some(End::Rollback) => None,
            Some(End::Commit) | None => tenant.or(before),
        };
        Ok(fetched)
    }

    fn write_exchange<'a>(
        &mut self,
        exchange: &Exchange<'a>,
        tenant: Option<TenantId>,
    ) -> Result<Vec<Step<'a>>, WireError> {
        let mut steps = Vec::with_capacity(8);
        if exchange.begin {
            self.write_fixed(Fixed::Begin, &[], &mut steps)?;
        }
        if let Some(tenant) = tenant {
            self.write_tenant(tenant, &mut steps)?;
        }
        if let Some(timeout) = exchange.settings.statement_timeout {
            let text = format!("SET LOCAL statement_timeout = {}", milliseconds(timeout));
            self.write_set(&text, "SET", &mut steps)?;
        }
        if let Some(timeout) = exchange.settings.lock_timeout {
            let text = format!("SET LOCAL lock_timeout = {}", milliseconds(timeout));
            self.write_set(&text, "SET", &mut steps)?;
        }
        for record in exchange.audits {
            self.write_fixed(Fixed::Audit, &audit::parameters(record), &mut steps)?;
        }
        for bound in exchange.statements {
            let formats = bound.prepared.decoders.iter().map(|decoder| decoder.format());
            write_bind(&bound.prepared.name, &bound.parameters, formats, &mut self.outgoing)?;
            frontend::execute("", 0, &mut self.outgoing)?;
            steps.push(Step::Statement(bound));
        }
        match exchange.end {
            Some(End::Commit) => self.write_fixed(Fixed::Commit, &[], &mut steps)?,
            Some(End::Rollback) => self.write_fixed(Fixed::Rollback, &[], &mut steps)?,
            None => {}
        }
        Ok(steps)
    }

    fn is_prepared(&mut self, fixed: Fixed) -> &mut bool {
        let [begin, commit, rollback, audit] = &mut self.fixed;
        match fixed {
            Fixed::Begin => begin,
            Fixed::Commit => commit,
            Fixed::Rollback => rollback,
            Fixed::Audit => audit,
        }
    }

    fn write_fixed(
        &mut self,
        fixed: Fixed,
        parameters: &[Fit<'_>],
        steps: &mut Vec<Step<'_>>,
    ) -> Result<(), WireError> {
        let asked_before = steps.iter().any(|step| matches!(step, Step::Parsed(parsed) if *parsed == fixed));
        if !asked_before && !*self.is_prepared(fixed) {
            let types = fixed.types().iter().copied();
            frontend::parse(fixed.name(), fixed.text(), types, &mut self.outgoing)?;
            steps.push(Step::Parsed(fixed));
        }
        write_bind(fixed.name(), parameters, [], &mut self.outgoing)?;
        frontend::execute("", 0, &mut self.outgoing)?;
        steps.push(Step::Fixed(fixed));
        Ok(())
    }

    fn write_tenant(&mut self, tenant: TenantId, steps: &mut Vec<Step<'_>>) -> Result<(), WireError> {
        let Some(signing) = &mut self.signing else {
            return self.write_set(&format!("SET applet.tenant = '{tenant}'"), "SET", steps);
        };
        let value = signing.sign(tenant);
        // Settings are within reach where they are signed: the next tenant finds none of the last one's.
        if self.tenant != Some(tenant) && self.status == Status::Idle {
            self.write_set("RESET ALL", "RESET", steps)?;
            self.write_set("RESET ROLE", "RESET", steps)?;
        }
        self.write_set(&format!("SET applet.tenant = '{value}'"), "SET", steps)
    }

    fn write_set(
        &mut self,
        text: &str,
        tag: &'static str,
        steps: &mut Vec<Step<'_>>,
    ) -> Result<(), WireError> {
        frontend::parse("", text, [], &mut self.outgoing)?;
        write_bind("", &[], [], &mut self.outgoing)?;
        frontend::execute("", 0, &mut self.outgoing)?;
        steps.push(Step::Set(tag));
        Ok(())
    }

    async fn answer(&mut self, step: Step<'_>, fetched: &mut Vec<Fetched>) -> Result<(), WireError> {
        match step {
            Step::Parsed(fixed) => {
                self.expect(Expected::Parsed).await?;
                *self.is_prepared(fixed) = true;
                Ok(())
            }
            Step::Fixed(fixed) => {
                self.expect(Expected::Bound).await?;
                if fixed == Fixed::Audit {
                    match self.next().await? {
                        Message::DataRow(_) => {}
                        message => return Err(self.unexpected(message).await),
                    }
                }
                self.done(fixed.tag()).await
            }
            Step::Set(tag) => {
                self.expect(Expected::Parsed).await?;
                self.expect(Expected::Bound).await?;
                self.done(tag).await
            }
            Step::Statement(bound) => {
                self.expect(Expected::Bound).await?;
                let mut collector = Collector::new(bound.prepared, bound.fetch);
                self.rows(&mut collector).await?;
                let affected = match self.next().await? {
                    Message::CommandComplete(body) => count(body.tag()?)?,
                    message => return Err(self.unexpected(message).await),
                };
                fetched.push(collector.finish(affected));
                Ok(())
            }
        }
    }

    async fn done(&mut self, tag: &str) -> Result<(), WireError> {
        match self.next().await? {
            Message::CommandComplete(body) if body.tag()? == tag => Ok(()),
            message => Err(self.unexpected(message).await),
        }
    }
}

fn write_bind(
    name: &str,
    parameters: &[Fit<'_>],
    results: impl IntoIterator<Item = i16>,
    outgoing: &mut BytesMut,
) -> Result<(), WireError> {
    let formats = parameters.iter().map(Fit::format);
    let write = |fit: &Fit<'_>, out: &mut BytesMut| Ok::<IsNull, _>(fit.write(out));
    frontend::bind("", name, formats, parameters, write, results, outgoing).map_err(|error| match error {
        BindError::Conversion(_) => WireError::Protocol("a parameter could not be written"),
        BindError::Serialization(error) => error.into(),
    })
}

/// At least one: zero would switch the limit off.
fn milliseconds(duration: Duration) -> u128 {
    duration.as_millis().max(1)
}

/// The number at the end of a command tag: `INSERT 0 5`, `UPDATE 3`, `SELECT 10`.
fn count(tag: &str) -> Result<u64, WireError> {
    tag.rsplit(' ')
        .next()
        .and_then(|count| count.parse().ok())
        .ok_or(WireError::Protocol("unknown command tag"))
}
