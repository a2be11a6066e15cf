//! Arrays without dictionary or run-end encoding, so that equal values are equal arrays.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type, RunEndIndexType};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, UnionFields};
use arrow_select::take::take;

use crate::nested::with_children;

/// The schema with every dictionary type replaced by that of its values.
///
/// Run-end encoding stays in it: it is a type of its own, not a way to write another one.
pub(super) fn plain_schema(schema: &Schema) -> Schema {
    let fields: Vec<_> = schema.fields().iter().map(|f| plain_field(f, Runs::Kept)).collect();
    Schema::new(fields).with_metadata(schema.metadata().clone())
}

/// All columns of a batch laid out plainly, under the schema that [`plain_schema`] gives but for runs.
pub(super) fn plain_batch(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(plain).collect::<Result<Vec<_>, _>>()?;
    let fields = batch.schema_ref().fields().iter();
    // A key that points at a null value is not null itself; the plain value is. Inside other types
    // Arrow forbids such keys where it forbids nulls.
    let plain = |field| plain_field(field, Runs::Expanded).as_ref().clone().with_nullable(true);
    let fields: Vec<_> = fields.map(plain).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// Most values that the runs of one array are expanded to: 64 Mi. Top-level columns come in shorter
/// stretches; only runs inside lists can be longer.
const MOST_EXPANDED: usize = 64 << 20;

/// The same values, laid out without dictionaries and runs at any depth.
pub(super) fn plain(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data_type = plain_type(array.data_type(), Runs::Expanded);
    if data_type == *array.data_type() {
        return Ok(Arc::clone(array));
    }
    match array.data_type() {
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            take(&plain(dictionary.values())?, dictionary.keys(), None)
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => expand_runs::<Int16Type>(array),
            DataType::Int32 => expand_runs::<Int32Type>(array),
            _ => expand_runs::<Int64Type>(array),
        },
        _ => with_children(array, data_type, plain),
    }
}

fn expand_runs<R: RunEndIndexType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let runs = array.as_run::<R>();
    if runs.len() > MOST_EXPANDED {
        return Err(ArrowError::NotYetImplemented(format!(
            "comparing lists of runs that stand for {} values",
            runs.len()
        )));
    }
    let rows: Vec<u64> = (0..runs.len() as u64).collect();
    let places = runs.get_physical_indices(&rows)?;
    let places = UInt64Array::from_iter_values(places.into_iter().map(|place| place as u64));
    take(&plain(runs.values())?, &places, None)
}

/// Whether run-end encoding is taken away, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Kept,
    Expanded,
}

fn plain_field(field: &FieldRef, runs: Runs) -> FieldRef {
    let data_type = plain_type(field.data_type(), runs);
    Arc::new(
        Field::new(field.name(), data_type, field.is_nullable())
            .with_metadata(field.metadata().clone()),
    )
}

fn plain_type(data_type: &DataType, runs: Runs) -> DataType {
    use DataType as T;
    let field = |field: &FieldRef| plain_field(field, runs);
    match data_type {
        T::Dictionary(_, values) => plain_type(values, runs),
        T::RunEndEncoded(_, values) if runs == Runs::Expanded => {
            plain_type(values.data_type(), runs)
        }
        T::RunEndEncoded(ends, values) => T::RunEndEncoded(Arc::clone(ends), field(values)),
        T::List(child) => T::List(field(child)),
        T::LargeList(child) => T::LargeList(field(child)),
        T::ListView(child) => T::ListView(field(child)),
        T::LargeListView(child) => T::LargeListView(field(child)),
        T::FixedSizeList(child, size) => T::FixedSizeList(field(child), *size),
        T::Map(child, sorted) => T::Map(field(child), *sorted),
        T::Struct(fields) => T::Struct(fields.iter().map(field).collect()),
        T::Union(fields, mode) => {
            let plain = fields.iter().map(|(id, child)| (id, field(child)));
            T::Union(plain.collect::<UnionFields>(), *mode)
        }
        other => other.clone(),
    }
}
