//! An Arrow file or stream: opened, walked, decoded, forwarded and encoded anew.
#![no_main]

use arrowredis::fuzzing::Walked;
use arrowredis_fuzz::{Input, decode_and_store, with_bounded_heap};
use libfuzzer_sys::fuzz_target;

/// A footer names a batch in 24 bytes, and may name one again and again.
const MOST_BATCHES: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let input = Input(bytes.len());
    let walk = || Walked::file(bytes, MOST_BATCHES);
    if let Ok(walked) = with_bounded_heap(input.to_walk(), walk) {
        decode_and_store(&walked, input);
    }
});
