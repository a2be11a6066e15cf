//! The value of a manifest's key.
//!
//! The input is what stands before the checksum: with a right one behind it all of the parser is
//! reached, and with the input's own last bytes only the comparison.
#![no_main]

use arrow_buffer::Buffer;
use arrowredis::checksum::Checksum;
use arrowredis::manifest::{Entry, ManifestError};
use arrowredis_fuzz::{Input, with_bounded_heap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let as_it_is = Entry::decode(Buffer::from(stream));
    assert!(matches!(as_it_is, Err(ManifestError::Checksum { .. } | ManifestError::Short { .. })));

    let checksum = Checksum::of(stream).0.to_le_bytes();
    let value = Buffer::from_vec([stream, &checksum].concat());
    let input = Input(value.len());
    if let Ok(entry) = with_bounded_heap(input.to_walk(), || Entry::decode(value)) {
        let again = entry.encode().expect("a small manifest can be written");
        let again = Entry::decode(Buffer::from_vec(again)).expect("what is written can be read");
        assert_eq!(again, entry);
    }
});
