//! What a dataset's keys are called, and back: `{prefix}:{part=00000}:batch=00000` for a chunk.
//!
//! The only place that spells or reads a key. The braces around `part=…` are a cluster hash tag:
//! all batches of a partition lie in one slot, under whatever name.

use std::fmt::Write;

use crate::dataset::{ChunkId, DatasetId, DatasetName, PartitionId};

const PART: &str = ":{part=";
const BATCH: &str = "}:batch=";
const STAGED: &str = ":staged=";
const MANIFEST: &str = ":manifest";
const CLAIM: &str = ":claim";
const REMOVED: &str = ":removed";
const PENDING: &str = ":pending";
const FENCE: &str = "}:fence";

/// Bytes of a staged chunk's key beside the dataset's name, where its numbers have eight digits or fewer.
const USUAL_BYTES: usize = 72;

/// The key under which a dataset keeps a chunk: numbers of five digits, more when needed.
pub fn chunk_key(dataset: &DatasetName, id: ChunkId) -> String {
    // Each chunk's is made several times.
    let mut key = String::with_capacity(dataset.as_str().len() + USUAL_BYTES);
    // Writing to a String cannot fail.
    let _ = write!(key, "{dataset}{PART}{:05}{BATCH}{:05}", id.partition.0, id.batch.0);
    key
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

/// The key of a chunk that is stored and not yet under its own name. It lies in the same slot.
pub fn staged_key(dataset: &DatasetName, id: ChunkId, writing: DatasetId) -> String {
    let mut key = chunk_key(dataset, id);
    // Writing to a String cannot fail.
    let _ = write!(key, "{STAGED}{writing}");
    key
}

/// Whether a key is that of a chunk of this dataset, staged or under its own name.
pub fn is_chunk_key(dataset: &DatasetName, key: &str) -> bool {
    let own = match key.rsplit_once(STAGED) {
        Some((own, writing)) if writing.parse::<DatasetId>().is_ok() => own,
        _ => key,
    };
    parse_chunk_key(dataset, own.as_bytes()).is_some()
}

/// The key that says what a name stands for: a dataset's manifest, or an alias.
pub fn manifest_key(dataset: &DatasetName) -> String {
    format!("{dataset}{MANIFEST}")
}

/// The dataset whose manifest a key holds, or `None` when it is not a manifest's key.
pub fn parse_manifest_key(key: &str) -> Option<DatasetName> {
    DatasetName::new(key.strip_suffix(MANIFEST)?).ok()
}

/// The key by which a writer claims a dataset. Its hash tag puts it into the manifest's slot.
pub fn claim_key(dataset: &DatasetName) -> String {
    format!("{dataset}:{{{dataset}{MANIFEST}}}{CLAIM}")
}

/// The keys on which a writer tries whether it may do what publishing takes: it sets the first one and
/// renames it to the second. They hold nothing outside of one step, and lie in the manifest's slot.
pub fn tried_keys(dataset: &DatasetName) -> [String; 2] {
    ["tried", "renamed"].map(|what| format!("{}:{what}", probe_key(dataset)))
}

/// A key that never holds anything, with which those of [`tried_keys`] begin.
pub fn probe_key(dataset: &DatasetName) -> String {
    format!("{}:probe", claim_key(dataset))
}

/// The key that says that a dataset is being removed or replaced: what is left of its chunks without a
/// manifest is no dataset. It lies in the manifest's slot.
pub fn removed_key(dataset: &DatasetName) -> String {
    format!("{dataset}:{{{dataset}{MANIFEST}}}{REMOVED}")
}

/// The key that says that somebody is changing a dataset that lies in several slots, or was when it
/// ended: keys may stand under the name which no manifest lists. It lies in the manifest's slot.
pub fn pending_key(dataset: &DatasetName) -> String {
    format!("{dataset}:{{{dataset}{MANIFEST}}}{PENDING}")
}

/// The key that says who may change a partition's chunks, while a dataset that lies in several slots is
/// being changed. It lies in the partition's slot.
pub fn fence_key(dataset: &DatasetName, partition: PartitionId) -> String {
    format!("{dataset}{PART}{:05}{FENCE}", partition.0)
}

/// The partition whose chunk or fence a key is; `None` for those of the manifest's slot.
pub fn partition_of(dataset: &DatasetName, key: &str) -> Option<PartitionId> {
    let numbers = key.strip_prefix(dataset.as_str())?.strip_prefix(PART)?;
    let (partition, _) = numbers.split_once('}')?;
    partition.parse().ok().map(PartitionId)
}

/// Whether a key is a partition's fence.
pub fn is_fence_key(dataset: &DatasetName, key: &str) -> bool {
    partition_of(dataset, key).is_some_and(|partition| fence_key(dataset, partition) == key)
}

/// The pattern that matches the manifests' keys of all datasets whose names match `names`, a
/// pattern as Redis knows them: `*`, `?`, `[a-c]`, `[^x]`, and `\\` before what is meant as it is.
pub fn manifest_pattern(names: &str) -> String {
    format!("{names}{MANIFEST}")
}

/// The pattern that matches every chunk's key of a dataset, staged ones too, and every fence.
///
/// It matches some other keys, which [`parse_chunk_key`], [`is_chunk_key`] and [`is_fence_key`] tell
/// apart.
pub fn chunk_pattern(dataset: &DatasetName) -> String {
    let mut pattern = escape_glob(dataset.as_str());
    // Writing to a String cannot fail.
    let _ = write!(pattern, "{PART}*}}:*");
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
    fn the_keys_beside_the_chunks_are_spelled_as_documented() {
        let (demo, id) = (dataset("demo:v1"), ChunkId::new(3, 12));
        let staged = staged_key(&demo, id, DatasetId(255));
        assert_eq!(
            staged,
            "demo:v1:{part=00003}:batch=00012:staged=000000000000000000000000000000ff"
        );
        assert_eq!(parse_chunk_key(&demo, staged.as_bytes()), None);
        assert!(is_chunk_key(&demo, &staged) && is_chunk_key(&demo, &chunk_key(&demo, id)));
        assert!(!is_chunk_key(&demo, "demo:v1:{part=00003}:batch=00012:staged=ff"));
        assert!(!is_chunk_key(&demo, "demo:v1:manifest"));
        assert_eq!(manifest_key(&demo), "demo:v1:manifest");
        assert_eq!(parse_manifest_key("demo:v1:manifest"), Some(demo.clone()));
        assert_eq!(parse_manifest_key(&claim_key(&demo)), None);
        assert_eq!(parse_manifest_key(":manifest"), None);
        assert_eq!(claim_key(&demo), "demo:v1:{demo:v1:manifest}:claim");
        assert_eq!(removed_key(&demo), "demo:v1:{demo:v1:manifest}:removed");
        assert_eq!(pending_key(&demo), "demo:v1:{demo:v1:manifest}:pending");
        assert_eq!(fence_key(&demo, PartitionId(3)), "demo:v1:{part=00003}:fence");
    }

    #[test]
    fn keys_of_partitions_are_told_from_those_of_the_manifest() {
        let (demo, three) = (dataset("demo:v1"), PartitionId(3));
        let chunk = chunk_key(&demo, ChunkId::new(3, 12));
        let staged = staged_key(&demo, ChunkId::new(3, 12), DatasetId(255));
        for key in [&chunk, &staged, &fence_key(&demo, three)] {
            assert_eq!(partition_of(&demo, key), Some(three), "{key}");
        }
        for key in [manifest_key(&demo), claim_key(&demo), removed_key(&demo), pending_key(&demo)] {
            assert_eq!(partition_of(&demo, &key), None, "{key}");
        }
        assert!(
            is_fence_key(&demo, &fence_key(&demo, three))
                && !is_chunk_key(&demo, "demo:v1:{part=00003}:fence")
        );
        assert!(!is_fence_key(&demo, "demo:v1:{part=3}:fence") && !is_fence_key(&demo, &chunk));
    }

    #[test]
    fn a_pattern_escapes_what_the_name_holds() {
        assert_eq!(chunk_pattern(&dataset("a*[b]\\")), "a\\*\\[b\\]\\\\:{part=*}:*");
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
