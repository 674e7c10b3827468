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

/// Does work again that lost a race against another process. The work has to read the state anew.
pub(crate) async fn retrying<T, F>(admin: &mut Admin, what: &'static str, mut work: F) -> Result<T, Error>
where
    F: AsyncFnMut(&mut Admin) -> Result<T, Error>,
{
    let mut attempt = 0;
    loop {
        attempt += 1;
        match work(admin).await {
            Err(error) if error.is_lock_conflict() && attempt >= TRIES => {
                return Err(Error::Contended { what, tries: TRIES });
            }
            Err(error) if error.is_race() && attempt < TRIES => {
                tracing::debug!(%error, attempt, what, "lost a race, trying again");
                backoff(attempt).await;
            }
            outcome => return outcome,
        }
    }
}

pub(crate) async fn backoff(attempt: u32) {
    let step = u64::from(attempt.min(9)) + 1;
    pause(step * 10..step * 50).await;
}
