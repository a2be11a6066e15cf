//! Where a batch is divided whose chunk would be too long.
//!
//! How long a part's chunk is says `form`; how parts are numbered, `partition`.

use std::collections::HashMap;
use std::iter;
use std::ops::Range;

use crate::error::{Error, FileError};

use super::assigned::{Assigned, Part};
use super::form::Form;
use super::undividable::Undividable;

/// Most chunks that one batch is divided into: about what one step can publish, so that a limit
/// which is far too small is refused before the whole batch was encoded row by row.
const MOST_PARTS: u64 = 400_000;

/// The parts that are divided: rows of each portion, by the part's place in file order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cuts(HashMap<u64, Vec<u64>>);

impl Cuts {
    pub(super) fn insert(&mut self, place: u64, rows: Vec<u64>) {
        self.0.insert(place, rows);
    }

    /// The parts that a part becomes, with those ranges of its rows; itself if it is not divided.
    pub(super) fn apply(&self, place: u64, part: Part) -> Vec<Part> {
        let Some(rows) = self.0.get(&place) else { return vec![part] };
        let part = part.shared();
        let mut end = 0;
        let portion = |rows: &u64| {
            let start = end;
            end += rows;
            part.portion(start..end)
        };
        rows.iter().map(portion).collect()
    }
}

/// A part whose chunk was measured.
#[derive(Debug)]
pub(super) struct Measured {
    /// Bytes of its chunks, at least.
    pub(super) bytes: u64,
    /// Rows of each portion; `None` if it is not divided.
    pub(super) cuts: Option<Vec<u64>>,
}

/// Encodes a part, and in portions if it is longer than `most` bytes, each at most that long.
///
/// The same part is divided in the same way each time. No row is encoded more often than its
/// batch's rows can be halved.
///
/// # Errors
/// [`FileError::Undividable`] when a row is too long by itself, or what every portion repeats.
pub(super) fn measure(assigned: &Assigned, form: &Form, most: u64) -> Result<Measured, Error> {
    let part = &assigned.part;
    let whole = form.length(part)?;
    if whole <= most {
        return Ok(Measured { bytes: whole, cuts: None });
    }
    let refused = |source| FileError::Undividable { path: form.path.to_path_buf(), most, source };
    let first_row = assigned.row(0);
    let rows = part.rows();
    let part = part.clone().shared();
    let repeated = form.length(&part.portion(0..0))?;
    if repeated > most {
        return Err(refused(Undividable::Repeated { row: first_row, bytes: repeated }).into());
    }
    let parts = whole.saturating_sub(repeated).div_ceil((most - repeated).max(1));
    let parts = parts.clamp(rows.min(2), rows.max(1));
    if parts > MOST_PARTS {
        return Err(refused(Undividable::Parts { row: first_row, parts, repeated }).into());
    }
    let mut bytes = 0u64;
    let cuts = cut(rows, parts, |rows| {
        let length = form.length(&part.portion(rows.clone()))?;
        let fits = length <= most;
        if !fits && rows.end - rows.start <= 1 {
            let row = assigned.row(rows.start);
            return Err(refused(Undividable::Row { row, bytes: length, repeated }).into());
        }
        bytes = bytes.saturating_add(if fits { length } else { 0 });
        Ok::<_, Error>(fits)
    })?;
    Ok(Measured { bytes, cuts: Some(cuts) })
}

/// Cuts rows into that many parts of about the same length, and halves those that do not fit.
///
/// A single row that does not fit must be an error of `fits`.
fn cut<E>(
    rows: u64,
    parts: u64,
    mut fits: impl FnMut(Range<u64>) -> Result<bool, E>,
) -> Result<Vec<u64>, E> {
    let mut cuts = Vec::new();
    let step = rows.div_ceil(parts).max(1);
    let mut start = 0;
    loop {
        let mut todo: Vec<_> = iter::once(start..rows.min(start + step)).collect();
        while let Some(part) = todo.pop() {
            let length = part.end - part.start;
            if fits(part.clone())? {
                cuts.push(length);
            } else {
                let middle = part.start + length.div_ceil(2);
                todo.extend([middle..part.end, part.start..middle]);
            }
        }
        start += step;
        if start >= rows {
            return Ok(cuts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Goal: all rows, in order, in parts that fit. Method: rows of arbitrary lengths.
        #[test]
        fn parts_are_in_order_and_fit(
            lengths in prop::collection::vec(0u64..100, 0..200),
            parts in 1u64..20,
        ) {
            const MOST: u64 = 100;
            let mut ends = vec![0];
            ends.extend(lengths.iter().scan(0, |end, length| {
                *end += length;
                Some(*end)
            }));
            let place = |row| ends[usize::try_from(row).unwrap()];
            let sum = |rows: Range<u64>| place(rows.end) - place(rows.start);
            let rows = lengths.len() as u64;
            let cuts = cut(rows, parts, |rows| Ok::<_, ()>(sum(rows) <= MOST)).unwrap();
            prop_assert_eq!(cuts.iter().sum::<u64>(), rows);
            let mut end = 0;
            for rows in cuts {
                prop_assert!(sum(end..end + rows) <= MOST);
                end += rows;
            }
        }
    }

    #[test]
    fn nothing_is_one_part() {
        assert_eq!(cut(0, 1, |_| Ok::<_, ()>(true)), Ok(vec![0]));
    }

    #[test]
    fn as_few_parts_as_fit_are_tried_first() {
        let mut tried = Vec::new();
        let cuts = cut(10, 3, |rows| {
            tried.push(rows.clone());
            Ok::<_, ()>(rows.end - rows.start <= 4 && rows != (4..8))
        });
        assert_eq!(cuts, Ok(vec![4, 2, 2, 2]));
        assert_eq!(tried, [0..4, 4..8, 4..6, 6..8, 8..10]);
    }
}
