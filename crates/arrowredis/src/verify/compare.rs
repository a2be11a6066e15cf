//! The first row and column in which two stretches of rows differ.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, Fields};

use crate::ipc::IpcError;

use super::plain::plain;

/// Longest value in a report, in characters.
const MOST_CHARACTERS: usize = 200;

/// A place where two stretches differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) row: usize,
    pub(super) column: String,
    pub(super) value1: String,
    pub(super) value2: String,
}

/// Compares stretches of the same length whose schemas agree but for their encodings.
pub(super) fn first_difference(
    one: &Option<RecordBatch>,
    two: &Option<RecordBatch>,
    columns: &Fields,
) -> Result<Option<Found>, IpcError> {
    let (Some(one), Some(two)) = (one, two) else {
        return Ok(None);
    };
    differ(one, two, columns).map_err(IpcError::arrow("values cannot be compared"))
}

fn differ(
    one: &RecordBatch,
    two: &RecordBatch,
    columns: &Fields,
) -> Result<Option<Found>, ArrowError> {
    let mut first: Option<(usize, usize, ArrayRef, ArrayRef)> = None;
    for (column, (a, b)) in one.columns().iter().zip(two.columns()).enumerate() {
        let (a, b) = (plain(a)?, plain(b)?);
        // Only rows before the first difference so far can bring it forward.
        let rows = first.as_ref().map_or(a.len(), |(row, ..)| *row);
        if !same(&a, &b, rows) {
            first = Some((first_row(&a, &b, rows), column, a, b));
        }
    }
    let Some((row, column, a, b)) = first else {
        return Ok(None);
    };
    Ok(Some(Found {
        row,
        column: columns[column].name().clone(),
        value1: shown(&a, row)?,
        value2: shown(&b, row)?,
    }))
}

fn same(a: &ArrayRef, b: &ArrayRef, rows: usize) -> bool {
    a.slice(0, rows).to_data() == b.slice(0, rows).to_data()
}

/// The first of `rows` rows that differs, found by halving: the rows before it are all equal.
fn first_row(a: &ArrayRef, b: &ArrayRef, rows: usize) -> usize {
    let (mut equal, mut differ) = (0, rows);
    while equal + 1 < differ {
        let middle = equal + (differ - equal) / 2;
        let stretch = |array: &ArrayRef| array.slice(equal, middle - equal);
        if same(&stretch(a), &stretch(b), middle - equal) {
            equal = middle;
        } else {
            differ = middle;
        }
    }
    equal
}

fn shown(array: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    let options = FormatOptions::default().with_null("null");
    let text = ArrayFormatter::try_new(array, &options)?
        .value(row)
        .try_to_string()?;
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(MOST_CHARACTERS).collect();
    Ok(if characters.next().is_some() {
        format!("{start}…")
    } else {
        start
    })
}
