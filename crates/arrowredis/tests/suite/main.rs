//! Tests of the library as its users call it, on real Redis servers.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its numbers are its own"
)]

/// Servers, files and arbitrary data for the others.
mod support;

/// The contract of a store, kept by each of them.
mod store_contract;

/// Whatever goes in comes out: arbitrary schemas and values, every codec, every way to divide.
mod round_trip;

/// Batches that are too long for one chunk, divided.
mod dividing;

/// Reads: selections, what is absent, what is no chunk, budgets.
mod reading;

/// One very long chunk, and very many.
mod large;

/// Damaged files and values: an error each time, and never a panic.
mod damage;

/// Every bit and every length of small values and files.
mod every_bit;

/// Inputs that fuzzing found.
mod regressions;

/// The synthetic dataset.
mod generated;

/// Comparing files.
mod verifying;

/// Datasets appear and go as a whole, or the writer is told why not.
mod publishing;

/// Writers that die or are held up between any two requests.
mod held_up;

/// One reader while its dataset is replaced or removed.
mod overlapping;

/// Times to live: of all keys of a dataset or of none.
mod lifetimes;

/// Names, copies, removals, adoption and lists of datasets.
mod catalog;

/// Readers that overlap one replacement after another: never a blend, never a false alarm.
mod races;

/// Every verb can run as a task of its own, on whatever thread.
mod spawning;

/// What version 1 of the format has stored, read for ever.
mod format_v1;
