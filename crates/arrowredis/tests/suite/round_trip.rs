//! Whatever goes in comes out.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, read_to_file, read_to_writer};
use arrowredis::report::PartitionedBy;
use arrowredis::split::SplitOptions;
use arrowredis::verify::verify_files;
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, strategy::Just, strategy::Strategy};

use crate::support::arbitrary::{Data, data};
use crate::support::{World, dataset, joined, write_file, write_stream};

const CASES: u32 = 150;

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Zstd), Just(Codec::Lz4), Just(Codec::Uncompressed)]
}

/// Goal: any stream survives, whether its messages are forwarded or encoded anew, read into
/// memory, a file or a stream. Method: arbitrary data against a real server, compared batch by
/// batch in memory and by `verify` in files.
#[test]
fn arbitrary_data_survives() {
    let world = World::new();
    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    let inputs = (data(), codec(), proptest::option::of(codec()), proptest::option::of(codec()));
    let result = runner.run(&inputs, |(data, written, stored, read)| {
        let name = world.fresh_name();
        // The Arrow library's file writer refuses dictionaries that change, its stream writer not.
        let source = world.path("source.arrows");
        write_stream(&source, &data.schema, &data.batches, written);

        let options = SplitOptions { compression: stored, ..SplitOptions::default() };
        let report = world.split_with(&source, &name, &options).map_err(failed)?;
        prop_assert_eq!(report.chunks as usize, data.batches.len().max(1));
        let (table, _) = world.read(&name).map_err(failed)?;
        prop_assert_eq!(table.schema.as_ref(), Some(&data.schema));
        let expected = if data.batches.is_empty() {
            vec![RecordBatch::new_empty(Arc::clone(&data.schema))]
        } else {
            data.batches.clone()
        };
        prop_assert_eq!(&table.batches, &expected);

        for out in ["copy.arrow", "copy.arrows"] {
            let copy = world.path(out);
            write_out(&world, &name, &copy, read);
            let report = world.wait(verify_files(&source, &copy, &Unwatched)).map_err(failed)?;
            prop_assert!(report.equal, "{}: {:?}", out, report.difference);
            // Readable by the Arrow library's own readers, too.
            prop_assert_eq!(
                rows_of(&copy),
                expected.iter().map(RecordBatch::num_rows).sum::<usize>()
            );
        }
        Ok(())
    });
    result.unwrap();
}

fn failed(error: arrowredis::error::Error) -> proptest::test_runner::TestCaseError {
    proptest::test_runner::TestCaseError::fail(format!("{error:?}"))
}

fn write_out(world: &World, name: &str, copy: &Path, codec: Option<Codec>) {
    let (store, name) = (world.store(), dataset(name));
    let options = Default::default();
    if copy.extension().is_some_and(|extension| extension == "arrow") {
        world.wait(read_to_file(&store, &name, copy, codec, &options, &Unwatched)).unwrap();
    } else {
        let out = Box::new(std::fs::File::create(copy).unwrap());
        world.wait(read_to_writer(&store, &name, out, codec, &options, &Unwatched)).unwrap();
    }
}

fn rows_of(path: &Path) -> usize {
    let file = std::fs::File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "arrow") {
        let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
        reader.map(|batch| batch.unwrap().num_rows()).sum()
    } else {
        let reader = arrow_ipc::reader::StreamReader::try_new(file, None).unwrap();
        reader.map(|batch| batch.unwrap().num_rows()).sum()
    }
}

/// Goal: a partition column divides rows by value and loses none. Method: arbitrary values of the
/// column, every row found under its own partition and in its order.
#[test]
fn rows_are_filed_under_their_own_partition() {
    let world = World::new();
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    let values = proptest::collection::vec(proptest::collection::vec(0..4i32, 0..20), 1..5);
    let result = runner.run(&(values, proptest::option::of(codec())), |(values, stored)| {
        let name = world.fresh_name();
        let schema = Arc::new(Schema::new(vec![
            Field::new("row", DataType::Int64, false),
            Field::new("partition", DataType::Int32, false),
        ]));
        let mut first = 0;
        let batches: Vec<_> = values
            .iter()
            .map(|values| {
                let rows = Int64Array::from_iter_values(first..first + values.len() as i64);
                first += values.len() as i64;
                let columns: Vec<ArrayRef> =
                    vec![Arc::new(rows), Arc::new(Int32Array::from(values.clone()))];
                RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
            })
            .collect();
        let source = world.path("source.arrow");
        write_file(&source, &schema, &batches, Codec::Zstd);
        let options = SplitOptions { compression: stored, batches: Some(2), ..Default::default() };
        let report = world.split_with(&source, &name, &options).map_err(failed)?;
        prop_assert_eq!(report.partitioned_by, PartitionedBy::Column);
        prop_assert_eq!(report.rows, first as u64);

        let (table, _) = world.read(&name).map_err(failed)?;
        let all = joined(&schema, &table.batches);
        let got: Vec<(i32, i64)> = all
            .column(1)
            .as_primitive::<arrow_array::types::Int32Type>()
            .values()
            .iter()
            .copied()
            .zip(all.column(0).as_primitive::<Int64Type>().values().iter().copied())
            .collect();
        let mut expected: Vec<(i32, i64)> = values.iter().flatten().copied().zip(0..).collect();
        expected.sort();
        prop_assert_eq!(got, expected);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn without_a_partition_column_batches_are_counted() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![Field::new("row", DataType::Int64, false)]));
    let batches: Vec<_> = (0..7)
        .map(|n| {
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![n]))])
                .unwrap()
        })
        .collect();
    let source = world.path("source.arrow");
    write_file(&source, &schema, &batches, Codec::Lz4);

    let three = SplitOptions { batches: Some(3), ..SplitOptions::default() };
    let report = world.split_with(&source, "by3", &three).unwrap();
    assert_eq!((report.partitions, report.chunks), (3, 7));
    assert_eq!(report.partitioned_by, PartitionedBy::Batches);
    world.value("by3:{part=00002}:batch=00000");

    let report = world.split(&source, "one").unwrap();
    assert_eq!((report.partitions, report.chunks), (1, 7));
    assert_eq!(report.partitioned_by, PartitionedBy::Nothing);
    world.value("one:{part=00000}:batch=00006");
}

#[test]
fn a_file_without_batches_keeps_its_schema_in_one_chunk() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![
        Field::new("partition", DataType::Int32, true),
        Field::new(
            "word",
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            true,
        ),
    ]));
    let source = world.path("source.arrow");
    write_file(&source, &schema, &[], Codec::Uncompressed);
    let report = world.split(&source, "empty").unwrap();
    assert_eq!((report.chunks, report.rows), (1, 0));
    let (table, report) = world.read("empty").unwrap();
    assert_eq!(table.schema, Some(schema));
    assert_eq!((report.chunks_present, report.rows), (1, 0));
}

#[test]
fn batches_without_rows_stay_with_their_neighbours() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![Field::new("partition", DataType::Int8, false)]));
    let batch = |values: &[i8]| {
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int8Array::from(values.to_vec()))])
            .unwrap()
    };
    let batches = [batch(&[]), batch(&[5, 5]), batch(&[]), batch(&[9]), batch(&[])];
    let source = world.path("source.arrow");
    write_file(&source, &schema, &batches, Codec::Uncompressed);
    world.split(&source, "p").unwrap();
    let (table, report) = world.read("p").unwrap();
    assert_eq!(report.chunks_present, 5);
    let rows: Vec<_> = table.batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [0, 2, 0, 1, 0]);
    world.value("p:{part=00005}:batch=00002");
    world.value("p:{part=00009}:batch=00001");
}

#[test]
fn a_partition_that_is_none_is_refused_with_its_row() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![Field::new("partition", DataType::Int64, true)]));
    for (values, found) in
        [(vec![Some(1), None], "row 4 holds null"), (vec![Some(-3)], "row 3 holds -3")]
    {
        let good = Int64Array::from(vec![7, 7, 7]);
        let batch =
            |array| RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(array)]).unwrap();
        let source = world.path("source.arrow");
        write_file(&source, &schema, &[batch(good), batch(Int64Array::from(values))], Codec::Zstd);
        let error = world.split(&source, "p").unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
}

#[test]
fn a_partition_column_of_text_is_no_partition_column() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![Field::new("partition", DataType::Utf8, true)]));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringArray::from(vec!["x"]))])
            .unwrap();
    let source = world.path("source.arrow");
    write_file(&source, &schema, &[batch], Codec::Zstd);
    assert_eq!(world.split(&source, "p").unwrap().partitioned_by, PartitionedBy::Nothing);
}

#[test]
fn a_partition_column_may_be_a_dictionary_of_integers() {
    let world = World::new();
    let data_type = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int32));
    let schema = Arc::new(Schema::new(vec![Field::new("partition", data_type.clone(), true)]));
    let values = arrow_cast::cast(&Int32Array::from(vec![7, 9, 7]), &data_type).unwrap();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![values]).unwrap();
    let source = world.path("source.arrow");
    write_file(&source, &schema, &[batch], Codec::Zstd);
    let report = world.split(&source, "p").unwrap();
    assert_eq!((report.partitions, report.partitioned_by), (2, PartitionedBy::Column));
    assert_eq!(world.read_with("p", &options("7")).unwrap().1.rows, 2);
}

fn options(partitions: &str) -> ReadOptions {
    ReadOptions { partitions: partitions.parse().unwrap(), ..ReadOptions::default() }
}

/// Rows taken from a view column point into all of its data unless that is let go.
#[test]
fn a_divided_column_of_views_is_stored_once_and_not_once_a_partition() {
    let world = World::new();
    let schema = Arc::new(Schema::new(vec![
        Field::new("partition", DataType::Int32, false),
        Field::new("text", DataType::Utf8View, false),
    ]));
    let text: Vec<_> = (0..200).map(|n| format!("{n:01000}")).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(0..200)),
        Arc::new(arrow_array::StringViewArray::from_iter_values(text)),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let source = world.path("source.arrow");
    write_file(&source, &schema, &[batch], Codec::Uncompressed);
    let report = world.split(&source, "p").unwrap();
    assert_eq!(report.chunks, 200);
    assert!(report.bytes < 3 * report.file_bytes, "{} of {}", report.bytes, report.file_bytes);
}

#[test]
fn more_rows_than_can_be_added_up_are_refused() {
    let world = World::new();
    let schema = Arc::new(Schema::empty());
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(1 << 41));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).unwrap();
    let source = world.path("source.arrows");
    write_stream(&source, &schema, &[batch], Codec::Uncompressed);
    let error = world.split(&source, "p").unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("row count"), "{cause}");
}

/// A file has one dictionary a column; chunks have their own.
#[test]
fn dictionaries_that_differ_become_one_in_a_file() {
    let world = World::new();
    let schema = word_schema();
    let batches =
        [words(&schema, &["a", "b"]), words(&schema, &["b", "c", "a"]), words(&schema, &["d"])];
    let source = world.path("source.arrows");
    write_stream(&source, &schema, &batches, Codec::Uncompressed);
    world.split(&source, "p").unwrap();
    let copy = world.path("copy.arrow");
    write_out(&world, "p", &copy, None);

    let file =
        arrow_ipc::reader::FileReader::try_new(std::fs::File::open(&copy).unwrap(), None).unwrap();
    let mut values = Vec::new();
    for batch in file {
        let batch = batch.unwrap();
        let dictionary = batch.column(0).as_dictionary::<Int8Type>().clone();
        assert_eq!(dictionary.values().len(), 4, "every batch reads the one dictionary");
        let plain = arrow_cast::cast(&dictionary, &DataType::Utf8).unwrap();
        values.extend(plain.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    assert_eq!(values, ["a", "b", "b", "c", "a", "d"]);
}

#[test]
fn dictionaries_that_outgrow_their_keys_fail_in_a_file_and_not_in_a_stream() {
    let world = World::new();
    let schema = word_schema();
    let names: Vec<String> = (0..200).map(|n| format!("word{n}")).collect();
    let part = |range: std::ops::Range<usize>| {
        words(&schema, &names[range].iter().map(String::as_str).collect::<Vec<_>>())
    };
    let source = world.path("source.arrows");
    write_stream(&source, &schema, &[part(0..100), part(100..200)], Codec::Zstd);
    world.split(&source, "p").unwrap();

    let (store, name, copy) = (world.store(), dataset("p"), world.path("copy.arrow"));
    let options = Default::default();
    let to_file = read_to_file(&store, &name, &copy, None, &options, &Unwatched);
    let error = world.wait(to_file).unwrap_err().to_string();
    assert!(error.contains("copy.arrow") && error.contains("stream"), "{error}");
    assert!(!copy.exists());

    let stream = world.path("copy.arrows");
    write_out(&world, "p", &stream, None);
    assert!(world.wait(verify_files(&source, &stream, &Unwatched)).unwrap().equal);
}

fn word_schema() -> Arc<Schema> {
    let words = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![Field::new("word", words, true)]))
}

fn words(schema: &Arc<Schema>, words: &[&str]) -> RecordBatch {
    let array: DictionaryArray<Int8Type> = words.iter().copied().collect();
    RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(array)]).unwrap()
}

#[test]
fn a_chunk_is_aligned_for_readers_that_use_it_where_it_lies() {
    let world = World::new();
    let Data { schema, .. } = Data { schema: word_schema(), batches: vec![] };
    let source = world.path("source.arrows");
    write_stream(&source, &schema, &[words(&schema, &["a", "b"])], Codec::Uncompressed);
    world.split(&source, "p").unwrap();
    let value = world.value("p:{part=00000}:batch=00000");
    let mut position = 0;
    let mut bodies = 0;
    loop {
        assert_eq!(value[position..position + 4], [0xff; 4]);
        let length = i32::from_le_bytes(value[position + 4..position + 8].try_into().unwrap());
        if length == 0 {
            assert_eq!(position + 8, value.len(), "the end mark is the last of the value");
            break;
        }
        let metadata = &value[position + 8..position + 8 + length as usize];
        position += 8 + length as usize;
        assert_eq!(position % 64, 0, "every body begins at a multiple of 64");
        position += arrow_ipc::root_as_message(metadata).unwrap().bodyLength() as usize;
        bodies += 1;
    }
    assert_eq!(bodies, 3, "schema, dictionary, batch");
}
