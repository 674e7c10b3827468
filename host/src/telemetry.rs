//! Logs: structured, to standard error, without values or secrets.

use tracing_subscriber::EnvFilter;

/// Starts logging. `APPLET_LOG` says what: `info`, `applet_proxy=debug`; warnings and errors when unset.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("APPLET_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let json = std::env::var_os("APPLET_LOG_JSON").is_some();
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        logger.json().init();
    } else {
        logger.init();
    }
}
