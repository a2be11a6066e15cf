//! Comparing files.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type};
use arrow_array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, RunArray, StringArray,
    make_array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrowredis::error::Error;
use arrowredis::ipc::Codec;
use arrowredis::progress::Unwatched;
use arrowredis::report::{Difference, VerifyReport};
use arrowredis::split::SplitOptions;
use arrowredis::verify::{verify_dataset, verify_dataset_with_file, verify_files};
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use tempfile::TempDir;

use crate::support::arbitrary::data;
use crate::support::{World, dataset, joined, write_file, write_stream};

fn compare(folder: &TempDir) -> Result<VerifyReport, Error> {
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    tokio::runtime::Runtime::new().unwrap().block_on(verify_files(&one, &two, &Unwatched))
}

/// Writes both sides and compares them.
fn compared(one: (&SchemaRef, &[RecordBatch]), two: (&SchemaRef, &[RecordBatch])) -> VerifyReport {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("1"), one.0, one.1, Codec::Zstd);
    write_stream(&folder.path().join("2"), two.0, two.1, Codec::Uncompressed);
    compare(&folder).unwrap()
}

fn one_column(name: &str, array: ArrayRef) -> (SchemaRef, RecordBatch) {
    let schema = Arc::new(Schema::new(vec![Field::new(name, array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
    (schema, batch)
}

/// Goal: batch boundaries and codecs do not matter. Method: the same rows cut in other places.
#[test]
fn the_same_rows_are_equal_however_they_are_cut() {
    let mut runner = TestRunner::new(Config { cases: 80, ..Config::default() });
    let result = runner.run(&(data(), 1..50usize), |(data, stretch)| {
        let all = joined(&data.schema, &data.batches);
        let starts = (0..all.num_rows()).step_by(stretch);
        let cut: Vec<_> =
            starts.map(|at| all.slice(at, stretch.min(all.num_rows() - at))).collect();
        let folder = tempfile::tempdir().unwrap();
        write_stream(&folder.path().join("1"), &data.schema, &data.batches, Codec::Lz4);
        write_stream(&folder.path().join("2"), &data.schema, &cut, Codec::Uncompressed);
        let report = compare(&folder).unwrap();
        prop_assert!(report.equal, "{:?}", report.difference);
        prop_assert_eq!(report.rows as usize, all.num_rows());
        Ok(())
    });
    result.unwrap();
}

#[test]
fn the_first_difference_is_named_by_row_and_column() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Utf8, true),
    ]));
    let batch = |a: Vec<i32>, b: Vec<Option<&str>>| {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int32Array::from(a)), Arc::new(StringArray::from(b))];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let one = [batch(vec![1, 2], vec![Some("x"); 2]), batch(vec![3, 4, 5], vec![Some("y"); 3])];
    let two = [batch(vec![1, 2, 3, 4, 9], vec![Some("x"), Some("x"), Some("y"), None, Some("y")])];
    let report = compared((&schema, &one), (&schema, &two));
    let expected =
        Difference::Value { row: 3, column: "b".into(), value1: "y".into(), value2: "null".into() };
    assert!(!report.equal);
    assert_eq!(report.difference, Some(expected));
}

#[test]
fn more_rows_are_a_difference() {
    let (schema, batch) = one_column("a", Arc::new(Int32Array::from_iter_values(0..10)));
    let report = compared((&schema, &[batch.clone(), batch.slice(0, 3)]), (&schema, &[batch]));
    assert_eq!(report.difference, Some(Difference::Rows { rows1: 13, rows2: 10 }));
    assert_eq!(report.rows, 10, "only rows that both have are compared");
}

#[test]
fn dictionaries_do_not_matter_at_any_depth() {
    let words = StringArray::from(vec![Some("a"), None, Some("b"), Some("a")]);
    let as_dictionary = |keys: DataType| {
        let data_type = DataType::Dictionary(Box::new(keys), Box::new(DataType::Utf8));
        arrow_cast::cast(&words, &data_type).unwrap()
    };
    let plain: ArrayRef = Arc::new(words.clone());
    let list = |values: ArrayRef| -> ArrayRef {
        let data_type =
            DataType::List(Arc::new(Field::new("item", values.data_type().clone(), true)));
        let outer = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![None; 3]),
            None,
            Some(vec![None]),
        ]);
        let data = arrow_array::Array::to_data(&outer).into_builder().data_type(data_type);
        make_array(data.child_data(vec![values.to_data()]).build().unwrap())
    };
    for wrap in [&(|array| array) as &dyn Fn(ArrayRef) -> ArrayRef, &list] {
        for keys in [DataType::Int8, DataType::UInt32] {
            let (schema1, batch1) = one_column("w", wrap(Arc::clone(&plain)));
            let (schema2, batch2) = one_column("w", wrap(as_dictionary(keys)));
            let report = compared((&schema1, &[batch1]), (&schema2, &[batch2]));
            assert!(report.equal, "{:?}", report.difference);
        }
    }
}

#[test]
fn runs_are_compared_by_value_wherever_they_are_cut() {
    let runs = |ends: Vec<i16>, values: Vec<i32>| -> ArrayRef {
        let ends = arrow_array::Int16Array::from(ends);
        Arc::new(RunArray::<Int16Type>::try_new(&ends, &Int32Array::from(values)).unwrap())
    };
    let (schema, one) = one_column("r", runs(vec![2, 6], vec![7, 8]));
    let (_, same) = one_column("r", runs(vec![1, 2, 5, 6], vec![7, 7, 8, 8]));
    let (_, other) = one_column("r", runs(vec![3, 6], vec![7, 8]));
    assert!(compared((&schema, std::slice::from_ref(&one)), (&schema, &[same])).equal);
    let difference = compared((&schema, &[one]), (&schema, &[other])).difference;
    assert!(matches!(difference, Some(Difference::Value { row: 2, .. })), "{difference:?}");
}

/// A column that forbids nulls may still have a key that points at one.
#[test]
fn null_values_behind_keys_are_compared_like_others() {
    let words = arrow_array::DictionaryArray::<Int32Type>::new(
        Int32Array::from(vec![0, 1]),
        Arc::new(StringArray::from(vec![None, Some("a")])),
    );
    let field = Field::new("w", arrow_array::Array::data_type(&words).clone(), false);
    let schema: SchemaRef = Arc::new(Schema::new(vec![field]));
    let columns: Vec<ArrayRef> = vec![Arc::new(words)];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let report = compared(
        (&schema, std::slice::from_ref(&batch)),
        (&schema, &[batch.slice(0, 1), batch.slice(1, 1)]),
    );
    assert!(report.equal, "{:?}", report.difference);
}

/// A run can stand for more rows than memory has room for.
#[test]
fn long_runs_are_compared_in_stretches() {
    const ROWS: i32 = 3 << 20;
    let runs = |ends: Vec<i32>, values: Vec<i32>| -> ArrayRef {
        Arc::new(
            RunArray::<Int32Type>::try_new(&Int32Array::from(ends), &Int32Array::from(values))
                .unwrap(),
        )
    };
    let (schema, one) = one_column("r", runs(vec![ROWS], vec![7]));
    let (_, two) = one_column("r", runs(vec![ROWS - 1, ROWS], vec![7, 8]));
    let report = compared((&schema, std::slice::from_ref(&one)), (&schema, &[two]));
    let expected = Difference::Value {
        row: ROWS as u64 - 1,
        column: "r".into(),
        value1: "7".into(),
        value2: "8".into(),
    };
    assert_eq!(report.difference, Some(expected));
    assert_eq!((report.chunks, report.rows), (2, ROWS as u64));
    assert!(
        compared(
            (&schema, std::slice::from_ref(&one)),
            (&schema, &[one.slice(0, 9), one.slice(9, ROWS as usize - 9)])
        )
        .equal
    );
}

#[test]
fn values_beyond_any_calendar_and_zones_by_name_are_shown_as_numbers() {
    let zone = Some("Europe/Berlin".into());
    let times = |value| -> ArrayRef {
        Arc::new(
            arrow_array::TimestampSecondArray::from(vec![value])
                .with_timezone_opt::<Arc<str>>(zone.clone()),
        )
    };
    let (schema, one) = one_column("t", times(1));
    let (_, two) = one_column("t", times(i64::MAX));
    let difference = compared((&schema, &[one]), (&schema, &[two])).difference;
    let Some(Difference::Value { value1, value2, .. }) = difference else {
        panic!("{difference:?}")
    };
    assert!(
        value1.starts_with("1 as ") && value2.starts_with(&i64::MAX.to_string()),
        "{value1} {value2}"
    );
}

#[test]
fn floats_are_equal_when_their_bits_are() {
    let (schema, nan) = one_column("f", Arc::new(Float64Array::from(vec![f64::NAN, 0.0])));
    let (_, zero) = one_column("f", Arc::new(Float64Array::from(vec![f64::NAN, -0.0])));
    assert!(
        compared((&schema, std::slice::from_ref(&nan)), (&schema, std::slice::from_ref(&nan)))
            .equal
    );
    assert!(!compared((&schema, &[nan]), (&schema, &[zero])).equal);
}

#[test]
fn schemas_differ_before_rows_are_looked_at() {
    let (schema1, batch1) = one_column("a", Arc::new(Int32Array::from(vec![1])));
    let (schema2, batch2) = one_column("b", Arc::new(Int32Array::from(vec![1])));
    let difference = compared((&schema1, &[batch1]), (&schema2, &[batch2])).difference;
    assert!(matches!(difference, Some(Difference::Schema { .. })), "{difference:?}");
}

#[test]
fn values_that_are_not_the_first_difference_are_not_searched() {
    let column = |values: Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
    let schema: SchemaRef = Arc::new(Schema::new(
        ["a", "b", "c"].map(|name| Field::new(name, DataType::Int32, true)).to_vec(),
    ));
    let batch = |a, b, c| {
        RecordBatch::try_new(Arc::clone(&schema), vec![column(a), column(b), column(c)]).unwrap()
    };
    let one = batch(vec![1, 1, 1], vec![2, 2, 2], vec![3, 3, 3]);
    let two = batch(vec![1, 1, 0], vec![2, 0, 2], vec![3, 0, 3]);
    let difference = compared((&schema, &[one]), (&schema, std::slice::from_ref(&two))).difference;
    assert!(
        matches!(&difference, Some(Difference::Value { row: 1, column, .. }) if column == "b"),
        "{difference:?}"
    );
    assert_eq!(two.column(0).as_primitive::<Int32Type>().value(2), 0);
}

/// A file whose batches hold these partitions, a row each; values count up in each partition.
fn partitioned(path: &Path, batches: &[&[i64]], codec: Codec) {
    let fields = ["partition", "value"].map(|name| Field::new(name, DataType::Int64, false));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let mut next = std::collections::BTreeMap::new();
    let batches: Vec<_> = batches
        .iter()
        .map(|partitions| {
            let values: Vec<i64> = partitions
                .iter()
                .map(|partition| {
                    let value = next.entry(*partition).or_insert(0);
                    *value += 1;
                    *value
                })
                .collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(partitions.to_vec())),
                Arc::new(Int64Array::from(values)),
            ];
            RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
        })
        .collect();
    write_file(path, &schema, &batches, codec);
}

/// Goal: a dataset is compared with what a split of the file would store, wherever in the file the
/// rows of a partition lie.
#[test]
fn a_dataset_is_compared_with_a_file_whose_partitions_lie_interleaved() {
    let world = World::new();
    let (stored, other) = (world.path("stored"), world.path("other"));
    let interleaved: [&[i64]; 6] = [&[1, 1], &[0, 2, 0], &[], &[1], &[0, 0], &[2, 0, 1]];
    partitioned(&stored, &interleaved, Codec::Uncompressed);
    let options = SplitOptions { compression: Some(Codec::Zstd), ..SplitOptions::default() };
    world.split_with(&stored, "d", &options).unwrap();
    let compare = |path: &Path| {
        let (store, name) = (world.store(), dataset("d"));
        let report = verify_dataset_with_file(&store, &name, path, None, &Unwatched);
        world.wait(report).unwrap()
    };
    let report = compare(&stored);
    assert!(report.equal, "{:?}", report.difference);
    assert_eq!((report.rows, report.chunks), (11, 9));

    // The same chunks in another order. The empty batch goes with partition 0 either way.
    partitioned(
        &other,
        &[&[2], &[0, 0], &[], &[0, 0], &[0], &[2], &[1, 1], &[1], &[1]],
        Codec::Lz4,
    );
    let report = compare(&other);
    assert!(report.equal, "{:?}", report.difference);

    // Longer batches, which a split may have divided into those chunks; shorter ones, which none
    // joins.
    partitioned(&other, &[&[1, 1, 1], &[0, 2, 0], &[], &[0, 0], &[2, 0, 1]], Codec::Lz4);
    let report = compare(&other);
    assert!(report.equal, "{:?}", report.difference);
    assert_eq!((report.rows, report.chunks), (11, 9));
    partitioned(&other, &[&[1], &[1, 0, 2, 0], &[], &[1], &[0, 0], &[2, 0, 1]], Codec::Lz4);
    let expected = Difference::Chunk {
        key: "d:{part=00001}:batch=00000".to_owned(),
        file: "1 rows".to_owned(),
        stored: "2 rows".to_owned(),
    };
    assert_eq!(compare(&other).difference, Some(expected));

    // A partition more, a chunk less.
    partitioned(&other, &[&[1, 1], &[0, 2, 0], &[], &[1], &[0, 0], &[2, 0, 1, 9]], Codec::Lz4);
    let Difference::Chunk { key, stored, .. } = compare(&other).difference.unwrap() else {
        panic!("a chunk is missing")
    };
    assert_eq!((key.as_str(), stored.as_str()), ("d:{part=00009}:batch=00000", "no such chunk"));
    partitioned(&other, &[&[1, 1], &[0, 2, 0], &[], &[1], &[0, 0], &[2, 0]], Codec::Lz4);
    let Difference::Chunk { key, file, .. } = compare(&other).difference.unwrap() else {
        panic!("a chunk is beyond")
    };
    assert_eq!((key.as_str(), file.as_str()), ("d:{part=00001}:batch=00002", "no such chunk"));

    // Another value.
    partitioned(&other, &[&[1, 1], &[2, 0, 0], &[], &[1], &[0, 0], &[2, 0, 1]], Codec::Lz4);
    let report = compare(&other);
    assert!(report.equal, "rows of different partitions may change places: {report:?}");
    let schema = Arc::new(Schema::new(vec![Field::new("partition", DataType::Int64, false)]));
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
    write_file(&other, &schema, &[batch], Codec::Zstd);
    assert!(matches!(compare(&other).difference, Some(Difference::Schema { .. })));
}

#[test]
fn batches_without_rows_before_all_others_are_compared_where_they_are_stored() {
    let world = World::new();
    let path = world.path("d");
    partitioned(&path, &[&[], &[], &[5], &[], &[5]], Codec::Zstd);
    world.split(&path, "d").unwrap();
    world.value("d:{part=00005}:batch=00004");
    let (store, name) = (world.store(), dataset("d"));
    let compare = || {
        let report = verify_dataset_with_file(&store, &name, &path, None, &Unwatched);
        world.wait(report).unwrap().difference
    };
    assert_eq!(compare(), None);
    // What is stored beyond the file is found among them, too.
    partitioned(&path, &[&[], &[], &[5], &[]], Codec::Zstd);
    let expected = Difference::Chunk {
        key: "d:{part=00005}:batch=00004".to_owned(),
        file: "no such chunk".to_owned(),
        stored: "1 rows".to_owned(),
    };
    assert_eq!(compare(), Some(expected));
}

#[test]
fn a_value_that_differs_from_the_files_is_named_with_its_chunk() {
    let world = World::new();
    let path = world.path("d");
    partitioned(&path, &[&[0, 0, 0], &[1, 1, 1]], Codec::Uncompressed);
    world.split(&path, "d").unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // The only place where a 2 and a 3 of 64 bits stand one after the other: once in each batch.
    let pattern: Vec<u8> = [2i64, 3].iter().flat_map(|n| n.to_le_bytes()).collect();
    let at = bytes.windows(16).rposition(|window| window == pattern).unwrap();
    let mut changed = bytes.clone();
    changed[at] = 7;
    std::fs::write(&path, changed).unwrap();
    let (store, name) = (world.store(), dataset("d"));
    let report = verify_dataset_with_file(&store, &name, &path, None, &Unwatched);
    let difference = world.wait(report).unwrap().difference.unwrap();
    let expected = Difference::StoredValue {
        key: "d:{part=00001}:batch=00000".to_owned(),
        row: 1,
        column: "value".to_owned(),
        value1: "7".to_owned(),
        value2: "2".to_owned(),
    };
    assert_eq!(difference, expected);
}

/// Goal: whatever a file holds, its own split is equal to it. Method: arbitrary schemas and values.
#[test]
fn every_dataset_is_equal_to_the_file_that_it_was_split_from() {
    let world = World::new();
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    let result = runner.run(&data(), |data| {
        let (path, name) = (world.path("d"), world.fresh_name());
        write_stream(&path, &data.schema, &data.batches, Codec::Lz4);
        world.split(&path, &name).unwrap();
        let (store, name) = (world.store(), dataset(&name));
        let report = verify_dataset_with_file(&store, &name, &path, None, &Unwatched);
        let report = world.wait(report).unwrap();
        prop_assert!(report.equal, "{:?}", report.difference);
        let whole = world.wait(verify_dataset(&store, &name, &Unwatched)).unwrap();
        prop_assert!(whole.whole, "{:?}", whole);
        Ok(())
    });
    result.unwrap();
}
