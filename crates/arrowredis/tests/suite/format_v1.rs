//! What version 1 of the format has stored, read for ever.
//!
//! `tests/samples/v1` holds datasets as the values of their keys, a file each, beside the Arrow file
//! that they must read back as. They were written once, by `write_samples`, and never change: a
//! failing test means that this program no longer reads what users have.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use arrowredis::catalog;
use arrowredis::generate::{GenerateOptions, Words, generate};
use arrowredis::ipc::Codec;
use arrowredis::manifest::StoredCodec;
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, read_to_file};
use arrowredis::report::State;
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::ChunkStore;
use arrowredis::verify::{verify_dataset, verify_dataset_with_file, verify_files};

use crate::support::stepping::Stepping;
use crate::support::{World, dataset, wait_until, write_file};

/// The datasets, how they are compressed, and what state they are in; `None` without a manifest.
const SAMPLES: [(&str, Option<(StoredCodec, State)>); 7] = [
    ("zstd", Some((StoredCodec::All(Codec::Zstd), State::Whole))),
    ("lz4", Some((StoredCodec::All(Codec::Lz4), State::Whole))),
    ("uncompressed", Some((StoredCodec::All(Codec::Uncompressed), State::Whole))),
    ("mixed", Some((StoredCodec::Mixed, State::Whole))),
    ("no-rows", Some((StoredCodec::All(Codec::Uncompressed), State::Whole))),
    ("not-renamed", Some((StoredCodec::All(Codec::Zstd), State::WholeNotRenamed))),
    ("unlisted", None),
];

/// The alias `sample:alias` of `sample:zstd`.
const ALIAS: &str = "alias";

/// The file beside a sample's values.
const EXPECTED: &str = "expected.arrow";

fn folder(sample: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/v1").join(sample)
}

fn name(sample: &str) -> String {
    format!("sample:{sample}")
}

/// A key without its dataset's name, as a name that every file system takes; and back.
fn file_name(key: &str, sample: &str) -> String {
    key.strip_prefix(&format!("{}:", name(sample))).unwrap().replace(':', ",")
}

fn key(file_name: &str, sample: &str) -> String {
    format!("{}:{}", name(sample), file_name.replace(',', ":"))
}

/// Puts a sample's values under their keys.
fn load(world: &World, sample: &str) {
    let mut values = 0;
    for entry in fs::read_dir(folder(sample)).unwrap() {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        if file != EXPECTED {
            let value = fs::read(entry.path()).unwrap();
            world.redis(&[b"SET", key(&file, sample).as_bytes(), &value]);
            values += 1;
        }
    }
    assert!(values > 0, "{sample}");
}

#[test]
fn samples_read_back_as_what_was_stored() {
    let world = World::new();
    let (store, out) = (world.store(), world.path("out.arrow"));
    for (sample, listed) in SAMPLES {
        load(&world, sample);
        let (name, expected) = (dataset(&name(sample)), folder(sample).join(EXPECTED));
        let read = ReadOptions::default();
        world.wait(read_to_file(&store, &name, &out, None, &read, &Unwatched)).unwrap();
        let equal = world.wait(verify_files(&expected, &out, &Unwatched)).unwrap();
        assert!(equal.equal, "{sample}: {:?}", equal.difference);

        let Some((codec, state)) = listed else {
            world.wait(catalog::adopt(&store, &name, &Unwatched)).unwrap();
            continue;
        };
        let whole = world.wait(verify_dataset(&store, &name, &Unwatched)).unwrap();
        assert!(whole.whole, "{sample}: {whole:?}");
        let against = verify_dataset_with_file(&store, &name, &expected, None, &Unwatched);
        assert!(world.wait(against).unwrap().equal, "{sample}");
        let info = world.wait(catalog::info(&store, &name)).unwrap();
        assert_eq!((info.codec, info.state), (codec, state), "{sample}");
        assert_eq!(info.writer, "arrowredis 0.1.0");
    }
    load(&world, ALIAS);
    let aliased = world.wait(catalog::info(&store, &dataset(&name(ALIAS)))).unwrap();
    assert_eq!(aliased.dataset, name("zstd"));
}

#[test]
#[ignore = "writes the samples, which was done once for this version of the format"]
fn write_samples() {
    let world = World::new();
    let store = world.store();
    let source = world.path("source");
    let shape = GenerateOptions {
        partitions: 2,
        batches: 2,
        rows: 6,
        string_cardinality: 5,
        words: Words::Dictionary,
        compression: Codec::Uncompressed,
        ..GenerateOptions::default()
    };
    world.wait(generate(&source, &shape, &Unwatched)).unwrap();
    for codec in Codec::ALL {
        let compression = Some(codec);
        let options = SplitOptions { compression, ..SplitOptions::default() };
        world.split_with(&source, &name(codec.name()), &options).unwrap();
        save(&world, codec.name(), &source);
    }
    // Chunks of two codecs, which only somebody else's writing brings about.
    world.split_unlisted(&source, &name("mixed"));
    let (one, two) = (name("zstd"), name("mixed"));
    let place = ":{part=00001}:batch=00000";
    world.redis(&[
        b"COPY",
        format!("{one}{place}").as_bytes(),
        format!("{two}{place}").as_bytes(),
        b"REPLACE",
    ]);
    world.wait(catalog::adopt(&store, &dataset(&two), &Unwatched)).unwrap();
    let life = catalog::NewLife::For(Duration::from_secs(3_600));
    world.wait(catalog::touch(&store, &dataset(&two), life)).unwrap();
    save(&world, "mixed", &source);

    let nothing = world.path("nothing");
    let schema = Schema::new(vec![Field::new("x", DataType::Int64, true)]);
    write_file(&nothing, &schema, &[] as &[RecordBatch], Codec::Uncompressed);
    world.split(&nothing, &name("no-rows")).unwrap();
    save(&world, "no-rows", &nothing);

    // Beginning takes 8 requests, 4 chunks are stored, then the claim is confirmed, and comes the commit.
    let stepping = Stepping::new(world.store(), 14);
    let (named, options) = (
        dataset(&name("not-renamed")),
        SplitOptions { compression: Some(Codec::Zstd), ..SplitOptions::default() },
    );
    world.wait(async {
        tokio::select! {
            _ = split(&stepping, &source, &named, &options, &Unwatched) => panic!("too far"),
            () = wait_until("it stopped", async || stepping.stopped()) => {}
        }
    });
    save(&world, "not-renamed", &source);
    world.split_unlisted(&source, &name("unlisted"));
    save(&world, "unlisted", &source);
    let (alias, zstd) = (dataset(&name(ALIAS)), dataset(&name("zstd")));
    world.wait(catalog::alias(&store, &alias, &zstd)).unwrap();
    save(&world, ALIAS, &source);
}

fn save(world: &World, sample: &str, source: &Path) {
    let to = folder(sample);
    fs::create_dir_all(&to).unwrap();
    let keys = world.wait(world.store().keys(&format!("{}:*", name(sample)))).unwrap();
    for key in keys.iter().filter(|key| !key.ends_with(":claim")) {
        fs::write(to.join(file_name(key, sample)), world.value(key)).unwrap();
    }
    if sample != ALIAS {
        fs::copy(source, to.join(EXPECTED)).unwrap();
    }
}
