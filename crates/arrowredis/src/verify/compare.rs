//! The first row and column in which two stretches of rows differ.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Fields};

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

/// Compares stretches of the same length, laid out plainly.
pub(super) fn first_difference(
    one: &RecordBatch,
    two: &RecordBatch,
    columns: &Fields,
) -> Option<Found> {
    let mut first: Option<(usize, usize, &ArrayRef, &ArrayRef)> = None;
    for (column, (a, b)) in one.columns().iter().zip(two.columns()).enumerate() {
        // Only rows before the first difference so far can bring it forward.
        let rows = first.as_ref().map_or(a.len(), |(row, ..)| *row);
        if !same(a, b, rows) {
            first = Some((first_row(a, b, rows), column, a, b));
        }
    }
    let (row, column, a, b) = first?;
    Some(Found {
        row,
        column: columns[column].name().clone(),
        value1: shown(a, row),
        value2: shown(b, row),
    })
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

/// A value as text: as Arrow shows it or, where it cannot (a date beyond any calendar, a zone by
/// name), as the number that is stored.
fn shown(array: &ArrayRef, row: usize) -> String {
    let value = array.slice(row, 1);
    let text = formatted(&value).or_else(|_| {
        let number = if value.data_type().primitive_width() == Some(4) {
            DataType::Int32
        } else {
            DataType::Int64
        };
        Ok::<_, ArrowError>(format!(
            "{} as {}",
            formatted(&cast(&value, &number)?)?,
            value.data_type()
        ))
    });
    let text = text.unwrap_or_else(|error| format!("a value that cannot be shown ({error})"));
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(MOST_CHARACTERS).collect();
    if characters.next().is_some() { format!("{start}…") } else { start }
}

/// The only value of an array.
fn formatted(value: &ArrayRef) -> Result<String, ArrowError> {
    let options = FormatOptions::default().with_null("null");
    ArrayFormatter::try_new(value, &options)?.value(0).try_to_string()
}
