//! The ways in which one buffer is compressed, each with its codec's library.

use std::cell::RefCell;
use std::io;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, ParamSwitch, compress_bound};

use super::{Codec, lz4};

/// What literals are made with beside the level: steps as long as a block, which leave nothing to be
/// found, the smallest table to find it with, and the coding of literals, which long steps turn off.
const LITERALS: [CParameter; 3] = [
    CParameter::TargetLength(128 << 10),
    CParameter::HashLog(6),
    CParameter::LiteralCompressionMode(ParamSwitch::Enable),
];

thread_local! {
    /// Dear to make and cheap to use again.
    static ZSTD: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static ZSTD_LITERALS: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// How a buffer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// A frame of LZ4.
    Lz4,
    /// A frame of zstd at the level that is written.
    Zstd,
    /// A frame of zstd that codes bytes by how often each occurs, and looks for no repetitions.
    ZstdLiterals,
}

impl Method {
    /// Fills memory with what becomes of some bytes; returns how much that is.
    pub(super) fn pack(self, bytes: &[u8], to: &mut [u8]) -> io::Result<usize> {
        let (compressor, parameters): (_, &[CParameter]) = match self {
            Self::Lz4 => return lz4::pack(bytes, to),
            Self::Zstd => (&ZSTD, &[]),
            Self::ZstdLiterals => (&ZSTD_LITERALS, &LITERALS),
        };
        compressor.with_borrow_mut(|compressor| {
            let compressor = match compressor {
                Some(compressor) => compressor,
                None => compressor.insert(zstd(parameters)?),
            };
            compressor.compress_to_buffer(bytes, to)
        })
    }
}

fn zstd(parameters: &[CParameter]) -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(Codec::ZSTD_LEVEL)?;
    for parameter in parameters {
        compressor.set_parameter(*parameter)?;
    }
    Ok(compressor)
}

/// Most bytes that become of so many, whatever the method.
pub(super) fn most_packed(len: usize) -> usize {
    // A frame of LZ4 has 4 bytes for each 64 KiB at least and some 20 more.
    const LZ4_FRAME_BYTES: usize = 64;
    compress_bound(len).saturating_add(LZ4_FRAME_BYTES)
}
