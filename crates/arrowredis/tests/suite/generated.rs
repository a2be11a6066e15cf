//! The synthetic dataset.

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use arrowredis::error::{Error, ErrorClass};
use arrowredis::generate::{GenerateOptions, Words, generate, generated_schema};
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn small() -> GenerateOptions {
    GenerateOptions { partitions: 3, batches: 2, rows: 1_000, ..GenerateOptions::default() }
}

fn write(path: &std::path::Path, options: &GenerateOptions) -> Result<u64, Error> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(generate(path, options, &Unwatched)).map(|report| report.bytes)
}

fn batches(options: &GenerateOptions) -> Vec<RecordBatch> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.arrow");
    let bytes = write(&path, options).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes, "the report gives the file's size");
    let reader =
        arrow_ipc::reader::FileReader::try_new(fs::File::open(&path).unwrap(), None).unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_workers() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (seed, workers) in [(1, Some(1)), (1, Some(7)), (1, None), (2, None)] {
        let path = folder.path().join(format!("{}", files.len()));
        write(&path, &GenerateOptions { seed, workers, ..small() }).unwrap();
        files.push(fs::read(&path).unwrap());
    }
    assert!(files[0] == files[1] && files[1] == files[2]);
    assert!(files[0] != files[3]);
}

/// The values that a seed stands for, written down: the same on every platform, for ever.
#[test]
fn the_values_of_a_seed_never_change() {
    for words in [Words::Plain, Words::Dictionary] {
        let batches = batches(&GenerateOptions { words, ..small() });
        let last = &batches[5];
        let options = arrow_cast::display::FormatOptions::default();
        let row = last.columns().iter().map(|column| {
            let plain = arrow_cast::display::ArrayFormatter::try_new(column, &options).unwrap();
            plain.value(999).to_string()
        });
        assert_eq!(row.collect::<Vec<_>>(), EXPECTED_LAST_ROW);
    }
}

const EXPECTED_LAST_ROW: [&str; 10] = [
    "5999",
    "2",
    "-876113",
    "-0.6588313426445661",
    "0.08000823",
    "false",
    "2024-01-20T01:27:34.871107894",
    "-92483.4889",
    "naxivuwako",
    "[972, 816, 493]",
];

#[test]
fn columns_have_the_names_types_and_ranges_that_are_documented() {
    let batches = batches(&small());
    assert_eq!(batches.len(), 6);
    let mut id = 0;
    for (index, batch) in batches.iter().enumerate() {
        assert_eq!(batch.schema(), generated_schema(Words::Plain));
        assert_eq!(batch.num_rows(), 1_000);
        let ids = batch.column(0).as_primitive::<Int64Type>();
        assert!(ids.values().iter().all(|value| {
            id += 1;
            *value == id - 1
        }));
        let partition = batch.column(1).as_primitive::<Int32Type>();
        assert!(partition.values().iter().all(|value| *value as usize == index / 2));
        let ints = batch.column(2).as_primitive::<Int32Type>();
        assert!(ints.values().iter().all(|value| value.abs() <= 1_000_000));
        let times = batch.column(6).as_primitive::<TimestampNanosecondType>().values();
        let span = times.iter().max().unwrap() - times.iter().min().unwrap();
        let day = 24 * 3600 * 1_000_000_000i64;
        assert!(span <= 30 * day && span > 29 * day);
        let decimals = batch.column(7).as_primitive::<Decimal128Type>();
        assert!(decimals.values().iter().any(|value| value % 10 != 0), "all four places are used");
        let lists = batch.column(9).as_list::<i32>();
        let lengths: Vec<usize> = lists.iter().map(|list| list.unwrap().len()).collect();
        assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&0), Some(&5)));
        let items = lists.values().as_primitive::<Int32Type>().values();
        assert!(items.iter().all(|value| (0..1_000).contains(value)));
        assert!(batch.columns().iter().all(|column| column.null_count() == 0));
    }
}

#[test]
fn dictionary_words_are_the_plain_words() {
    let plain = batches(&small());
    let encoded = batches(&GenerateOptions { words: Words::Dictionary, ..small() });
    for (plain, encoded) in plain.iter().zip(&encoded) {
        let words = arrow_cast::cast(encoded.column(8), &DataType::Utf8).unwrap();
        assert_eq!(&words, plain.column(8));
    }
    assert_eq!(encoded[0].column(8).as_dictionary::<Int32Type>().values().len(), 5_000);
}

#[test]
fn any_shape_has_as_many_rows_as_asked_for() {
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let shapes = (1..5u32, 1..4u32, 0..70u32, 1..40u32, any::<u64>());
    let result =
        runner.run(&shapes, |(partitions, batches_each, rows, string_cardinality, seed)| {
            let options = GenerateOptions {
                partitions,
                batches: batches_each,
                rows,
                string_cardinality,
                seed,
                compression: Codec::Lz4,
                words: Words::Dictionary,
                workers: None,
            };
            let batches = batches(&options);
            prop_assert_eq!(batches.len() as u32, partitions * batches_each);
            prop_assert!(batches.iter().all(|batch| batch.num_rows() as u32 == rows));
            Ok(())
        });
    result.unwrap();
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.arrow");
    for (options, name) in [
        (GenerateOptions { partitions: 0, ..small() }, "partitions"),
        (GenerateOptions { partitions: u32::MAX, ..small() }, "partitions"),
        (GenerateOptions { batches: 0, ..small() }, "batches"),
        (GenerateOptions { rows: u32::MAX, ..small() }, "rows"),
        (GenerateOptions { string_cardinality: 0, ..small() }, "string_cardinality"),
        (GenerateOptions { workers: Some(0), ..small() }, "workers"),
        (
            GenerateOptions {
                partitions: i32::MAX as u32,
                batches: u32::MAX,
                rows: 50_000_000,
                ..small()
            },
            "partitions × batches × rows",
        ),
    ] {
        let error = write(&path, &options).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.to_string().starts_with(&format!("{name} is ")), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder/d.arrow");
    let error = write(&nowhere, &small()).unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
    let error = write(folder.path(), &small()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_replaces_what_a_link_names_and_has_ordinary_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("d.arrow"), folder.path().join("link.arrow"));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    write(&link, &small()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::metadata(&file).unwrap().len() > 1_000);
    let reference = folder.path().join("reference");
    fs::File::create(&reference).unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&file), mode(&reference));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left");
}

#[test]
fn dropping_the_future_removes_the_file_in_the_making() {
    let folder = tempfile::tempdir().unwrap();
    let path = Arc::new(folder.path().join("d.arrow"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = GenerateOptions { partitions: 10_000, ..small() };
        let mut job = Box::pin(generate(&path, &options, &Unwatched));
        // Far enough that the file has been begun.
        while fs::read_dir(folder.path()).unwrap().count() == 0 {
            assert!(futures::poll!(job.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    });
    drop(runtime);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
