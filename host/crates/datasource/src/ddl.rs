//! Running the statements of a plan: all or none, without queueing in front of anybody's readers.

use crate::locks::pause;
use crate::{Admin, Error};

/// How often a step that meets a held lock is tried again (limits, section 3).
pub(crate) const TRIES: u32 = 30;

/// Runs the statements in one transaction. A statement that waits for a lock queues everybody behind it,
/// so it gives up after 500 ms, the transaction is undone, and all is tried again after a random pause.
///
/// # Errors
///
/// [`Error::Contended`] after 30 tries, [`Error::Statement`] for anything but a lock.
pub async fn apply(admin: &mut Admin, statements: &[impl AsRef<str>]) -> Result<(), Error> {
    let statements: Vec<String> = statements.iter().map(|text| text.as_ref().to_owned()).collect();
    for attempt in 0..TRIES {
        match admin.transact(&statements, "cannot change the tables").await {
            Err(error) if error.is_lock_conflict() => backoff(attempt).await,
            outcome => return outcome,
        }
    }
    Err(Error::Contended { what: "a table that has to change", tries: TRIES })
}

/// Does work again that lost a race against another process. The work has to read the state anew. A macro,
/// because a future with a closure that borrows cannot be moved between threads.
macro_rules! retrying {
    ($admin:ident, $what:expr, $work:block) => {{
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome: Result<_, $crate::Error> = async {
                let $admin = &mut *$admin;
                $work
            }
            .await;
            match outcome {
                Err(error) if error.is_lock_conflict() && attempt >= $crate::ddl::TRIES => {
                    break Err($crate::Error::Contended { what: $what, tries: $crate::ddl::TRIES });
                }
                Err(error) if error.is_race() && attempt < $crate::ddl::TRIES => {
                    tracing::debug!(%error, attempt, what = $what, "lost a race, trying again");
                    $crate::ddl::backoff(attempt).await;
                }
                outcome => break outcome,
            }
        }
    }};
}
pub(crate) use retrying;

pub(crate) async fn backoff(attempt: u32) {
    let step = u64::from(attempt.min(9)) + 1;
    pause(step * 10..step * 50).await;
}
