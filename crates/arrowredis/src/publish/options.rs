//! How a dataset is to be published.

use std::time::Duration;

/// What to do where a dataset stands already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replace {
    /// Leave it, and fail.
    #[default]
    Refuse,
    /// Put the new one in its place once that is stored whole. The store holds both until then.
    WhenStored,
    /// Remove it before anything is stored. If that fails later, there is none.
    DropFirst,
}

/// How a dataset is published.
///
/// # Defaults
/// No dataset is replaced, it lives for ever, and a replaced one's chunks are removed at once.
#[derive(Debug, Clone, Default)]
pub struct PublishOptions {
    /// What to do where a dataset stands already.
    pub replace: Replace,
    /// How long the dataset lives; `None` for ever. All its keys vanish at the same instant.
    pub time_to_live: Option<Duration>,
    /// How long the chunks of a replaced dataset stay for readers that began before, beside the
    /// new ones. Readers that have handed out rows already cannot start over, and fail without it.
    pub keep_replaced: Duration,
}
