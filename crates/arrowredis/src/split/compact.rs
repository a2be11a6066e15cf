//! Lets go of text and binary data that no row points at any more.
//!
//! Rows taken from a view column keep all of its data buffers. Divided into a thousand partitions,
//! each chunk would store the whole column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType};

use crate::ipc::schema::children;
use crate::nested::with_children;

/// The same rows, with view columns at any depth holding their own values only.
pub(super) fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(compact_array).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

fn compact_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Utf8View => Ok(Arc::new(array.as_string_view().gc())),
        DataType::BinaryView => Ok(Arc::new(array.as_binary_view().gc())),
        nested if holds_view(nested) => with_children(array, nested.clone(), compact_array),
        _ => Ok(Arc::clone(array)),
    }
}

/// Whether a type holds views outside of dictionaries, which are stored whole in any case.
fn holds_view(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::BinaryView)
        || children(data_type).iter().any(|child| holds_view(child.data_type()))
}
