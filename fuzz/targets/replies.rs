//! What a server answers to requests for values. The input is how many bytes come at a time, and the bytes.
#![no_main]

use arrowredis::fuzzing::replies;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((at_once, bytes)) = input.split_first() else { return };
    let whole = replies(bytes, bytes.len());
    // However they are cut, they say the same.
    assert_eq!(replies(bytes, usize::from(*at_once)), whole);
    let said: usize = whole.iter().flatten().map(Vec::len).sum();
    assert!(said <= bytes.len(), "more is handed out than came");
});
