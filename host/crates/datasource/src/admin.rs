//! A session of an administrator: the only thing through which this crate talks to a database.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use applet_types::{Login, is_loopback};

use crate::error::Answer;
use crate::{Error, hba};

/// One session. Not a pool: preparing and reading catalogues are rare, and a session that is closed by
/// hand leaves nothing behind.
#[derive(Debug)]
pub struct Admin {
    connection: PgConnection,
    options: PgConnectOptions,
}

impl Admin {
    /// Opens a session with the URL's own role.
    ///
    /// # Errors
    ///
    /// [`Error::Url`] or [`Error::Connect`].
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::open(options(url)?).await.map_err(Error::Connect)
    }

    /// Opens a session on the same database as another role.
    ///
    /// # Errors
    ///
    /// [`Error::LoginRefused`] with the rule of pg_hba.conf that decided, when the server refuses.
    pub async fn connect_as(&mut self, login: &Login) -> Result<Self, Error> {
        let options = self.options.clone().username(&login.role).password(login.password.reveal());
        match Self::open(options).await {
            Ok(admin) => Ok(admin),
            Err(answer) if answer.is_refused_login() => {
                let rule = hba::explain(self, &login.role).await?;
                Err(Error::LoginRefused { role: login.role.clone(), answer, rule })
            }
            Err(answer) => Err(Error::Connect(answer)),
        }
    }

    async fn open(options: PgConnectOptions) -> Result<Self, Answer> {
        let connection = PgConnection::connect_with(&options).await.map_err(|error| Answer::of(&error))?;
        Ok(Self { connection, options })
    }

    /// Whether the session goes over a Unix socket.
    pub(crate) fn is_local(&self) -> bool {
        self.options.get_socket().is_some() || self.options.get_host().starts_with('/')
    }

    /// The name of the role that logged in.
    pub fn role(&self) -> &str {
        self.options.get_username()
    }

    pub(crate) const fn session(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Runs a script of the host's own, such as its demo data.
    ///
    /// # Errors
    ///
    /// [`Error::Statement`], with the first statement that failed undone and those before it kept.
    pub async fn run_script(&mut self, sql: &'static str) -> Result<(), Error> {
        self.run(sql, "cannot run a script").await
    }

    /// Runs a script of whoever owns a private database that was made for developing: its platform's tables.
    ///
    /// # Errors
    ///
    /// As [`Admin::run_script`].
    pub async fn run_own_script(&mut self, sql: String) -> Result<(), Error> {
        self.run(sql, "cannot run the script").await
    }

    /// Runs statements that we wrote ourselves, without parameters.
    pub(crate) async fn run(&mut self, sql: impl Into<String>, doing: &str) -> Result<(), Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.into()));
        self.connection.execute(sql).await.map(drop).map_err(Error::statement(doing))
    }

    /// Runs statements in one transaction that waits for no lock longer than half a second.
    pub(crate) async fn transact(&mut self, statements: &[String], doing: &str) -> Result<(), Error> {
        self.run("BEGIN; SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = 0", doing).await?;
        let mut outcome = Ok(());
        for statement in statements {
            outcome = self.run(statement.clone(), doing).await;
            if outcome.is_err() {
                break;
            }
        }
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.run(end, doing).await;
        outcome.and(ended)
    }

    /// Ends the session and waits until the server knows.
    ///
    /// # Errors
    ///
    /// When the session was broken already; it is gone in any case.
    pub async fn close(self) -> Result<(), Error> {
        self.connection.close().await.map_err(Error::statement("cannot close the session"))
    }
}

fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| Error::Url(error.to_string()))?;
    // Passwords and secrets go through here: no statement text may reach a log.
    Ok(protected(options).application_name("applet-host").disable_statement_logging())
}

/// Modes that fall back to plain text without a word are taken for none: a server elsewhere then has to
/// prove its name.
fn protected(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host();
    let is_local = options.get_socket().is_some() || host.starts_with('/') || is_loopback(host);
    match options.get_ssl_mode() {
        PgSslMode::Prefer | PgSslMode::Allow if is_local => options.ssl_mode(PgSslMode::Disable),
        PgSslMode::Prefer | PgSslMode::Allow => options.ssl_mode(PgSslMode::VerifyFull),
        PgSslMode::Disable | PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: G44
    #[test]
    fn g44_nothing_falls_back_to_plain_text() {
        for (url, verified) in [
            ("postgres://db.example/crm", true),
            ("postgres://db.example/crm?sslmode=prefer", true),
            ("postgres://db.example/crm?sslmode=allow", true),
            ("postgres://localhost/crm", false),
            ("postgres://localhost/crm?host=/run/pg", false),
            ("postgres://db.example/crm?sslmode=disable", false),
        ] {
            let mode = options(url).unwrap().get_ssl_mode();
            assert_eq!(matches!(mode, PgSslMode::VerifyFull), verified, "{url}");
            assert_eq!(matches!(mode, PgSslMode::Disable), !verified, "{url}");
        }
    }
}
