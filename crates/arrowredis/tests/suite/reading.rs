//! Reads: selections, what is absent, what is no chunk, budgets.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use arrowredis::error::{DataError, Error, ErrorClass};
use arrowredis::generate::{GenerateOptions, generate};
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use arrowredis::read::{Partitions, ReadOptions, read_batches, read_to_file};
use arrowredis::split::SplitOptions;
use futures::TryStreamExt;

use crate::support::{World, dataset, write_file};

/// A world in which dataset "d" has 4 partitions of 3 batches of 50 rows.
fn loaded() -> World {
    let world = World::new();
    world.split(&generated(&world), "d").unwrap();
    world
}

/// The same, stored as another program would: without a manifest.
fn loaded_unlisted() -> World {
    let world = World::new();
    world.split_unlisted(&generated(&world), "d");
    world
}

fn generated(world: &World) -> PathBuf {
    let options = GenerateOptions { partitions: 4, batches: 3, rows: 50, ..Default::default() };
    let path = world.path("d.arrow");
    world.wait(generate(&path, &options, &Unwatched)).unwrap();
    path
}

fn options(partitions: &str, batches: Option<u32>) -> ReadOptions {
    let partitions = partitions.parse().unwrap();
    ReadOptions { partitions, batches, ..ReadOptions::default() }
}

fn key(partition: u32, batch: u32) -> String {
    format!("d:{{part={partition:05}}}:batch={batch:05}")
}

fn delete(world: &World, partition: u32, batch: u32) {
    world.redis(&[b"DEL", key(partition, batch).as_bytes()]);
}

#[test]
fn partitions_come_in_order_each_once_however_they_are_asked_for() {
    for world in [loaded(), loaded_unlisted()] {
        partitions_come_in_order(&world);
    }
}

fn partitions_come_in_order(world: &World) {
    for (partitions, batches, expected) in [
        ("all", None, 12),
        ("3,0-1,1", None, 9),
        ("2", Some(3), 3),
        ("all", Some(3), 12),
        ("0-3", Some(1), 4),
    ] {
        let (table, report) = world.read_with("d", &options(partitions, batches)).unwrap();
        assert_eq!(table.batches.len(), expected);
        assert_eq!(
            (report.chunks_present, report.chunks_expected),
            (expected as u64, expected as u64)
        );
        assert_eq!(report.rows, expected as u64 * 50);
        let ids: Vec<i64> = table.batches.iter().map(first_id).collect();
        assert!(ids.is_sorted(), "{partitions}: {ids:?}");
    }
}

fn first_id(batch: &RecordBatch) -> i64 {
    batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0)
}

#[test]
fn batches_beyond_the_number_given_are_reported() {
    for world in [loaded(), loaded_unlisted()] {
        let (_, report) = world.read_with("d", &options("1-2", Some(2))).unwrap();
        assert_eq!(report.beyond, [key(1, 2), key(2, 2)]);
        let (_, report) = world.read_with("d", &options("all", Some(2))).unwrap();
        assert_eq!(report.beyond.len(), 4);
        let (_, report) = world.read_with("d", &options("all", Some(3))).unwrap();
        assert!(report.beyond.is_empty());
    }
}

#[test]
fn what_a_manifest_does_not_list_is_an_error_that_names_what_it_does() {
    let world = loaded();
    for (partitions, batches, expected) in [
        ("7", None, [key(7, 0), "present are 0-3".to_owned()]),
        ("2-5", None, [key(4, 0), "present are 0-3".to_owned()]),
        ("9,1", Some(3), [key(9, 0), "present are 0-3".to_owned()]),
        ("0", Some(4), [key(0, 3), "4 batches of partition 0 were asked for".to_owned()]),
    ] {
        let error = world.read_with("d", &options(partitions, batches)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data);
        for part in expected {
            assert!(error.to_string().contains(&part), "{partitions} {batches:?}: {error}");
        }
    }
    // Without it, the last batch of a partition is missed by nobody.
    delete(&world, 2, 2);
    let error = world.read("d").unwrap_err();
    assert!(matches!(&error, Error::Data(DataError::Missing { key: k, .. }) if *k == key(2, 2)));
}

#[test]
fn what_is_absent_is_named() {
    let world = loaded_unlisted();
    delete(&world, 1, 1);
    delete(&world, 2, 2);
    for (partitions, batches, absent) in [
        ("all", None, key(1, 1)),
        ("1", None, key(1, 1)),
        ("all", Some(3), key(1, 1)),
        ("2-3", Some(3), key(2, 2)),
        ("0", Some(4), key(0, 3)),
        ("0,7", None, key(7, 0)),
        ("7", Some(2), key(7, 0)),
    ] {
        let error = world.read_with("d", &options(partitions, batches)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data);
        assert!(error.to_string().contains(&absent), "{partitions} {batches:?}: {error}");
    }
    // The last batch of a partition is missed by nobody unless --batches says so.
    assert_eq!(world.read_with("d", &options("2", None)).unwrap().1.chunks_present, 2);
}

#[test]
fn what_may_be_missing_is_left_out_and_reported() {
    let world = loaded_unlisted();
    delete(&world, 1, 1);
    let lenient =
        |partitions, batches| ReadOptions { allow_missing: true, ..options(partitions, batches) };
    let (table, report) = world.read_with("d", &lenient("all", None)).unwrap();
    assert_eq!((table.batches.len(), report.chunks_present, report.chunks_expected), (11, 11, 12));
    assert_eq!(report.missing, [key(1, 1)]);
    let (table, report) = world.read_with("d", &lenient("7-8", Some(2))).unwrap();
    assert_eq!((table.batches.len(), report.chunks_present, report.chunks_expected), (0, 0, 4));
    let (_, report) = world.read_with("nobody", &lenient("all", None)).unwrap();
    assert_eq!(report.rows, 0);

    let (store, name, out) = (world.store(), dataset("d"), world.path("out.arrow"));
    let nothing = lenient("7", Some(1));
    let written = read_to_file(&store, &name, &out, None, &nothing, &Unwatched);
    let error = world.wait(written).unwrap_err();
    assert!(matches!(error, Error::Data(DataError::NothingToWrite { .. })), "{error:?}");
    assert!(!out.exists());
}

#[test]
fn a_dataset_that_is_not_there_is_named_with_where_it_was_looked_for() {
    let world = loaded();
    for selection in [options("all", None), options("0", Some(2))] {
        let error = world.read_with("nobody", &selection).unwrap_err();
        assert!(matches!(error, Error::Data(DataError::NoDataset { .. })), "{error:?}");
        let shown = error.to_string();
        assert!(shown.contains("nobody:{part=00000}:batch=00000"), "{shown}");
        assert!(shown.contains(&world.server.port().to_string()), "{shown}");
    }
}

#[test]
fn a_value_that_is_no_chunk_is_named() {
    let world = loaded_unlisted();
    for (value, expected) in [
        (&b"hello world, this is no arrow"[..], "begin with \"hello world,\""),
        (b"", "0 bytes"),
        (b"ARROW1\0\0", "ARROW1"),
        (b"\xff\xff\xff\xff\0\0\0\0", "expected a schema"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "needs 2147483647 bytes"),
        (b"\xff\xff\xff\xff\0\0\0\x80", "positive"),
    ] {
        world.redis(&[b"SET", key(2, 1).as_bytes(), value]);
        let error = world.read("d").unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data);
        let shown = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(shown.contains(&key(2, 1)), "{shown}");
        assert!(shown.contains(expected), "{shown}");
    }
    world.redis(&[b"DEL", key(2, 1).as_bytes()]);
    world.redis(&[b"HSET", key(2, 1).as_bytes(), b"a", b"b"]);
    let error = world.read("d").unwrap_err();
    assert_eq!(error.class(), ErrorClass::Data);
    assert!(error.to_string().contains(&key(2, 1)), "{error}");
}

#[test]
fn a_chunk_with_another_schema_is_named_with_the_difference() {
    let world = loaded_unlisted();
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![1]))]);
    let path = world.path("other.arrow");
    write_file(&path, &schema, &[batch.unwrap()], Codec::Uncompressed);
    world.split(&path, "other").unwrap();
    world.redis(&[b"COPY", b"other:{part=00000}:batch=00000", key(3, 0).as_bytes(), b"REPLACE"]);
    let error = world.read("d").unwrap_err();
    let Error::Data(DataError::SchemaDiffers { key: named, first, difference }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((named, first), (&key(3, 0), &key(0, 0)));
    assert_eq!(difference, "10 and 1 columns");
}

/// Goal: a stream holds no more than its budget. Method: a budget far below the dataset, and a
/// consumer that takes one batch and then looks how much was fetched.
#[test]
fn a_stream_fetches_no_further_than_its_budget() {
    let world = World::new();
    let shape = GenerateOptions {
        partitions: 2,
        batches: 20,
        rows: 2_000,
        compression: Codec::Uncompressed,
        ..Default::default()
    };
    let path = world.path("d.arrow");
    world.wait(generate(&path, &shape, &Unwatched)).unwrap();
    let stored = world.split(&path, "d").unwrap();
    let chunk = stored.bytes / stored.chunks;

    let budget = 8 * chunk;
    let options = ReadOptions { byte_budget: budget, ..ReadOptions::default() };
    let (store, name) = (world.store(), dataset("d"));
    world.wait(async {
        let mut stream = read_batches(&store, &name, &options).await.unwrap();
        assert_eq!(stream.schema().unwrap().fields().len(), 10);
        let first = stream.try_next().await.unwrap().unwrap();
        assert_eq!(first.num_rows(), 2_000);
        // Half of the budget is for fetched bytes, of which one chunk's were given back. Chunks are not
        // all of the same length.
        let fetched = stream.report().bytes;
        assert!(fetched <= budget / 2 + chunk + 1024, "{fetched} of {budget}");
        let rest: Vec<_> = stream.try_collect().await.unwrap();
        assert_eq!(rest.len(), 39);
    });
}

#[test]
fn the_smallest_budgets_and_widths_still_read_everything() {
    let world = loaded();
    for (byte_budget, pipeline, concurrency) in [(0, 1, 1), (1, 64, 256), (u64::MAX, 1_000, 1)] {
        let options = ReadOptions { byte_budget, pipeline, concurrency, ..ReadOptions::default() };
        assert_eq!(world.read_with("d", &options).unwrap().1.rows, 600);
    }
    let path = world.path("d.arrow");
    let narrow = SplitOptions { max_inflight: 1, bytes_in_flight: 0, ..SplitOptions::default() };
    assert_eq!(world.split_with(&path, "narrow", &narrow).unwrap().rows, 600);
}

#[test]
fn partitions_can_be_given_as_numbers() {
    let world = loaded();
    let options = ReadOptions { partitions: Partitions::of([3, 1]), ..ReadOptions::default() };
    assert_eq!(world.read_with("d", &options).unwrap().1.chunks_present, 6);
}
