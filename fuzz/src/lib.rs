//! What the targets share: a bound on the memory that an input may take, and what every batch that was
//! read must be good for.
//!
//! The targets, one for each parser, are in `targets`. A panic ends a target also where the library
//! would turn it into an error: nothing is to be left to that last net.

mod heap;

use arrow_array::RecordBatch;
use arrowredis::fuzzing::{Walked, encode};
use arrowredis::ipc::{Codec, IpcError};

pub use heap::{Input, with_bounded_heap};

/// Batches that are said to decompress to more than this are not decoded: such bombs are allowed, and
/// would only slow the fuzzer.
const MOST_DECODED: u64 = 64 << 20;

/// Decodes what was walked, and demands that it took no more memory than was announced, and that what
/// `split` would store of it reads back.
pub fn decode_and_store(walked: &Walked, input: Input) {
    store(&walked.empty());
    if walked.bytes_to_decode() > MOST_DECODED {
        return;
    }
    let decoded = with_bounded_heap(input.to_decode(walked.bytes_to_decode()), || walked.decode());
    let values = walked.forward().expect("small messages can be forwarded");
    for (batch, value) in decoded.iter().zip(&values) {
        assert_eq!(decode_one(value).is_ok(), batch.is_ok(), "it changes where it is forwarded");
        if let Ok(batch) = batch {
            store(batch);
        }
    }
}

/// A batch that was read can be written, and read again.
fn store(batch: &RecordBatch) {
    let Ok(value) = encode(batch, Codec::Uncompressed) else { return };
    let again = decode_one(&value).expect("what was encoded can be decoded");
    assert_eq!(again.num_rows(), batch.num_rows());
}

/// The only batch of a value that this library made.
fn decode_one(value: &[u8]) -> Result<RecordBatch, IpcError> {
    let walked = Walked::chunk(value).expect("what was stored is a chunk");
    walked.decode().pop().expect("a chunk holds a batch")
}
