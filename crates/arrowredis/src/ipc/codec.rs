//! The compressions that Arrow IPC knows, and the levels that we write with.

use std::fmt;
use std::str::FromStr;

use arrow_ipc::CompressionType;
use serde::Serialize;

/// How the buffers of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Zstandard, written at [`Codec::ZSTD_LEVEL`], without its search for repetitions where a buffer has
    /// few.
    Zstd,
    /// LZ4 frames.
    Lz4,
    /// Buffers as they lie in memory: the largest, and the fastest to read.
    Uncompressed,
}

/// A text that names no codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {0:?}; expected zstd, lz4 or uncompressed")]
pub struct UnknownCodec(String);

impl Codec {
    /// Every codec, in the order in which help texts list them.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Lz4, Self::Uncompressed];

    /// The zstd level that is written: 1. On the numeric columns that this format is for, level 3
    /// saves one or two percent more and takes a fifth longer.
    pub const ZSTD_LEVEL: i32 = 1;

    /// The codec's name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Uncompressed => "uncompressed",
        }
    }

    pub(crate) const fn compression_type(self) -> Option<CompressionType> {
        match self {
            Self::Zstd => Some(CompressionType::ZSTD),
            Self::Lz4 => Some(CompressionType::LZ4_FRAME),
            Self::Uncompressed => None,
        }
    }

    /// The most that one compressed byte can stand for. A zstd RLE block makes 128 KiB of 4 bytes;
    /// an LZ4 length byte adds at most 255.
    pub(crate) const fn max_expansion(self) -> u64 {
        match self {
            Self::Zstd => 32 * 1024,
            Self::Lz4 => 255,
            Self::Uncompressed => 1,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == text)
            .ok_or_else(|| UnknownCodec(text.to_owned()))
    }
}
