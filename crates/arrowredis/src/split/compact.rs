//! Lets go of data that no row points at any more.
//!
//! Rows taken from a view column keep all of its data, and so do slices of some other types. Divided
//! into a thousand chunks, each would store the whole column.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{
    Array, ArrayRef, GenericByteViewArray, GenericListViewArray, OffsetSizeTrait, RecordBatch,
    RecordBatchOptions, UInt64Array,
};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, DataType, FieldRef, UnionMode};
use arrow_select::take::take;

use crate::ipc::schema::children;
use crate::nested::with_children;

/// The same rows, with view columns at any depth holding their own values only.
pub(super) fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    rebuilt(batch, batch.num_rows(), compact_array)
}

/// Some rows that lie together, without data of others.
pub(super) fn compact_slice(
    batch: &RecordBatch,
    rows: Range<usize>,
) -> Result<RecordBatch, ArrowError> {
    let places = UInt64Array::from_iter_values;
    rebuilt(batch, rows.len(), |column| {
        if !keeps_all(column.data_type()) {
            return Ok(column.slice(rows.start, rows.len()));
        }
        let rows = places(rows.clone().map(|row| row as u64));
        compact_array(&take(column, &rows, None)?)
    })
}

fn rebuilt(
    batch: &RecordBatch,
    rows: usize,
    change: impl FnMut(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(change).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

fn compact_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Utf8View => Ok(compact_views(array, array.as_string_view())),
        DataType::BinaryView => Ok(compact_views(array, array.as_binary_view())),
        DataType::ListView(item) => compact_lists::<i32>(array, item),
        DataType::LargeListView(item) => compact_lists::<i64>(array, item),
        nested if holds_view(nested) => with_children(array, nested.clone(), compact_array),
        _ => Ok(Arc::clone(array)),
    }
}

/// Views may share bytes, which are given to each when data is let go of: not if that takes more.
fn compact_views<T: ByteViewType + ?Sized>(
    array: &ArrayRef,
    views: &GenericByteViewArray<T>,
) -> ArrayRef {
    let held: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
    if views.total_buffer_bytes_used() < held { Arc::new(views.gc()) } else { Arc::clone(array) }
}

/// Lists may share values, too.
fn compact_lists<O: OffsetSizeTrait>(
    array: &ArrayRef,
    item: &FieldRef,
) -> Result<ArrayRef, ArrowError> {
    let lists = array.as_list_view::<O>();
    let length = |row| if lists.is_null(row) { 0 } else { lists.value_size(row).as_usize() };
    let used = (0..lists.len()).fold(0usize, |sum, row| sum.saturating_add(length(row)));
    if used >= lists.values().len() {
        return with_children(array, array.data_type().clone(), compact_array);
    }
    let (mut places, mut offsets, mut sizes) = (Vec::with_capacity(used), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        // No more than the values that there were, which offsets of this type could reach.
        offsets.push(O::usize_as(places.len()));
        sizes.push(O::usize_as(length(row)));
        let first = lists.value_offset(row).as_usize() as u64;
        places.extend(first..first + length(row) as u64);
    }
    let values = compact_array(&take(lists.values(), &UInt64Array::from(places), None)?)?;
    let (offsets, sizes) = (ScalarBuffer::from(offsets), ScalarBuffer::from(sizes));
    let nulls = lists.nulls().cloned();
    let lists = GenericListViewArray::try_new(Arc::clone(item), offsets, sizes, values, nulls)?;
    Ok(Arc::new(lists))
}

/// Whether a type holds views outside of dictionaries, which are stored whole in any case.
fn holds_view(data_type: &DataType) -> bool {
    is_view(data_type) || children(data_type).iter().any(|child| holds_view(child.data_type()))
}

fn is_view(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(data_type, T::Utf8View | T::BinaryView | T::ListView(_) | T::LargeListView(_))
}

/// Whether a slice would be stored with data of other rows. What stands inside of runs is left out:
/// a few runs can stand for more rows than could be taken one by one.
fn keeps_all(data_type: &DataType) -> bool {
    match data_type {
        DataType::RunEndEncoded(..) => false,
        DataType::Union(_, UnionMode::Dense) => true,
        other => is_view(other) || children(other).iter().any(|child| keeps_all(child.data_type())),
    }
}
