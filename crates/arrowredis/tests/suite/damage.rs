//! Damaged files and values: an error each time, and never a panic.
//!
//! Flips of single bits inside values are only seen where they break the format: there is no
//! checksum yet. So these tests ask for no panic, and for an error where something is cut off.

use std::fs;
use std::path::Path;

use arrowredis::error::{Error, ErrorClass};
use arrowredis::generate::{GenerateOptions, Words, generate};
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use arrowredis::split::SplitOptions;
use arrowredis::store::MemoryStore;
use arrowredis::verify::verify_files;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::support::{World, dataset, write_stream};

/// Places of a file or value that are damaged in a random test.
const FLIPS: usize = 1_500;

fn small(codec: Codec) -> GenerateOptions {
    GenerateOptions {
        partitions: 1,
        batches: 2,
        rows: 20,
        string_cardinality: 10,
        words: Words::Dictionary,
        compression: codec,
        ..GenerateOptions::default()
    }
}

fn class(error: &Error) -> ErrorClass {
    error.class()
}

/// Splits a file into memory, which walks all of its messages; re-encoding also decodes them.
fn try_split(runtime: &tokio::runtime::Runtime, path: &Path) -> Result<(), Error> {
    let (store, name) = (MemoryStore::new(), dataset("d"));
    for compression in [None, Some(Codec::Uncompressed)] {
        let options = SplitOptions { compression, ..SplitOptions::default() };
        let job = arrowredis::split::split(&store, path, &name, &options, &Unwatched);
        runtime.block_on(job)?;
    }
    Ok(())
}

fn source(runtime: &tokio::runtime::Runtime, folder: &Path, codec: Codec) -> (Vec<u8>, Vec<u8>) {
    let (file, stream) = (folder.join("whole.arrow"), folder.join("whole.arrows"));
    runtime.block_on(generate(&file, &small(codec), &Unwatched)).unwrap();
    let reader =
        arrow_ipc::reader::FileReader::try_new(fs::File::open(&file).unwrap(), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    write_stream(&stream, &schema, &batches, codec);
    (fs::read(file).unwrap(), fs::read(stream).unwrap())
}

#[test]
fn a_file_or_stream_cut_anywhere_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, stream) = source(&runtime, folder.path(), Codec::Zstd);
    let path = folder.path().join("cut");
    for bytes in [file, stream] {
        fs::write(&path, &bytes).unwrap();
        try_split(&runtime, &path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            match try_split(&runtime, &path) {
                Ok(()) => panic!("{length} of {} bytes were taken for whole", bytes.len()),
                Err(error) => assert_eq!(class(&error), ErrorClass::Usage, "{error:?}"),
            }
        }
    }
}

#[test]
fn a_file_with_a_flipped_bit_never_panics() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut random = SplitMix64::seed_from_u64(1);
    let mut refused = 0;
    for codec in Codec::ALL {
        let (file, stream) = source(&runtime, folder.path(), codec);
        let whole = folder.path().join("whole.arrow");
        let path = folder.path().join("flipped");
        for bytes in [file, stream] {
            for _ in 0..FLIPS {
                let mut flipped = bytes.clone();
                let at = random.next_u64() as usize % flipped.len();
                flipped[at] ^= 1 << (random.next_u32() % 8);
                fs::write(&path, &flipped).unwrap();
                let results = [
                    try_split(&runtime, &path),
                    runtime.block_on(verify_files(&whole, &path, &Unwatched)).map(drop),
                ];
                for error in results.into_iter().filter_map(Result::err) {
                    assert_eq!(class(&error), ErrorClass::Usage, "byte {at}: {error:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > FLIPS, "the format's own checks refuse many: {refused}");
}

#[test]
fn a_value_cut_anywhere_is_an_error_that_names_the_key() {
    let world = World::new();
    let path = world.path("d.arrow");
    let options = GenerateOptions { batches: 1, ..small(Codec::Lz4) };
    world.wait(generate(&path, &options, &Unwatched)).unwrap();
    world.split(&path, "d").unwrap();
    let key = "d:{part=00000}:batch=00000";
    let value = world.value(key);
    for length in 0..value.len() {
        world.redis(&[b"SET", key.as_bytes(), &value[..length]]);
        match world.read("d") {
            Ok(_) => panic!("{length} of {} bytes were taken for whole", value.len()),
            Err(error) => {
                assert_eq!(class(&error), ErrorClass::Data, "{error:?}");
                assert!(error.to_string().contains(key), "{error}");
            }
        }
    }
    let longer = [&value[..], b"\0"].concat();
    world.redis(&[b"SET", key.as_bytes(), &longer]);
    assert!(world.read("d").is_err(), "bytes after the end mark");
}

#[test]
fn a_value_with_a_flipped_bit_never_panics() {
    let world = World::new();
    let mut random = SplitMix64::seed_from_u64(2);
    let key = "d:{part=00000}:batch=00000";
    for codec in Codec::ALL {
        let path = world.path("d.arrow");
        let options = GenerateOptions { batches: 1, ..small(codec) };
        world.wait(generate(&path, &options, &Unwatched)).unwrap();
        world.split(&path, "d").unwrap();
        let value = world.value(key);
        for _ in 0..FLIPS {
            let mut flipped = value.clone();
            let at = random.next_u64() as usize % flipped.len();
            flipped[at] ^= 1 << (random.next_u32() % 8);
            world.redis(&[b"SET", key.as_bytes(), &flipped]);
            if let Err(error) = world.read("d") {
                assert_eq!(class(&error), ErrorClass::Data, "byte {at}: {error:?}");
                assert!(error.to_string().contains(key), "{error}");
            }
        }
    }
}
