//! The heap of a target, with a limit that an input may not make it exceed.

use std::alloc::System;
use std::panic;
use std::sync::Once;

use cap::Cap;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// What any input may take: 32 MiB. An LZ4 decoder takes up to 13 MiB for its blocks before it has seen
/// one.
const FLOOR: usize = 32 << 20;

/// Bytes that walking may take for each one of the input: a field of a schema takes some 10 bytes in
/// a message and 200 as Arrow's type.
const WALKED_PER_BYTE: usize = 64;

/// How often what is decoded may lie in memory at once: as decompressed, aligned, and as pieces of a
/// dictionary that are joined.
const COPIES: usize = 3;

/// The length of an input, from which follows what it may take.
#[derive(Debug, Clone, Copy)]
pub struct Input(pub usize);

impl Input {
    /// Most bytes for walking it.
    pub fn to_walk(self) -> usize {
        FLOOR + self.0 * WALKED_PER_BYTE
    }

    /// Most bytes for decoding it, if it announces that it decompresses to `announced`.
    pub fn to_decode(self, announced: u64) -> usize {
        let announced = usize::try_from(announced).expect("a small number was announced");
        self.to_walk() + announced * COPIES
    }
}

/// Runs something that may allocate so many bytes more than there are. An allocation beyond aborts.
pub fn with_bounded_heap<T>(bytes: usize, run: impl FnOnce() -> T) -> T {
    UNBOUNDED_PANICS.call_once(|| {
        let shown = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            lift();
            shown(panic);
        }));
    });
    HEAP.set_limit(HEAP.allocated() + bytes).expect("the limit is above what is allocated");
    let result = run();
    lift();
    result
}

/// Showing where a panic came from takes more memory than an input may.
static UNBOUNDED_PANICS: Once = Once::new();

fn lift() {
    HEAP.set_limit(usize::MAX).expect("no limit is below what is allocated");
}
