//! Inputs that once did harm, or would have: read again, each in the way that its ending says.
//!
//! What fuzzing finds is added to `tests/samples/regressions` under a name that says what it is, with
//! what must be said of it.

use std::fs;
use std::path::{Path, PathBuf};

use arrow_buffer::Buffer;
use arrowredis::checksum::Checksum;
use arrowredis::chunk::Payload;
use arrowredis::error::Error;
use arrowredis::manifest::Entry;
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ChunkStore, MemoryStore};
use arrowredis::verify::verify_files;

use crate::support::dataset;

/// The inputs, and part of what is said of each; `None` if it can be read.
const INPUTS: [(&str, Option<&str>); 10] = [
    ("buffers-on-one-another.chunk", Some("buffers that do not overlap")),
    ("map-with-null-keys.chunk", Some("neither key nor pair")),
    ("map-with-null-pairs.chunk", Some("neither key nor pair")),
    ("negative-width.chunk", Some("a width of 0 or more")),
    ("part-of-a-decimal.chunk", Some("whole values of 16 bytes")),
    ("part-of-an-offset.chunk", Some("whole values of 8 bytes")),
    ("run-ends-with-nulls.chunk", Some("never null")),
    ("run-ends-without-sign.file", Some("signed run ends")),
    ("schema-that-unfolds.chunk", Some("a valid flatbuffer")),
    ("union-offsets-askew.chunk", Some("a multiple of 4")),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/regressions")
}

#[test]
fn inputs_that_did_harm_do_none() {
    for (name, expected) in INPUTS {
        let path = folder().join(name);
        let said = match path.extension().unwrap().to_str().unwrap() {
            "chunk" => read_chunk(&fs::read(&path).unwrap()).map_err(|error| told(&error)),
            "file" => read_file(&path).map_err(|error| told(&error)),
            "manifest" => read_manifest(&fs::read(&path).unwrap()),
            other => panic!("{name}: nothing is known of .{other}"),
        };
        match (said, expected) {
            (Ok(()), None) => {}
            (Err(said), Some(expected)) => assert!(said.contains(expected), "{name}: {said}"),
            (said, _) => panic!("{name}: {said:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn every_input_is_listed() {
    let mut there: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort_unstable();
    assert_eq!(there, INPUTS.map(|(name, _)| name));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Without a manifest, which would refuse it before it is parsed.
fn read_chunk(value: &[u8]) -> Result<(), Error> {
    let (store, name) = (MemoryStore::new(), dataset("d"));
    runtime().block_on(async {
        let key = "d:{part=00000}:batch=00000".to_owned();
        store.put(key, Payload::from(value.to_vec()), None).await?;
        read_table(&store, &name, &ReadOptions::default(), &Unwatched).await.map(drop)
    })
}

fn read_file(path: &Path) -> Result<(), Error> {
    let (store, name) = (MemoryStore::new(), dataset("d"));
    runtime().block_on(async {
        split(&store, path, &name, &SplitOptions::default(), &Unwatched).await?;
        verify_files(path, path, &Unwatched).await.map(drop)
    })
}

/// What stands before the checksum, with a right one.
fn read_manifest(stream: &[u8]) -> Result<(), String> {
    let checksum = Checksum::of(stream).0.to_le_bytes();
    let value = Buffer::from_vec([stream, &checksum].concat());
    Entry::decode(value).map(drop).map_err(|error| told(&error))
}
