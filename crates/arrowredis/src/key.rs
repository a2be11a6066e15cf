//! A chunk's name as a Redis key, `{prefix}:{part=00000}:batch=00000`, and back.
//!
//! The only place that spells or reads a key. The braces around `part=…` are a cluster hash tag:
//! all batches of a partition lie in one slot.

use std::fmt::Write;

use crate::dataset::{ChunkId, DatasetName};

const PART: &str = ":{part=";
const BATCH: &str = "}:batch=";

/// The key under which a dataset keeps a chunk: numbers of five digits, more when needed.
pub fn chunk_key(dataset: &DatasetName, id: ChunkId) -> String {
    format!("{dataset}{PART}{:05}{BATCH}{:05}", id.partition.0, id.batch.0)
}

/// The chunk that a key names, or `None` when it is not a chunk's key of this dataset.
///
/// Only the one spelling that [`chunk_key`] writes is taken, so that no chunk has two names.
pub fn parse_chunk_key(dataset: &DatasetName, key: &[u8]) -> Option<ChunkId> {
    let text = std::str::from_utf8(key).ok()?;
    let numbers = text.strip_prefix(dataset.as_str())?.strip_prefix(PART)?;
    let (partition, batch) = numbers.split_once(BATCH)?;
    let id = ChunkId::new(partition.parse().ok()?, batch.parse().ok()?);
    (chunk_key(dataset, id) == text).then_some(id)
}

/// The `SCAN` pattern that matches every chunk's key of a dataset.
///
/// It matches some other keys too, which [`parse_chunk_key`] tells apart.
pub fn chunk_pattern(dataset: &DatasetName) -> String {
    let mut pattern = escape_glob(dataset.as_str());
    // Writing to a String cannot fail.
    let _ = write!(pattern, "{PART}*{BATCH}*");
    pattern
}

/// Takes the meaning from the characters that are special in a Redis glob pattern.
fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '\\' | '-') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dataset(name: &str) -> DatasetName {
        DatasetName::new(name).unwrap()
    }

    #[test]
    fn a_key_is_spelled_as_documented() {
        let demo = dataset("demo:v1");
        assert_eq!(chunk_key(&demo, ChunkId::new(3, 12)), "demo:v1:{part=00003}:batch=00012");
        assert_eq!(
            chunk_key(&demo, ChunkId::new(1_234_567, 100_000)),
            "demo:v1:{part=1234567}:batch=100000"
        );
    }

    #[test]
    fn other_keys_are_not_taken_for_chunks() {
        let demo = dataset("demo");
        for key in [
            "demo:{part=3}:batch=00012",
            "demo:{part=00003}:batch=12",
            "demo:{part=00003}:batch=00012:staged=1",
            "demo:{part=-0001}:batch=00012",
            "demo:{part=+0001}:batch=00012",
            "demo:{part=000003}:batch=00012",
            "demo2:{part=00003}:batch=00012",
            "demo:x:{part=00003}:batch=00012",
            "demo:manifest",
            "",
        ] {
            assert_eq!(parse_chunk_key(&demo, key.as_bytes()), None, "{key}");
        }
        assert_eq!(parse_chunk_key(&demo, b"demo:{part=0000\xff}:batch=00012"), None);
    }

    #[test]
    fn a_pattern_escapes_what_the_name_holds() {
        assert_eq!(chunk_pattern(&dataset("a*[b]\\")), "a\\*\\[b\\]\\\\:{part=*}:batch=*");
    }

    proptest! {
        #[test]
        fn every_chunk_survives_its_key(name in "[^{}\\p{Cc}]{1,40}", p: u64, b: u32) {
            let (name, id) = (dataset(&name), ChunkId::new(p, b));
            let key = chunk_key(&name, id);
            prop_assert_eq!(parse_chunk_key(&name, key.as_bytes()), Some(id));
        }
    }
}
