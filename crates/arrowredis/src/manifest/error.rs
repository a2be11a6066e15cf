//! What can be wrong with the bytes under a manifest's key.

use crate::checksum::Checksum;
use crate::ipc::IpcError;

/// Why bytes could not be read as a manifest. It does not name the key: whoever holds that adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// There are too few bytes.
    #[error("expected an Arrow stream and a checksum, found {len} bytes")]
    Short {
        /// How many there are.
        len: usize,
    },
    /// The bytes are not those that were written.
    #[error(
        "expected bytes with the checksum {expected}, which stands at their end, found {found}"
    )]
    Checksum {
        /// The checksum that stands at the end.
        expected: Checksum,
        /// That of the bytes before it.
        found: Checksum,
    },
    /// It is of a version that this program does not know.
    #[error("expected format version {known}, found {found}; read it with a newer arrowredis")]
    Version {
        /// The version that this program knows.
        known: u32,
        /// The one that stands there.
        found: String,
    },
    /// The checksum is right, but the content is no manifest's.
    #[error("{what}: expected {expected}, found {found}")]
    Content {
        /// What was being read.
        what: &'static str,
        /// What may stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// It is no Arrow stream, or one that cannot be decoded.
    #[error("it is not a whole Arrow stream")]
    Arrow(#[from] IpcError),
}
