//! Batches that are too long for one chunk, divided.

use std::cell::Cell;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Int32Array, Int64Array, ListViewArray,
    RecordBatch, StringArray, StringViewArray, UnionArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, UnionFields};
use arrowredis::error::{Error, FileError};
use arrowredis::ipc::Codec;
use arrowredis::manifest::{ChunkEntry, Entry};
use arrowredis::progress::Unwatched;
use arrowredis::report::SplitReport;
use arrowredis::split::{SplitOptions, Undividable};
use arrowredis::verify::{verify_dataset, verify_dataset_with_file};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::arbitrary::data;
use crate::support::{World, dataset, joined, write_file, write_stream};

const CASES: u32 = 150;

fn at_most(bytes: u64) -> SplitOptions {
    SplitOptions { max_chunk_bytes: Some(bytes), ..SplitOptions::default() }
}

fn one_column(name: &str, array: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter([(name, array)]).unwrap()
}

/// Splits one batch and reads it back.
fn divided(
    world: &World,
    batch: &RecordBatch,
    options: &SplitOptions,
) -> (SplitReport, Vec<RecordBatch>) {
    let (source, name) = (world.path("source.arrow"), world.fresh_name());
    write_file(&source, &batch.schema(), std::slice::from_ref(batch), Codec::Uncompressed);
    let report = world.split_with(&source, &name, options).unwrap();
    let (table, _) = world.read(&name).unwrap();
    let most = options.max_chunk_bytes.unwrap();
    assert!(chunks(world, &name).iter().all(|chunk| chunk.bytes <= most));
    assert_eq!(&joined(&batch.schema(), &table.batches), batch);
    (report, table.batches)
}

fn chunks(world: &World, name: &str) -> Vec<ChunkEntry> {
    let value = world.value(&format!("{name}:manifest"));
    match Entry::decode(value.into()).unwrap() {
        Entry::Dataset(manifest) => manifest.chunks,
        Entry::Alias(_) => panic!("an alias"),
    }
}

fn undividable(error: Error) -> Undividable {
    match error {
        Error::File(FileError::Undividable { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

/// Goal: rows, order, schema and metadata survive, and no chunk is longer than it may be. Method:
/// arbitrary data, in every codec it is written and stored in, limits from too short to any.
#[test]
fn arbitrary_data_survives() {
    let world = World::new();
    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    let codec = || prop::sample::select(Codec::ALL.to_vec());
    let inputs = (data(), codec(), prop::option::of(codec()), 700u64..1_200);
    let (whole_or_divided, divided) = (Cell::new(0), Cell::new(0));
    let count = |some: &Cell<u32>| some.set(some.get() + 1);
    let result = runner.run(&inputs, |(data, written, stored, thousandths)| {
        let (source, name) = (world.path("source.arrows"), world.fresh_name());
        write_stream(&source, &data.schema, &data.batches, written);
        let whole = SplitOptions { compression: stored, ..SplitOptions::default() };
        let unlimited_name = world.fresh_name();
        let unlimited = world.split_with(&source, &unlimited_name, &whole).unwrap();
        let longest = chunks(&world, &unlimited_name).iter().map(|chunk| chunk.bytes).max();

        // Some are too short for what every chunk repeats, some are more than the longest takes.
        let most = longest.unwrap_or(1_000) * thousandths / 1_000;
        let options = SplitOptions { max_chunk_bytes: Some(most), ..whole };
        let report = match world.split_with(&source, &name, &options) {
            Ok(report) => report,
            Err(error) => {
                undividable(error);
                prop_assert!(world.read(&name).is_err(), "nothing is published");
                // It says so of what really is too long.
                prop_assert!(longest > Some(most));
                return Ok(());
            }
        };
        prop_assert_eq!((report.rows, report.codec), (unlimited.rows, unlimited.codec));
        let chunks = chunks(&world, &name);
        prop_assert!(chunks.iter().all(|chunk| chunk.bytes <= most));
        prop_assert_eq!(report.chunks as usize, chunks.len());
        prop_assert_eq!(report.bytes, chunks.iter().map(|chunk| chunk.bytes).sum::<u64>());

        let (table, _) = world.read(&name).unwrap();
        prop_assert_eq!(table.schema.as_ref(), Some(&data.schema));
        prop_assert_eq!(joined(&data.schema, &table.batches), joined(&data.schema, &data.batches));
        // Batches that fit are as they were.
        if report.chunks == unlimited.chunks {
            prop_assert_eq!(report.bytes, unlimited.bytes);
        } else {
            count(&divided);
        }
        count(&whole_or_divided);
        let (store, name) = (world.store(), dataset(&name));
        let verdict = verify_dataset_with_file(&store, &name, &source, None, &Unwatched);
        let verdict = world.wait(verdict).unwrap();
        prop_assert!(verdict.equal, "{:?}", verdict.difference);
        prop_assert!(world.wait(verify_dataset(&store, &name, &Unwatched)).unwrap().whole);
        Ok(())
    });
    result.unwrap();
    // Otherwise the limits would be such that hardly anything is tested.
    println!("{} of {} datasets were divided", divided.get(), whole_or_divided.get());
    assert!(divided.get() > CASES / 20 && divided.get() < whole_or_divided.get());
}

/// Goal: chunks are numbered in file order in their partition, and those behind a divided batch
/// move up. Method: batches of one and of several partitions, some of them too long.
#[test]
fn chunks_behind_a_divided_batch_move_up() {
    let world = World::new();
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("partition", DataType::Int32, false),
        Field::new("row", DataType::Int64, false),
    ]));
    let mut row = 0;
    let mut batch = |partitions: Vec<i32>| {
        let rows = Int64Array::from_iter_values(row..row + partitions.len() as i64);
        row += partitions.len() as i64;
        let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(partitions)), Arc::new(rows)];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let batches = [
        batch(vec![]),
        batch(vec![7; 10]),
        batch(vec![7; 1000]),
        batch((0..1000).map(|row| 7 + row % 2).collect()),
        batch(vec![8; 10]),
        batch(vec![7; 10]),
    ];
    let source = world.path("source.arrow");
    write_file(&source, &schema, &batches, Codec::Uncompressed);
    for codec in [None, Some(Codec::Zstd)] {
        let name = world.fresh_name();
        let options = SplitOptions { compression: codec, ..at_most(4000) };
        let report = world.split_with(&source, &name, &options).unwrap();
        let chunks = chunks(&world, &name);
        assert!(chunks.iter().all(|chunk| chunk.bytes <= 4000));
        assert_eq!(report.partitions, 2);
        for (partition, undivided) in [(7, 5), (8, 2)] {
            let numbers: Vec<_> = chunks
                .iter()
                .filter(|chunk| chunk.id.partition.0 == partition)
                .map(|chunk| chunk.id.batch.0)
                .collect();
            assert_eq!(numbers, (0..numbers.len() as u32).collect::<Vec<_>>());
            if codec.is_none() {
                assert!(numbers.len() > undivided, "{numbers:?}");
            }
        }
        let (table, _) = world.read(&name).unwrap();
        let rows: Vec<i64> = table
            .batches
            .iter()
            .flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values().to_vec())
            .collect();
        let all = joined(&schema, &batches);
        let partitions = all.column(0).as_primitive::<arrow_array::types::Int32Type>();
        let mut expected: Vec<_> = partitions.values().iter().zip(0i64..).collect();
        expected.sort();
        assert_eq!(rows, expected.into_iter().map(|(_, row)| row).collect::<Vec<_>>());
        let (store, name) = (world.store(), dataset(&name));
        let verdict = verify_dataset_with_file(&store, &name, &source, None, &Unwatched);
        assert!(world.wait(verdict).unwrap().equal);
    }
}

#[test]
fn every_chunk_carries_the_dictionaries_that_it_needs() {
    let world = World::new();
    let keys = Int32Array::from_iter_values((0..20_000).map(|row| row % 40));
    let words: StringArray = (0..40).map(|n| Some(format!("{n:0100}"))).collect();
    let words = DictionaryArray::new(keys, Arc::new(words));
    let batch = one_column("word", Arc::new(words));
    let (report, batches) = divided(&world, &batch, &at_most(20_000));
    // 80 kB of keys; 4 kB of words in each chunk.
    assert!((5..=12).contains(&report.chunks), "{}", report.chunks);
    for batch in batches {
        assert_eq!(batch.column(0).as_any_dictionary().values().len(), 40);
    }
}

#[test]
fn dictionaries_that_are_too_long_by_themselves_cannot_be_divided() {
    let world = World::new();
    let words: StringArray = (0..40).map(|n| Some(format!("{n:01000}"))).collect();
    let keys = Int32Array::from_iter_values(0..40);
    let batch = one_column("word", Arc::new(DictionaryArray::new(keys, Arc::new(words))));
    let short = one_column("word", batch.column(0).slice(0, 0));
    let source = world.path("source.arrow");
    write_file(&source, &batch.schema(), &[short, batch], Codec::Uncompressed);
    let error = undividable(world.split_with(&source, "p", &at_most(20_000)).unwrap_err());
    assert!(matches!(error, Undividable::Repeated { row: 0, bytes: 40_000.. }), "{error:?}");
    assert!(world.keys().is_empty(), "nothing was stored");
}

#[test]
fn a_row_that_is_too_long_is_named_before_anything_is_stored() {
    let world = World::new();
    let partitions: ArrayRef = Arc::new(Int32Array::from_iter_values((0..100).map(|row| row % 2)));
    let lengths = (0..100).map(|row| if row == 61 { 50_000 } else { 10 });
    let values: BinaryArray = lengths.map(|length| Some(vec![7u8; length])).collect();
    let batch =
        RecordBatch::try_from_iter([("partition", partitions), ("value", Arc::new(values))])
            .unwrap();
    let source = world.path("source.arrow");
    let batches = [batch.slice(0, 50), batch.slice(50, 50)];
    write_file(&source, &batch.schema(), &batches, Codec::Uncompressed);
    let error = undividable(world.split_with(&source, "p", &at_most(20_000)).unwrap_err());
    assert!(matches!(error, Undividable::Row { row: 61, bytes: 50_000..52_000, .. }), "{error:?}");
    assert!(world.keys().is_empty(), "nothing was stored");

    // Compressed it fits.
    let options = SplitOptions { compression: Some(Codec::Zstd), ..at_most(20_000) };
    assert_eq!(world.split_with(&source, "p", &options).unwrap().chunks, 4);
}

#[test]
fn a_limit_that_is_none_is_refused() {
    let world = World::new();
    let source = world.path("source.arrow");
    let batch = one_column("a", Arc::new(Int32Array::from(vec![1])));
    write_file(&source, &batch.schema(), &[batch], Codec::Zstd);
    let error = world.split_with(&source, "p", &at_most(0)).unwrap_err();
    assert!(matches!(error, Error::Options(_)), "{error:?}");
    let error = undividable(world.split_with(&source, "p", &at_most(1)).unwrap_err());
    assert!(matches!(error, Undividable::Repeated { .. }), "{error:?}");
}

/// Slices of these types keep all data of the whole unless that is let go.
#[test]
fn divided_columns_that_share_their_data_are_stored_once() {
    let world = World::new();
    let text: Vec<_> = (0..1000).map(|n| format!("{n:0100}")).collect();
    let texts = || Arc::new(StringViewArray::from_iter_values(&text));
    let item = Arc::new(Field::new("item", DataType::Utf8View, true));
    let offsets: Vec<i32> = (0..1000).rev().collect();
    let lists = ListViewArray::new(item, offsets.into(), vec![1; 1000].into(), texts(), None);
    let fields = [Field::new("a", DataType::Utf8View, true)];
    let fields = UnionFields::try_new([3], fields).unwrap();
    let offsets: Vec<i32> = (0..1000).collect();
    let union =
        UnionArray::try_new(fields, vec![3; 1000].into(), Some(offsets.into()), vec![texts()])
            .unwrap();
    for column in [texts() as ArrayRef, Arc::new(lists), Arc::new(union)] {
        // 116 to 125 bytes a row.
        let (report, _) = divided(&world, &one_column("c", column), &at_most(16_000));
        assert!((8..=16).contains(&report.chunks), "{}", report.chunks);
    }
}
