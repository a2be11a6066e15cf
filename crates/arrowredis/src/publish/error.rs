//! Why a dataset was not published.

use crate::error::ErrorClass;

/// Chunks that a store acknowledged and has not any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "{count} of {chunks} chunks that {store} acknowledged are gone or cut, the first is '{key}': \
     expected {expected} bytes, found {found}"
)]
pub struct Lost {
    /// Where.
    pub store: String,
    /// How many.
    pub count: u64,
    /// How many there should be.
    pub chunks: u64,
    /// The first of them.
    pub key: String,
    /// The length of what was stored.
    pub expected: u64,
    /// What is there.
    pub found: String,
}

/// Why a dataset was not published. What was published before is untouched, unless it says more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is a dataset of that name.
    #[error(
        "dataset '{dataset}' exists at {store} ({what}); replace it with --replace, or choose \
         another prefix"
    )]
    Exists {
        /// The dataset.
        dataset: String,
        /// Where.
        store: String,
        /// What is there.
        what: String,
    },
    /// The name is an alias.
    #[error(
        "'{alias}' is an alias of '{dataset}' and holds no chunks of its own; name the dataset, or \
         remove the alias with 'arrowredis rm {alias}'"
    )]
    Alias {
        /// The name that was given.
        alias: String,
        /// What it stands for.
        dataset: String,
    },
    /// Somebody else is writing it.
    #[error(
        "dataset '{dataset}' is being written by another process ({owner}); wait until it is done. \
         If it died without closing its connection, its claim '{key}' runs out within {seconds} s"
    )]
    Claimed {
        /// The dataset.
        dataset: String,
        /// The claim's key.
        key: String,
        /// Who.
        owner: String,
        /// How long a claim lives that nobody prolongs.
        seconds: u64,
    },
    /// This process' claim ran out or was taken while it wrote.
    #[error(
        "the claim '{key}' on dataset '{dataset}' was lost to another process ({owner}), since this one \
         or the server was held up for longer than {seconds} s, or their connection was cut; nothing \
         was published, run it again"
    )]
    ClaimLost {
        /// The dataset.
        dataset: String,
        /// The claim's key.
        key: String,
        /// Who has it.
        owner: String,
        /// How long a claim lives that nobody prolongs.
        seconds: u64,
    },
    /// Somebody else published or removed the dataset while this process wrote.
    #[error(
        "'{key}' changed while dataset '{dataset}' was being written, so somebody else published, \
         aliased or removed it, or the server lost its data; nothing was published, look with \
         'arrowredis info' and run it again"
    )]
    Overtaken {
        /// The dataset.
        dataset: String,
        /// The manifest's key.
        key: String,
    },
    /// There are more chunks than one step can publish.
    #[error(
        "dataset '{dataset}' would have {chunks} chunks, and what it replaces has {replaced} keys; \
         expected at most {most} chunks beside those, so write larger batches, or remove what is \
         there with --drop-first"
    )]
    TooManyChunks {
        /// The dataset.
        dataset: String,
        /// Its chunks.
        chunks: u64,
        /// Keys of the dataset before.
        replaced: u64,
        /// How many there may be.
        most: u64,
    },
    /// The store has too little memory left.
    #[error(
        "the store at {store} has too little room: {needed} bytes are needed, and of maxmemory \
         {limit} {used} are in use, {reclaimed} of them by what is dropped first; raise maxmemory, \
         remove datasets with 'arrowredis rm', or, to replace a dataset without keeping both, use \
         --drop-first"
    )]
    NoRoom {
        /// Where.
        store: String,
        /// Bytes that the chunks take at least.
        needed: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes of them that dropping a dataset first gives back.
        reclaimed: u64,
        /// Bytes that may be.
        limit: u64,
    },
    /// Chunks that the store took are not there any more.
    #[error("{0}; it was flushed, restarted, failed over or evicts. Nothing was published")]
    Unconfirmed(Lost),
    /// Chunks that the store took went while they were published.
    #[error(
        "{0}; it was flushed, failed over or evicts. They went while the dataset was published, which \
         is damaged now: split it again with --replace"
    )]
    LostAfterAll(Lost),
    /// The server lost what it had published.
    #[error(
        "dataset '{dataset}' was published, and {store} has lost that again: '{key}' is what it was \
         before; it was flushed, restarted or failed over. Run it again"
    )]
    Undone {
        /// The dataset.
        dataset: String,
        /// Where.
        store: String,
        /// The manifest's key.
        key: String,
    },
    /// The system has no random numbers to give.
    #[error("cannot make an id for the dataset")]
    Random(#[source] getrandom::Error),
}

impl PublishError {
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. } | Self::Alias { .. } | Self::TooManyChunks { .. } => {
                ErrorClass::Usage
            }
            Self::Claimed { .. }
            | Self::ClaimLost { .. }
            | Self::Overtaken { .. }
            | Self::NoRoom { .. }
            | Self::Unconfirmed(_)
            | Self::Undone { .. } => ErrorClass::Store,
            Self::LostAfterAll(_) => ErrorClass::Data,
            Self::Random(_) => ErrorClass::Unexpected,
        }
    }
}
