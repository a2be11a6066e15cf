//! Arrays without dictionary or run-end encoding, so that equal values are equal arrays.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type, RunEndIndexType};
use arrow_array::{Array, ArrayRef, UInt64Array, make_array};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, UnionFields};
use arrow_select::take::take;

/// The schema with every dictionary type replaced by that of its values.
///
/// Run-end encoding stays in it: it is a type of its own, not a way to write another one.
pub(super) fn plain_schema(schema: &Schema) -> Schema {
    let fields: Vec<_> = schema.fields().iter().map(|f| plain_field(f, Runs::Kept)).collect();
    Schema::new(fields).with_metadata(schema.metadata().clone())
}

/// The same values, laid out without dictionaries and runs at any depth.
pub(super) fn plain(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if plain_type(array.data_type(), Runs::Expanded) == *array.data_type() {
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
        other => {
            let data = array.to_data();
            let children = data
                .child_data()
                .iter()
                .map(|child| plain(&make_array(child.clone())).map(|child| child.to_data()))
                .collect::<Result<Vec<_>, _>>()?;
            let data_type = plain_type(other, Runs::Expanded);
            data.into_builder().data_type(data_type).child_data(children).build().map(make_array)
        }
    }
}

fn expand_runs<R: RunEndIndexType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let runs = array.as_run::<R>();
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
