//! The end of a session. A place in the budget is free again only when the server's process is gone:
//! whoever counts sessions at the server never sees more than the caps.

use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::time::timeout;

use super::startup::CancelKey;
use super::stream::{Stream, Target};

/// How long we wait for the server to hang up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends the session: cancels what it is doing (if it may be doing something), says goodbye, and waits
/// until the server has hung up.
pub(crate) async fn bury(mut stream: Stream, key: CancelKey, target: &Target, busy: bool) {
    let ending = async {
        if busy {
            cancel(key, target).await;
        } else {
            let mut goodbye = BytesMut::new();
            frontend::terminate(&mut goodbye);
            if stream.write_all(&goodbye).await.is_err() {
                return;
            }
        }
        // A busy session may have sent half a message, in which a goodbye would be swallowed.
        if stream.finish().await.is_err() {
            return;
        }
        stream.drain().await;
    };
    if timeout(PATIENCE, ending).await.is_err() {
        tracing::warn!(process = key.process, "the server did not end a session in time");
    }
}

/// Asks the server to stop what the session is doing, on a connection of its own that is protected as the
/// session's is: who can read the key can cancel. The server answers by hanging up.
async fn cancel(key: CancelKey, target: &Target) {
    let Ok(mut stream) = Stream::connect(&target.address).await else { return };
    let mut request = BytesMut::with_capacity(16);
    frontend::cancel_request(key.process, key.secret, &mut request);
    if stream.write_all(&request).await.is_ok() {
        stream.drain().await;
    }
}
