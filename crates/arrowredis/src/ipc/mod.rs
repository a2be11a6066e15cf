//! Arrow IPC, read and written message by message, without I/O of its own except for mapping files.
//!
//! The format is the [columnar format's IPC part]. Decoding and encoding of values is arrow-ipc's
//! work; this module owns what surrounds it: walking the framing, checking every length that
//! comes from outside before anything is allocated or sliced by it, keeping the dictionaries that
//! are in force, and laying messages out again in a chunk, a file or a stream.
//!
//! [columnar format's IPC part]: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

pub(crate) mod file_part;
pub(crate) mod message;
pub(crate) mod reread;

pub(crate) mod schema;

pub(crate) mod check;

pub(crate) mod dictionaries;

pub(crate) mod stream;

pub(crate) mod block;

pub(crate) mod mapped_file;

pub(crate) mod source;

pub(crate) mod encode;

pub(crate) mod batch_metadata;

pub(crate) mod layout;

pub(crate) mod unify;

pub(crate) mod writer;

mod codec;
mod compress;
mod error;
mod guard;
mod lz4;
mod method;
mod table;
mod trial;
mod unfolding;
mod unpack;

pub use codec::{Codec, UnknownCodec};
pub use error::IpcError;
pub use guard::is_decoding;
