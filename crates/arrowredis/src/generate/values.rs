//! A column's values, one by one.

use std::io;

use arrow_array::PrimitiveArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_buffer::ScalarBuffer;

use crate::region::Region;

/// A column of so many values without nulls, in memory that the next batch uses again.
///
/// # Errors
/// When there is not so much memory.
pub(super) fn column<T: ArrowPrimitiveType, const WIDTH: usize>(
    count: usize,
    mut next: impl FnMut() -> [u8; WIDTH],
) -> io::Result<PrimitiveArray<T>> {
    const { assert!(WIDTH == size_of::<T::Native>()) }
    // The options bound the rows of a batch, and a value has at most 16 bytes.
    let mut region = Region::take(count * WIDTH)?;
    let (places, _) = region.as_chunks_mut::<WIDTH>();
    for place in places {
        *place = next();
    }
    Ok(PrimitiveArray::new(ScalarBuffer::new(region.freeze(count * WIDTH), 0, count), None))
}
