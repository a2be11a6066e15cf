//! Why a batch cannot be divided into chunks that are short enough.

/// What stands in the way. Rows count from 0 in the whole file, sizes are in bytes of a chunk's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undividable {
    /// One row is too long.
    #[error(
        "row {row} alone makes one of {bytes} bytes, of which {repeated} are its schema and \
         dictionaries"
    )]
    Row {
        /// The row.
        row: u64,
        /// The chunk that it makes.
        bytes: u64,
        /// What the chunk holds beside it.
        repeated: u64,
    },
    /// What every chunk repeats is too long, whatever rows it holds.
    #[error(
        "the schema and dictionaries of the batch that begins at row {row} take {bytes} bytes, and \
         each chunk needs them"
    )]
    Repeated {
        /// The first row of the batch.
        row: u64,
        /// A chunk of none of its rows.
        bytes: u64,
    },
    /// It would become too many chunks.
    #[error(
        "the batch that begins at row {row} would make about {parts}, more than one dataset may \
         have; {repeated} bytes of each would be its schema and dictionaries"
    )]
    Parts {
        /// The first row of the batch.
        row: u64,
        /// How many, about.
        parts: u64,
        /// A chunk of none of its rows.
        repeated: u64,
    },
}
