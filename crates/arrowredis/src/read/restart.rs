//! How often a read begins anew because its dataset was replaced under it.

use crate::error::{DataError, Error};

/// Most times that a read begins anew. Each time another dataset was published while it read: a
/// reader that loses this often is slower than its writer, and no number would be enough.
const MOST: u32 = 20;

/// The times that a read has begun anew.
#[derive(Debug, Default)]
pub(super) struct Restarts(u32);

impl Restarts {
    pub(super) fn count(&self) -> u32 {
        self.0
    }

    /// Whether to begin anew after this error; counts it.
    pub(super) fn another_one(&mut self, error: &Error) -> bool {
        let replaced = matches!(error, Error::Data(DataError::Replaced { .. }));
        if replaced && self.0 < MOST {
            self.0 += 1;
            tracing::info!(restarts = self.0, "the dataset was replaced; the read begins anew");
            return true;
        }
        false
    }
}
