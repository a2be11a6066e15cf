//! Compression and decompression of a file's buffers on all cores, and nothing else.
//!
//! What is decompressed is kept, in huge pages, as a table would be; what is compressed is forgotten.

use std::fs;
use std::io::Read;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use arrow_ipc::CompressionType;
use zstd::bulk::{Compressor, Decompressor};

use crate::arena::Arena;
use crate::buffers::{Batch, Stored, batches};
use crate::{Failure, Measured};

/// More than any buffer's alignment adds to the arena.
const SPARE_BYTES: usize = 64 << 20;

pub(crate) fn decompress(path: &str) -> Result<Measured, Failure> {
    let file = fs::read(path)?;
    let batches = batches(&file)?;
    let raw: usize = batches.iter().flat_map(|batch| &batch.buffers).map(|b| b.raw_length).sum();
    on_all_cores(&batches, raw, |next| {
        let mut arena = Arena::new(raw + SPARE_BYTES)?;
        let mut zstd = Decompressor::new()?;
        let mut bytes = 0;
        while let Some(batch) = next() {
            for buffer in &batch.buffers {
                let out = arena.take(buffer.raw_length)?;
                match batch.compression {
                    Some(CompressionType::ZSTD) if buffer.compressed => {
                        zstd.decompress_to_buffer(buffer.bytes, out)?;
                    }
                    Some(CompressionType::LZ4_FRAME) if buffer.compressed => {
                        lz4::Decoder::new(buffer.bytes)?.read_exact(out)?;
                    }
                    _ => out.copy_from_slice(buffer.bytes),
                }
                bytes += buffer.bytes.len();
            }
        }
        Ok((bytes, Some(arena)))
    })
}

pub(crate) fn compress(path: &str, level: i32) -> Result<Measured, Failure> {
    let file = fs::read(path)?;
    let batches = batches(&file)?;
    if batches.iter().any(|batch| batch.compression.is_some()) {
        return Err("expected a file without compression".into());
    }
    let lengths =
        || batches.iter().flat_map(|batch| &batch.buffers).map(|b: &Stored<'_>| b.raw_length);
    let room = zstd::zstd_safe::compress_bound(lengths().max().unwrap_or(0));
    on_all_cores(&batches, lengths().sum(), |next| {
        let mut zstd = Compressor::new(level)?;
        let mut out = vec![0; room];
        let mut bytes = 0;
        while let Some(batch) = next() {
            for buffer in &batch.buffers {
                bytes += zstd.compress_to_buffer(buffer.bytes, &mut out[..])?;
            }
        }
        Ok((bytes, None))
    })
}

/// Lets a thread a core take one batch after the other, and sums up the stored bytes.
fn on_all_cores<'a>(
    batches: &'a [Batch<'a>],
    raw_bytes: usize,
    work: impl Fn(&dyn Fn() -> Option<&'a Batch<'a>>) -> Result<(usize, Option<Arena>), Failure> + Sync,
) -> Result<Measured, Failure> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let taken = AtomicUsize::new(0);
    let next = || batches.get(taken.fetch_add(1, Ordering::Relaxed));
    let start = Instant::now();
    thread::scope(|scope| {
        let (next, work) = (&next, &work);
        let running: Vec<_> = (0..cores).map(|_| scope.spawn(move || work(next))).collect();
        let mut kept = Vec::new();
        for thread in running {
            kept.push(thread.join().map_err(|_| "a thread panicked")??);
        }
        let seconds = start.elapsed().as_secs_f64();
        let stored_bytes = kept.iter().map(|part| part.0).sum();
        Ok(Measured { seconds, stored_bytes, raw_bytes })
    })
}
