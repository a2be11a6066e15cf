//! Damaged files and values: an error each time, and never a panic.
//!
//! In a file, and in values without a manifest, flips of single bits are only seen where they break
//! the format. So there the tests ask for no panic, and for an error where something is cut off.
//! With a manifest nothing goes unseen.

use std::fs;
use std::path::Path;

use arrowredis::catalog::adopt;
use arrowredis::error::{DataError, Error, ErrorClass};
use arrowredis::generate::{GenerateOptions, Words, generate};
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use arrowredis::read::ReadOptions;
use arrowredis::split::SplitOptions;
use arrowredis::store::MemoryStore;
use arrowredis::verify::{verify_dataset, verify_files};
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
    let name = dataset("d");
    for compression in [None, Some(Codec::Uncompressed)] {
        let store = MemoryStore::new();
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

/// A world in which dataset "d" is one small chunk, and the chunk's value.
fn one_chunk(codec: Codec) -> (World, Vec<u8>) {
    let world = World::new();
    let path = world.path("d.arrow");
    let options = GenerateOptions { batches: 1, ..small(codec) };
    world.wait(generate(&path, &options, &Unwatched)).unwrap();
    world.split(&path, "d").unwrap();
    let value = world.value(KEY);
    (world, value)
}

const KEY: &str = "d:{part=00000}:batch=00000";

#[test]
fn a_value_cut_anywhere_is_an_error_that_names_the_key() {
    for listed in [true, false] {
        let (world, value) = one_chunk(Codec::Lz4);
        if !listed {
            world.redis(&[b"DEL", b"d:manifest"]);
        }
        for length in 0..value.len() {
            world.redis(&[b"SET", KEY.as_bytes(), &value[..length]]);
            match world.read("d") {
                Ok(_) => panic!("{length} of {} bytes were taken for whole", value.len()),
                Err(error) => {
                    assert_eq!(class(&error), ErrorClass::Data, "{error:?}");
                    assert!(error.to_string().contains(KEY), "{error}");
                }
            }
        }
        let longer = [&value[..], b"\0"].concat();
        world.redis(&[b"SET", KEY.as_bytes(), &longer]);
        assert!(world.read("d").is_err(), "bytes after the end mark");
    }
}

#[test]
fn a_value_with_a_flipped_bit_never_panics() {
    let mut random = SplitMix64::seed_from_u64(2);
    for codec in Codec::ALL {
        let (world, value) = one_chunk(codec);
        world.redis(&[b"DEL", b"d:manifest"]);
        for _ in 0..FLIPS {
            flip_somewhere(&world, &value, &mut random);
            if let Err(error) = world.read("d") {
                assert_eq!(class(&error), ErrorClass::Data, "{error:?}");
                assert!(error.to_string().contains(KEY), "{error}");
            }
        }
    }
}

fn flip_somewhere(world: &World, value: &[u8], random: &mut SplitMix64) {
    let mut flipped = value.to_vec();
    let at = random.next_u64() as usize % flipped.len();
    flipped[at] ^= 1 << (random.next_u32() % 8);
    world.redis(&[b"SET", KEY.as_bytes(), &flipped]);
}

#[test]
fn a_flipped_bit_of_a_listed_chunk_is_always_seen() {
    let mut random = SplitMix64::seed_from_u64(3);
    for codec in Codec::ALL {
        let (world, value) = one_chunk(codec);
        for _ in 0..FLIPS / 5 {
            flip_somewhere(&world, &value, &mut random);
            let error = world.read("d").unwrap_err();
            let Error::Data(DataError::NotAsWritten { key, expected, found }) = &error else {
                panic!("{error:?}")
            };
            assert_eq!(key, KEY);
            assert!(expected.starts_with("the checksum ") && found.len() == 16, "{error}");
        }
        world.redis(&[b"SET", KEY.as_bytes(), &value]);
        world.read("d").unwrap();
    }
}

/// Goal: whatever stands under a chunk's key instead of the chunk is named with what was expected.
#[test]
fn each_kind_of_damage_to_a_chunk_is_named() {
    let world = World::new();
    let path = world.path("d.arrow");
    let two = GenerateOptions { partitions: 2, batches: 2, ..small(Codec::Zstd) };
    world.wait(generate(&path, &two, &Unwatched)).unwrap();
    world.split(&path, "d").unwrap();
    let other = world.path("other.arrow");
    world.wait(generate(&other, &GenerateOptions { seed: 9, ..two }, &Unwatched)).unwrap();
    world.split(&other, "other").unwrap();

    let (key, neighbour) = ("d:{part=00001}:batch=00000", "d:{part=00001}:batch=00001");
    let whole = world.value(key);
    let swapped = world.value(neighbour);
    let foreign = world.value("other:{part=00001}:batch=00000");
    let longer = [&whole[..], &whole[..]].concat();
    let set = |key: &str, value: &[u8]| world.redis(&[b"SET", key.as_bytes(), value]);
    let damages: [(&str, &dyn Fn()); 7] = [
        ("absent", &|| world.redis(&[b"DEL", key.as_bytes()])),
        ("bytes, found 0 bytes", &|| set(key, b"")),
        ("bytes, found", &|| set(key, &whole[..whole.len() - 8])),
        ("bytes, found", &|| set(key, &longer)),
        ("expected", &|| set(key, &swapped)),
        ("expected", &|| set(key, &foreign)),
        ("another type of key", &|| {
            world.redis(&[b"DEL", key.as_bytes()]);
            world.redis(&[b"LPUSH", key.as_bytes(), b"x"]);
        }),
    ];
    for (expected, damage) in damages {
        damage();
        // One by one, and in one request with its neighbour.
        for partitions in ["1", "all"] {
            let selected =
                ReadOptions { partitions: partitions.parse().unwrap(), ..ReadOptions::default() };
            let error = world.read_with("d", &selected).unwrap_err();
            assert_eq!(class(&error), ErrorClass::Data, "{error:?}");
            let shown = error.to_string();
            assert!(shown.contains(key) && shown.contains(expected), "{shown}");

            let lenient = ReadOptions { allow_missing: true, ..selected };
            let (_, report) = world.read_with("d", &lenient).unwrap();
            assert_eq!(report.chunks_present, report.chunks_expected - 1, "{expected}");
            let named = report.missing.iter().chain(report.damaged.iter().map(|fault| &fault.key));
            assert_eq!(named.collect::<Vec<_>>(), [key]);
        }
        let report = world.wait(verify_dataset(&world.store(), &dataset("d"), &Unwatched)).unwrap();
        assert!(!report.whole && report.chunks == 3, "{report:?}");
        world.redis(&[b"DEL", key.as_bytes()]);
        set(key, &whole);
        world.read("d").unwrap();
    }
}

#[test]
fn each_kind_of_damage_to_a_manifest_is_named() {
    let (world, _) = one_chunk(Codec::Zstd);
    let key = "d:manifest";
    let whole = world.value(key);
    let foreign = {
        let path = world.path("d.arrow");
        world.split(&path, "other").unwrap();
        world.value("other:manifest")
    };
    let set = |value: &[u8]| world.redis(&[b"SET", key.as_bytes(), value]);
    for (value, expected) in [
        (&b""[..], "0 bytes"),
        (b"x", "1 bytes"),
        (b"0123456789", "checksum"),
        (&whole[..whole.len() - 1], "checksum"),
        (&whole[..whole.len() / 2], "checksum"),
        (&[&whole[..], b"x"].concat(), "checksum"),
    ] {
        set(value);
        let error = world.read("d").unwrap_err();
        assert_eq!(class(&error), ErrorClass::Data, "{error:?}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains(key) && cause.contains(expected), "{error}: {cause}");
        // And it can be written anew from the chunks.
        world.wait(adopt(&world.store(), &dataset("d"), &Unwatched)).unwrap();
        world.read("d").unwrap();
    }
    // Another dataset's manifest lists other chunks: they have the same bytes here, but not the id.
    set(&foreign);
    world.read("d").unwrap();
    world.redis(&[b"DEL", key.as_bytes()]);
    world.redis(&[b"HSET", key.as_bytes(), b"a", b"b"]);
    let error = world.read("d").unwrap_err();
    assert_eq!(class(&error), ErrorClass::Data, "{error:?}");
    assert!(error.to_string().contains(key), "{error}");
}
