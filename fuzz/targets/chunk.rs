//! The value of a chunk's key: walked, decoded, forwarded and encoded anew.
#![no_main]

use arrowredis::fuzzing::Walked;
use arrowredis_fuzz::{Input, decode_and_store, with_bounded_heap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let input = Input(value.len());
    if let Ok(walked) = with_bounded_heap(input.to_walk(), || Walked::chunk(value)) {
        decode_and_store(&walked, input);
    }
});
