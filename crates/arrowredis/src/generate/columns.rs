//! The ten columns, one small function each.
//!
//! Each column of each chunk has a generator of its own, seeded from the dataset's seed, the
//! chunk and the column: no value depends on which thread made it or what was made before.

use std::io;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::Decimal128Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::dataset::ChunkId;
use crate::ipc::IpcError;
use crate::region::Region;

use super::normal::Normal;
use super::values::column;
use super::vocabulary::{below, vocabulary};
use super::{GenerateOptions, Words, generated_schema};

/// `int32_c` lies within this distance of 0, both ends included.
const INT32_REACH: i64 = 1_000_000;

/// 2024-01-01T00:00:00Z, in nanoseconds since 1970.
const FIRST_TIMESTAMP: i64 = 1_704_067_200_000_000_000;

/// `ts_ns` spans 30 days, in nanoseconds.
const TIMESTAMP_SPAN: u64 = 30 * 24 * 3600 * 1_000_000_000;

/// `dec_18_4` lies within this distance of 0: a million, in units of 0.0001.
const DECIMAL_REACH: i64 = 1_000_000 * 10_000;

/// Longest list of `list_ints`, and the bound of its values.
const LIST_LENGTHS: u64 = 5;
const LIST_VALUES: u64 = 1_000;

/// Bytes of an offset and of a list's value.
const I32: usize = size_of::<i32>();

/// Numbers that seed the random columns. They are part of what a seed means: never renumber.
#[derive(Debug, Clone, Copy)]
enum Column {
    Int32 = 2,
    Float64 = 3,
    Float32 = 4,
    Bool = 5,
    Timestamp = 6,
    Decimal = 7,
    Words = 8,
    List = 9,
}

/// The seed number of the vocabulary, which belongs to no chunk.
const VOCABULARY: u64 = 1 << 32;

/// Makes any batch of one synthetic dataset.
#[derive(Debug)]
pub(super) struct Columns {
    schema: SchemaRef,
    batches: u64,
    rows: usize,
    seed: u64,
    encoding: Words,
    words: Arc<StringArray>,
    normal: Normal,
}

impl Columns {
    pub(super) fn new(options: &GenerateOptions) -> Self {
        let mut random = generator(&[options.seed, VOCABULARY]);
        let words = vocabulary(options.string_cardinality as usize, &mut random);
        Self {
            schema: generated_schema(options.words),
            batches: options.batches.into(),
            rows: options.rows as usize,
            seed: options.seed,
            encoding: options.words,
            words: Arc::new(StringArray::from(words)),
            normal: Normal::new(),
        }
    }

    /// The batch of a chunk.
    pub(super) fn batch(&self, id: ChunkId) -> Result<RecordBatch, IpcError> {
        self.rows_of(id, self.rows)
    }

    /// A batch with the schema and the dictionary of all others.
    pub(super) fn batch_without_rows(&self) -> Result<RecordBatch, IpcError> {
        self.rows_of(ChunkId::new(0, 0), 0)
    }

    fn rows_of(&self, id: ChunkId, rows: usize) -> Result<RecordBatch, IpcError> {
        let random = |column: Column| {
            let (partition, batch) = (id.partition.0, u64::from(id.batch.0));
            generator(&[self.seed, column as u64, partition, batch])
        };
        let words = self.words(rows, random(Column::Words));
        let columns = words.and_then(|words| {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(self.ids(id, rows)?),
                Arc::new(partitions(id, rows)?),
                Arc::new(integers(rows, random(Column::Int32))?),
                Arc::new(self.doubles(rows, random(Column::Float64))?),
                Arc::new(self.floats(rows, random(Column::Float32))?),
                Arc::new(booleans(rows, random(Column::Bool))),
                Arc::new(timestamps(rows, random(Column::Timestamp))?),
                Arc::new(decimals(rows, random(Column::Decimal))?),
                words,
                Arc::new(lists(rows, random(Column::List))?),
            ];
            RecordBatch::try_new(Arc::clone(&self.schema), columns)
        });
        columns.map_err(IpcError::arrow("a generated batch is refused"))
    }

    fn ids(&self, id: ChunkId, rows: usize) -> io::Result<Int64Array> {
        let chunk = id.partition.0 * self.batches + u64::from(id.batch.0);
        // The options were checked: every id of the dataset fits.
        let mut ids = (chunk * self.rows as u64).cast_signed()..;
        column(rows, || ids.next().unwrap_or(i64::MAX).to_ne_bytes())
    }

    fn doubles(&self, rows: usize, mut random: Xoshiro256PlusPlus) -> io::Result<Float64Array> {
        column(rows, || self.normal.sample(&mut random).to_ne_bytes())
    }

    fn floats(&self, rows: usize, mut random: Xoshiro256PlusPlus) -> io::Result<Float32Array> {
        #[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest float")]
        column(rows, || (self.normal.sample(&mut random) as f32).to_ne_bytes())
    }

    fn words(&self, rows: usize, mut random: Xoshiro256PlusPlus) -> Result<ArrayRef, ArrowError> {
        let count = self.words.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_CARDINALITY")]
        let mut key = || below(&mut random, count) as i32;
        match self.encoding {
            Words::Dictionary => {
                let keys: Int32Array = column(rows, || key().to_ne_bytes())?;
                Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(&self.words) as ArrayRef)?))
            }
            Words::Plain => {
                let mut text = StringBuilder::with_capacity(rows, rows * 8);
                // Keys are below the number of words, which is not negative.
                for _ in 0..rows {
                    text.append_value(self.words.value(key().unsigned_abs() as usize));
                }
                Ok(Arc::new(text.finish()))
            }
        }
    }
}

fn partitions(id: ChunkId, rows: usize) -> io::Result<Int32Array> {
    // The options were checked: there are at most i32::MAX partitions.
    let partition = i32::try_from(id.partition.0).unwrap_or(i32::MAX);
    column(rows, || partition.to_ne_bytes())
}

fn integers(rows: usize, mut random: Xoshiro256PlusPlus) -> io::Result<Int32Array> {
    #[expect(clippy::cast_possible_truncation, reason = "INT32_REACH is a million")]
    column(rows, || (around_zero(&mut random, INT32_REACH) as i32).to_ne_bytes())
}

fn booleans(rows: usize, mut random: Xoshiro256PlusPlus) -> BooleanArray {
    let words: Buffer = (0..rows.div_ceil(64)).map(|_| random.next_u64().to_le()).collect();
    BooleanArray::new(BooleanBuffer::new(words, 0, rows), None)
}

fn timestamps(rows: usize, mut random: Xoshiro256PlusPlus) -> io::Result<TimestampNanosecondArray> {
    column(rows, || {
        (FIRST_TIMESTAMP + below(&mut random, TIMESTAMP_SPAN).cast_signed()).to_ne_bytes()
    })
}

fn decimals(rows: usize, mut random: Xoshiro256PlusPlus) -> Result<Decimal128Array, ArrowError> {
    let next = || i128::from(around_zero(&mut random, DECIMAL_REACH)).to_ne_bytes();
    column::<Decimal128Type, 16>(rows, next)?.with_precision_and_scale(18, 4)
}

#[expect(clippy::cast_possible_truncation, reason = "lengths and values are below a thousand")]
fn lists(rows: usize, mut random: Xoshiro256PlusPlus) -> io::Result<ListArray> {
    let (mut offsets, mut values) =
        (Region::take((rows + 1) * I32)?, Region::take(rows * LIST_LENGTHS as usize * I32)?);
    let (ends, places) = (offsets.as_chunks_mut::<I32>().0, values.as_chunks_mut::<I32>().0);
    let mut end = 0;
    for (row, place) in ends.iter_mut().enumerate() {
        let start = end;
        if row > 0 {
            end += below(&mut random, LIST_LENGTHS + 1) as usize;
        }
        for value in &mut places[start..end] {
            *value = (below(&mut random, LIST_VALUES) as i32).to_ne_bytes();
        }
        // MAX_ROWS lists of five values stay below 2^31.
        *place = i32::try_from(end).unwrap_or(i32::MAX).to_ne_bytes();
    }
    let offsets = ScalarBuffer::new(offsets.freeze((rows + 1) * I32), 0, rows + 1);
    let values = Int32Array::new(ScalarBuffer::new(values.freeze(end * I32), 0, end), None);
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    Ok(ListArray::new(item, OffsetBuffer::new(offsets), Arc::new(values), None))
}

/// An integer from `-reach` to `reach`, both included.
#[inline]
fn around_zero(random: &mut Xoshiro256PlusPlus, reach: i64) -> i64 {
    below(random, 2 * reach.unsigned_abs() + 1).cast_signed() - reach
}

/// A generator for one place in the dataset: its numbers, each mixed into the state in turn.
fn generator(place: &[u64]) -> Xoshiro256PlusPlus {
    let mixed = place.iter().fold(0, |state: u64, number| mix(state ^ number));
    Xoshiro256PlusPlus::seed_from_u64(mixed)
}

/// One step of SplitMix64 (Steele, Lea and Flood 2014): every bit of the result depends on every
/// bit of the input.
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
