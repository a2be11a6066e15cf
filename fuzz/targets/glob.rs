//! Patterns of names. The input is a pattern, a zero, and a name.
#![no_main]

use arrowredis::fuzzing::{glob_matches, glob_widened};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some((pattern, name)) = text.split_once('\0') else { return };
    let matches = glob_matches(pattern, name);
    let widened = glob_widened(pattern);
    // The server's choice by the wider pattern is narrowed down by the pattern itself.
    assert!(!matches || glob_matches(&widened, name), "{widened:?} leaves out {name:?}");
    let literal: String = name.chars().flat_map(|c| ['\\', c]).collect();
    assert!(glob_matches(&literal, name), "{literal:?} does not match {name:?}");
});
