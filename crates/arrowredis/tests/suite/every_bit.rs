//! Every single bit of a stored value and of a small file, flipped; and every length, cut.
//!
//! `damage` takes random ones of larger values on real servers, here none is left out. Parsing a chunk
//! that no manifest vouches for is tested likewise where it is done, in the library's `chunk`.

use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, ListArray, RecordBatch, StructArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_ipc::reader::FileReader;
use arrow_schema::{Field, Fields, SchemaRef};
use arrowredis::checksum::Checksum;
use arrowredis::chunk::{Chunk, Payload};
use arrowredis::clock::Timestamp;
use arrowredis::dataset::{ChunkId, DatasetId};
use arrowredis::error::{DataError, Error, ErrorClass};
use arrowredis::ipc::Codec;
use arrowredis::key::chunk_key;
use arrowredis::manifest::{ChunkEntry, Entry, Fingerprint, Manifest, ManifestError, StoredCodec};
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, Table, read_table};
use arrowredis::report::{DatasetVerifyReport, ReadReport};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ChunkStore, MemoryStore};
use arrowredis::verify::{verify_dataset, verify_files};

use crate::support::{dataset, write_file};

/// A list of structs with texts behind dictionary keys, some of them null.
fn batch() -> RecordBatch {
    let words: DictionaryArray<Int8Type> =
        [Some("a"), None, Some("größe"), Some("a"), Some("b")].into_iter().collect();
    let numbers = Int32Array::from(vec![Some(1), Some(-2), None, Some(4), Some(5)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(words)];
    let field = |name, column: &ArrayRef| Field::new(name, column.data_type().clone(), true);
    let fields = Fields::from(vec![field("n", &columns[0]), field("w", &columns[1])]);
    let items = Arc::new(StructArray::new(fields, columns, None));
    let item = Arc::new(Field::new("item", items.data_type().clone(), true));
    let nulls = NullBuffer::from(vec![true, false, true]);
    let lists = ListArray::new(item, OffsetBuffer::from_lengths([2, 0, 3]), items, Some(nulls));
    RecordBatch::try_from_iter([("lists", Arc::new(lists) as ArrayRef)]).unwrap()
}

/// All ways to damage some bytes a little: each bit flipped, then each length but the whole.
fn damages(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flips = (0..whole.len() * 8).map(|bit| {
        let mut flipped = whole.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    flips.chain((0..whole.len()).map(|length| whole[..length].to_vec()))
}

/// Whatever went wrong, no decoder panicked on the way.
fn assert_no_panic(error: &dyn std::error::Error) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        assert!(!error.to_string().contains("the decoder gave up"), "{error}");
        cause = error.source();
    }
}

/// A store in memory and somebody who waits for it.
struct Kept {
    store: MemoryStore,
    runtime: tokio::runtime::Runtime,
}

impl Kept {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { store: MemoryStore::new(), runtime }
    }

    fn set(&self, key: &str, value: &[u8]) {
        let value = Payload::from(value.to_vec());
        self.runtime.block_on(self.store.put(key.to_owned(), value, None)).unwrap();
    }

    /// Publishes [`NAME`]: as many chunks as a report names, all with the same value. Returns their keys.
    fn publish(&self, chunk: &Chunk, codec: Codec) -> Vec<String> {
        let chunks = (0..ReadReport::MOST_KEYS as u32).map(|batch| ChunkEntry {
            id: ChunkId::new(0, batch),
            rows: chunk.rows,
            bytes: chunk.payload.len() as u64,
            checksum: chunk.checksum,
        });
        let manifest = Manifest {
            id: DatasetId(7),
            schema: batch().schema(),
            codec: StoredCodec::All(codec),
            created: Timestamp(0),
            writer: "a test".to_owned(),
            time_to_live: None,
            chunks: chunks.collect(),
        };
        let key = |entry: &ChunkEntry| chunk_key(&dataset(NAME), entry.id);
        let keys = manifest.chunks.iter().map(key).collect::<Vec<_>>();
        self.set(MANIFEST, &Entry::Dataset(manifest).encode().unwrap());
        keys.iter().for_each(|key| self.set(key, &chunk.payload.to_vec()));
        keys
    }

    fn read(&self) -> Result<(Table, ReadReport), Error> {
        let options = ReadOptions::default();
        self.runtime.block_on(read_table(&self.store, &dataset(NAME), &options, &Unwatched))
    }

    fn verify(&self) -> DatasetVerifyReport {
        self.runtime.block_on(verify_dataset(&self.store, &dataset(NAME), &Unwatched)).unwrap()
    }

    fn value(&self, key: &str) -> Vec<u8> {
        let found = self.runtime.block_on(self.store.get(vec![key.to_owned()])).unwrap().remove(0);
        found.expect("the key is there").to_vec()
    }
}

const NAME: &str = "d";
const MANIFEST: &str = "d:manifest";

fn chunk(codec: Codec) -> Chunk {
    Chunk::encode(ChunkId::new(0, 0), &batch(), codec).unwrap()
}

#[test]
fn no_flip_or_cut_of_a_listed_chunk_goes_unnoticed() {
    let mut seen = 0;
    for codec in Codec::ALL {
        let (kept, chunk) = (Kept::new(), chunk(codec));
        let (keys, whole) = (kept.publish(&chunk, codec), chunk.payload.to_vec());
        assert!(kept.verify().whole);
        kept.read().unwrap();

        let all: Vec<_> = damages(&whole).collect();
        for some in all.chunks(keys.len()) {
            keys.iter().zip(some).for_each(|(key, damaged)| kept.set(key, damaged));
            let (damaged, whole_ones) = keys.split_at(some.len());
            whole_ones.iter().for_each(|key| kept.set(key, &whole));

            let report = kept.verify();
            let named: Vec<_> = report.damaged.into_iter().map(|fault| fault.key).collect();
            assert_eq!((named.as_slice(), report.chunks), (damaged, whole_ones.len() as u64));
            let Err(Error::Data(DataError::NotAsWritten { key, .. })) = kept.read() else {
                panic!("damage goes unnoticed")
            };
            assert!(damaged.contains(&key), "{key}");
        }
        seen += all.len();
    }
    println!("{seen} damaged chunks, each named");
}

#[test]
fn no_flip_or_cut_of_a_manifest_goes_unnoticed() {
    let kept = Kept::new();
    kept.publish(&chunk(Codec::Zstd), Codec::Zstd);
    kept.read().unwrap();
    let mut seen = 0;
    for damaged in damages(&kept.value(MANIFEST)) {
        kept.set(MANIFEST, &damaged);
        let Err(Error::Data(DataError::Manifest { key, source })) = kept.read() else {
            panic!("damage goes unnoticed")
        };
        assert_eq!(key, MANIFEST);
        let short = damaged.len() < Fingerprint::BYTES;
        match *source {
            ManifestError::Short { .. } if short => {}
            ManifestError::Checksum { .. } if !short => {}
            other => panic!("{other:?}"),
        }
        seen += 1;
    }
    println!("{seen} damaged manifests, each refused");
}

/// Goal: what its own checksum vouches for, as a hostile or broken writer could make it, is an error or
/// a manifest, and never a panic.
#[test]
fn no_flip_or_cut_under_a_right_checksum_panics() {
    let kept = Kept::new();
    kept.publish(&chunk(Codec::Zstd), Codec::Zstd);
    let mut whole = kept.value(MANIFEST);
    whole.truncate(whole.len() - Fingerprint::BYTES);
    let (mut seen, mut refused) = (0, 0);
    for mut damaged in damages(&whole) {
        let checksum = Checksum::of(&damaged).0.to_le_bytes();
        damaged.extend_from_slice(&checksum);
        if let Err(error) = Entry::decode(Buffer::from_vec(damaged)) {
            assert_no_panic(&error);
            refused += 1;
        }
        seen += 1;
    }
    println!("{seen} damaged manifests with a right checksum, {refused} refused");
    assert!(refused > seen / 4, "the format's own checks refuse many: {refused} of {seen}");
}

/// The rows of a file as the Arrow library reads them by itself.
fn read_by_arrow(bytes: &[u8]) -> Option<(SchemaRef, Vec<RecordBatch>)> {
    let read = || {
        let reader = FileReader::try_new(Cursor::new(bytes), None).ok()?;
        let schema = reader.schema();
        Some((schema, reader.collect::<Result<Vec<_>, _>>().ok()?))
    };
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}

#[test]
fn no_flip_or_cut_of_a_file_that_changes_its_data_goes_unnoticed() {
    // Uncompressed, most flips in a body are still values.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole");
    write_file(&path, &batch().schema(), &[batch()], Codec::Uncompressed);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let seen = thread::scope(|scope| {
        let damage = |first| {
            let path = &path;
            scope.spawn(move || damage_some(path, first, threads))
        };
        let running: Vec<_> = (0..threads).map(damage).collect();
        let each = running.into_iter().map(|thread| thread.join().unwrap());
        each.reduce(|one, two| [one[0] + two[0], one[1] + two[1], one[2] + two[2]]).unwrap()
    });
    println!(
        "damaged files: {} refused, {} different, {} with the same data",
        seen[0], seen[1], seen[2]
    );
    assert_eq!(seen.iter().sum::<usize>(), 9 * fs::read(&path).unwrap().len());
    assert!(seen[1] > 0 && seen[2] > 0, "both are met");
}

/// Damages a file in every `step`th way from the `first`; returns how many were refused, were different
/// and had the same data.
fn damage_some(path: &Path, first: usize, step: usize) -> [usize; 3] {
    let (folder, kept) = (tempfile::tempdir().unwrap(), Kept::new());
    let damaged_path = folder.path().join("damaged");
    let whole = fs::read(path).unwrap();
    let data = read_by_arrow(&whole).unwrap();
    let mut seen = [0; 3];
    for (number, damaged) in damages(&whole).enumerate().skip(first).step_by(step) {
        fs::write(&damaged_path, &damaged).unwrap();
        match kept.runtime.block_on(verify_files(path, &damaged_path, &Unwatched)) {
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Usage, "{error:?}");
                assert_no_panic(&error);
                seen[0] += 1;
            }
            Ok(report) if !report.equal => seen[1] += 1,
            Ok(_) => {
                assert_eq!(damaged.len(), whole.len(), "a file that was cut is refused");
                assert_eq!(read_by_arrow(&damaged).as_ref(), Some(&data), "bit {number}");
                seen[2] += 1;
            }
        }
        // Splitting walks the same messages, and encodes anew what it decodes.
        if number % SPLIT_EVERY == 0 {
            let (store, name) = (MemoryStore::new(), dataset(NAME));
            let compression = Some(Codec::Lz4);
            let options = SplitOptions { compression, ..SplitOptions::default() };
            let stored = split(&store, &damaged_path, &name, &options, &Unwatched);
            if let Err(error) = kept.runtime.block_on(stored) {
                assert_no_panic(&error);
            }
        }
    }
    seen
}

/// Which damaged files are split, too; a number that meets each bit of a byte in turn.
const SPLIT_EVERY: usize = 9;
