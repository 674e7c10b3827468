//! Knowing when to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for Ctrl-C or a request to terminate.
pub(crate) async fn requested() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler the signal ends the process by itself.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
