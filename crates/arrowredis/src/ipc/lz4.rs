//! LZ4 frames of whole buffers.
//!
//! The library reads frames block by block into memory of its own, and copies from there; at the speed of
//! the wire that takes longer than unpacking. Here the blocks of an ordinary frame are unpacked where
//! they belong. Frames with checksums or a dictionary, which Arrow's writers do not make, are the
//! library's.
//!
//! Source: the LZ4 frame format, <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

use std::io::{self, Read, Write};

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use lz4_flex::frame::{BlockMode, FrameDecoder, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

/// What every frame begins with.
const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

/// Bits of a frame's first byte: the version, which is 1, and what the frame has.
const VERSION: u8 = 0b1100_0000;
const VERSION_1: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;

/// The bit of a block's length that says that the block is stored as it is.
const STORED: u32 = 1 << 31;

/// How far back a block may refer to what came before it: 64 KiB.
const REACH: usize = 64 << 10;

/// Fills memory with a frame of these bytes, whose blocks stand for themselves, which every reader can
/// take; returns how long it is.
pub(super) fn pack(bytes: &[u8], mut into: &mut [u8]) -> io::Result<usize> {
    let most = into.len();
    let blocks = FrameInfo::new().block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(blocks, &mut into);
    encoder.write_all(bytes)?;
    encoder.finish().map_err(io::Error::other)?;
    Ok(most - into.len())
}

/// Unpacks a frame into memory of its length; returns how many bytes it has, where one that has more
/// counts as one byte longer.
pub(super) fn unpack(frame: &[u8], into: &mut [u8]) -> io::Result<usize> {
    if let Some((independent, blocks)) = ordinary(frame) {
        return unpack_blocks(blocks, independent, into);
    }
    let mut frame = FrameDecoder::new(frame);
    frame.read_exact(into)?;
    let beyond = frame.read(&mut [0])?;
    Ok(into.len() + beyond)
}

/// The blocks of a frame that is nothing but blocks, and whether they stand for themselves.
fn ordinary(frame: &[u8]) -> Option<(bool, &[u8])> {
    let descriptor = frame.strip_prefix(&MAGIC)?;
    let flags = *descriptor.first()?;
    let length = if flags & CONTENT_SIZE == 0 { 2 } else { 10 };
    let (descriptor, rest) = descriptor.split_at_checked(length)?;
    let (check, blocks) = rest.split_first()?;
    let plain =
        flags & VERSION == VERSION_1 && flags & !(VERSION | INDEPENDENT | CONTENT_SIZE) == 0;
    let sound = XxHash32::oneshot(0, descriptor).to_le_bytes()[1] == *check;
    (plain && sound).then_some((flags & INDEPENDENT != 0, blocks))
}

fn unpack_blocks(mut blocks: &[u8], independent: bool, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    loop {
        let (length, rest) = blocks.split_first_chunk::<4>().ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = u32::from_le_bytes(*length);
        if length == 0 {
            return Ok(done);
        }
        let stored = length & STORED != 0;
        let length = usize::try_from(length & !STORED).map_err(io::Error::other)?;
        let block;
        (block, blocks) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (before, left) = into.split_at_mut(done);
        if left.is_empty() {
            return Ok(done + 1);
        }
        done += if stored {
            left.get_mut(..length).ok_or(io::ErrorKind::WriteZero)?.copy_from_slice(block);
            length
        } else if independent {
            decompress_into(block, left).map_err(io::Error::other)?
        } else {
            let reach = &before[done.saturating_sub(REACH)..];
            decompress_into_with_dict(block, left, reach).map_err(io::Error::other)?
        };
    }
}

#[cfg(test)]
mod tests {
    use lz4_flex::frame::BlockSize;
    use proptest::prelude::*;

    use super::*;

    /// Bytes of which some come again and some do not, across several blocks.
    fn bytes(len: usize, step: usize) -> Vec<u8> {
        let mixed = |n: usize| (n / step).wrapping_mul(0x9e37_79b9) >> 7;
        (0..len).map(|n| mixed(n).to_le_bytes()[0]).collect()
    }

    fn framed(bytes: &[u8], info: FrameInfo) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; bytes.len() + 100];
        let len = pack(bytes, &mut frame).unwrap();
        frame.truncate(len);
        frame
    }

    fn unpacked(frame: &[u8], len: usize) -> io::Result<Vec<u8>> {
        let mut into = vec![0; len];
        assert_eq!(unpack(frame, &mut into)?, len);
        Ok(into)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Goal: what the library writes is read, whatever it is told, the ordinary way if it can be.
        #[test]
        fn frames_of_all_kinds_are_read(
            len in 0..400_000usize,
            step in 1..40usize,
            linked: bool,
            block_checksums: bool,
            checksum: bool,
            size: bool,
        ) {
            let bytes = bytes(len, step);
            let mode = if linked { BlockMode::Linked } else { BlockMode::Independent };
            let info = FrameInfo::new()
                .block_size(BlockSize::Max64KB)
                .block_mode(mode)
                .block_checksums(block_checksums)
                .content_checksum(checksum)
                .content_size(size.then_some(len as u64));
            let frame = framed(&bytes, info);
            prop_assert_eq!(ordinary(&frame).is_some(), !block_checksums && !checksum);
            prop_assert_eq!(unpacked(&frame, len).unwrap(), &bytes[..]);
        }

        #[test]
        fn what_is_packed_is_read(len in 0..600_000usize, step in 1..40usize) {
            let bytes = bytes(len, step);
            let frame = packed(&bytes);
            prop_assert!(ordinary(&frame).is_some());
            prop_assert_eq!(unpacked(&frame, len).unwrap(), bytes);
        }
    }

    #[test]
    fn a_frame_that_is_damaged_or_of_another_length_is_seen() {
        let bytes = bytes(200_000, 3);
        let mut frame = packed(&bytes);
        for cut in [0, 3, 6, 7, 20, frame.len() / 2, frame.len() - 1] {
            unpacked(&frame[..cut], bytes.len()).unwrap_err();
        }
        let length = |into: usize| unpack(&frame, &mut vec![0; into]).ok();
        assert_ne!(length(bytes.len() - 1), Some(bytes.len() - 1));
        assert_eq!(length(bytes.len() + 1), Some(bytes.len()));
        // The descriptor's own check.
        frame[5] ^= 0x10;
        assert!(ordinary(&frame).is_none());
        unpacked(&frame, bytes.len()).unwrap_err();
    }
}
