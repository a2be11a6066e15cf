//! Arbitrary schemas, and batches of them filled from a seed.
//!
//! proptest shrinks the schema, the number of rows and the seed; values follow from the seed.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A schema and batches of it.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

/// Up to five columns and four batches of up to forty rows, some of them empty.
pub(crate) fn data() -> impl Strategy<Value = Data> {
    let types = prop::collection::vec((data_type(), any::<bool>()), 0..5);
    let metadata = prop::collection::hash_map("[a-z]{1,4}", "\\PC{0,6}", 0..3);
    let rows = prop::collection::vec(prop_oneof![1 => Just(0), 4 => 1usize..40], 0..5);
    (types, metadata, rows, any::<u64>()).prop_map(|(types, metadata, rows, seed)| {
        let fields = types.into_iter().enumerate().map(|(index, (data_type, nullable))| {
            Field::new(format!("c{index}"), data_type, nullable)
        });
        let fields: Vec<_> = fields.collect();
        let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
        let mut random = SplitMix64::seed_from_u64(seed);
        let batches = rows.iter().map(|rows| batch(&schema, *rows, &mut random)).collect();
        Data { schema, batches }
    })
}

fn data_type() -> impl Strategy<Value = DataType> {
    use DataType as T;
    let leaf = prop::sample::select(vec![
        T::Null,
        T::Boolean,
        T::Int8,
        T::UInt16,
        T::Int32,
        T::Int64,
        T::UInt64,
        T::Float16,
        T::Float32,
        T::Float64,
        T::Date32,
        T::Time64(TimeUnit::Nanosecond),
        T::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
        T::Duration(TimeUnit::Second),
        T::Interval(IntervalUnit::DayTime),
        T::Decimal128(18, 4),
        T::Decimal256(40, 2),
        T::FixedSizeBinary(3),
        T::Utf8,
        T::LargeUtf8,
        T::Binary,
        T::Utf8View,
        T::Dictionary(Box::new(T::Int8), Box::new(T::Utf8)),
        T::Dictionary(Box::new(T::UInt32), Box::new(T::Int64)),
    ]);
    leaf.prop_recursive(2, 8, 3, |inner| {
        let item = inner.clone().prop_map(|t| Arc::new(Field::new("item", t, true)));
        prop_oneof![
            item.clone().prop_map(T::List),
            item.clone().prop_map(T::LargeList),
            item.prop_map(|item| T::FixedSizeList(item, 2)),
            prop::collection::vec(inner, 1..3).prop_map(|types| {
                let fields = types.into_iter().enumerate();
                T::Struct(fields.map(|(i, t)| Field::new(format!("f{i}"), t, true)).collect())
            }),
        ]
    })
}

fn batch(schema: &SchemaRef, rows: usize, random: &mut SplitMix64) -> RecordBatch {
    let columns = schema
        .fields()
        .iter()
        .map(|field| array(field.data_type(), rows, field.is_nullable(), random))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).unwrap()
}

fn array(data_type: &DataType, rows: usize, nullable: bool, random: &mut SplitMix64) -> ArrayRef {
    use DataType as T;
    let nulls = (nullable && random.next_u64() & 1 == 0)
        .then(|| (0..rows).map(|_| random.next_u64() & 3 != 0).collect::<NullBuffer>());
    let data = ArrayData::builder(data_type.clone()).len(rows);
    let data = match data_type {
        T::Null => data,
        T::Boolean => data.nulls(nulls).add_buffer(bytes(rows.div_ceil(8), random)),
        T::Utf8 => return strings::<arrow_array::StringArray>(rows, nulls, random),
        T::LargeUtf8 => return strings::<arrow_array::LargeStringArray>(rows, nulls, random),
        T::Utf8View => return strings::<arrow_array::StringViewArray>(rows, nulls, random),
        T::Binary => {
            let text = strings::<arrow_array::StringArray>(rows, nulls, random);
            return arrow_cast::cast(&text, data_type).unwrap();
        }
        T::FixedSizeBinary(width) => {
            let width = usize::try_from(*width).unwrap();
            data.nulls(nulls).add_buffer(bytes(rows * width, random))
        }
        // Values within the precision.
        T::Decimal128(_, _) | T::Decimal256(_, _) => {
            let small =
                Int32Array::from_iter_values((0..rows).map(|_| random.next_u32() as i32 >> 8));
            let plain = arrow_cast::cast(&small, &T::Int64).unwrap();
            let decimal = arrow_cast::cast(&plain, data_type).unwrap().to_data();
            decimal.into_builder().nulls(nulls)
        }
        T::Dictionary(keys, values) => {
            let count = 1 + below(random, 5);
            let values = array(values, count, true, random);
            let chosen = (0..rows).map(|_| below(random, count) as i32);
            let chosen = arrow_cast::cast(&Int32Array::from_iter_values(chosen), keys).unwrap();
            let chosen = chosen.to_data().into_builder().data_type(data_type.clone());
            chosen.nulls(nulls).add_child_data(values.to_data())
        }
        T::List(item) => {
            let offsets = offsets(rows, random);
            let values = array(item.data_type(), offsets[rows] as usize, true, random);
            data.nulls(nulls).add_buffer(Buffer::from_vec(offsets)).add_child_data(values.to_data())
        }
        T::LargeList(item) => {
            let offsets: Vec<i64> = offsets(rows, random).into_iter().map(i64::from).collect();
            let values = array(item.data_type(), offsets[rows] as usize, true, random);
            data.nulls(nulls).add_buffer(Buffer::from_vec(offsets)).add_child_data(values.to_data())
        }
        T::FixedSizeList(item, size) => {
            let values = array(item.data_type(), rows * *size as usize, true, random);
            data.nulls(nulls).add_child_data(values.to_data())
        }
        T::Struct(fields) => data.nulls(nulls).child_data(children(fields, rows, random)),
        T::Time64(_) => {
            let times = (0..rows).map(|_| below(random, 86_400_000_000) as i64 * 1000);
            data.nulls(nulls).add_buffer(Buffer::from_iter(times))
        }
        other => {
            let width = other.primitive_width().unwrap();
            data.nulls(nulls).add_buffer(bytes(rows * width, random))
        }
    };
    make_array(data.build().unwrap())
}

fn children(fields: &Fields, rows: usize, random: &mut SplitMix64) -> Vec<ArrayData> {
    fields.iter().map(|field| array(field.data_type(), rows, true, random).to_data()).collect()
}

fn strings<A: Array + FromIterator<Option<String>> + 'static>(
    rows: usize,
    nulls: Option<NullBuffer>,
    random: &mut SplitMix64,
) -> ArrayRef {
    let text = |row| {
        let text =
            ["", "a", "größe", "日本", "longer than twelve bytes"][below(random, 5)].to_owned();
        nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then_some(text)
    };
    Arc::new((0..rows).map(text).collect::<A>())
}

fn offsets(rows: usize, random: &mut SplitMix64) -> Vec<i32> {
    let lengths: Vec<usize> = (0..rows).map(|_| below(random, 4)).collect();
    OffsetBuffer::<i32>::from_lengths(lengths).to_vec()
}

fn bytes(count: usize, random: &mut SplitMix64) -> Buffer {
    let bytes: Vec<u8> = (0..count).map(|_| random.next_u32() as u8).collect();
    // Copied to memory that is aligned for every type.
    Buffer::from_slice_ref(bytes)
}

fn below(random: &mut SplitMix64, bound: usize) -> usize {
    (random.next_u64() % bound as u64) as usize
}
