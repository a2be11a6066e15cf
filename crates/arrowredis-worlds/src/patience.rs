//! Waiting for a condition, with a deadline. Nothing here waits for time to pass alone.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::WorldError;

/// How long a world waits for what must happen; far beyond what it takes on a machine under load.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks. A look is a few commands on loopback.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until there is something. A look that fails is one that found nothing: a
/// server may be on its way up or down.
///
/// # Errors
/// [`WorldError::NotInTime`] with the last failure.
pub fn until<T>(
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, WorldError>,
) -> Result<T, WorldError> {
    let started = Instant::now();
    let mut last = String::new();
    while started.elapsed() < PATIENCE {
        match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => last.clear(),
            Err(error) => last = format!("; last: {error:?}"),
        }
        thread::sleep(PAUSE);
    }
    Err(WorldError::NotInTime { what: what.to_owned(), waited: PATIENCE, last })
}
