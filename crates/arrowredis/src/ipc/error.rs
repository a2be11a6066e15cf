//! What can be wrong with bytes that should be Arrow IPC.

use arrow_schema::ArrowError;

/// Why bytes could not be read as Arrow IPC. Offsets count from the start of the file or value.
///
/// It does not name the file or key: whoever holds that adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IpcError {
    /// The bytes begin like no Arrow file and no Arrow stream.
    #[error("expected an Arrow IPC file or stream, found {len} bytes that begin with {start}")]
    NotArrow {
        /// How many bytes there are.
        len: usize,
        /// The first few, readable.
        start: String,
    },
    /// The bytes end inside something.
    #[error("it is cut off: {what} at byte {at} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it begins.
        at: u64,
        /// How many bytes it claims.
        needed: u64,
        /// How many there are.
        left: u64,
    },
    /// A field of the format holds what it must not.
    #[error("{what} at byte {at}: expected {expected}, found {found}")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// Where the message that holds it begins.
        at: u64,
        /// What the format allows there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Valid Arrow that this version cannot handle.
    #[error("{what} is not supported")]
    Unsupported {
        /// The feature, with its value.
        what: String,
    },
    /// The Arrow library refused the content.
    #[error("{what}")]
    Arrow {
        /// What was being decoded or encoded.
        what: &'static str,
        /// The library's reason.
        source: ArrowError,
    },
    /// The Arrow library panicked on the content, which must be damaged in a way that no check saw.
    #[error("{what}: the decoder gave up ({reason})")]
    Panicked {
        /// What was being decoded.
        what: &'static str,
        /// The panic's message.
        reason: String,
    },
}

impl IpcError {
    pub(crate) fn invalid(
        what: &'static str,
        at: u64,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Invalid { what, at, expected: expected.into(), found: found.to_string() }
    }

    pub(crate) fn arrow(what: &'static str) -> impl FnOnce(ArrowError) -> Self {
        move |source| Self::Arrow { what, source }
    }
}
