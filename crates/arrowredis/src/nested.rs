//! Rebuilds a nested array with other children, whatever its type.

use arrow_array::{Array, ArrayRef, make_array};
use arrow_schema::{ArrowError, DataType};

/// The array with each of its children replaced by what `change` makes of it.
///
/// `data_type` is the type that it has then; its own buffers stay.
pub(crate) fn with_children(
    array: &ArrayRef,
    data_type: DataType,
    mut change: impl FnMut(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let children = data
        .child_data()
        .iter()
        .map(|child| change(&make_array(child.clone())).map(|child| child.to_data()))
        .collect::<Result<Vec<_>, _>>()?;
    data.into_builder().data_type(data_type).child_data(children).build().map(make_array)
}
