//! Brings batches that come with dictionaries of their own to one growing dictionary a column.
//!
//! A file has one dictionary for each field, chunks each carry their own. So the first batch's
//! dictionaries are taken as they are; whatever a later one holds that is not yet there is
//! appended, and that batch's keys are renumbered.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt64Array, make_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat;
use arrow_select::take::take;

use crate::nested::with_children;

use super::schema::children;

/// The dictionaries written so far, one for each place in the schema that has one.
#[derive(Debug, Default)]
pub(crate) struct DictionaryUnifier {
    places: Vec<Dictionary>,
    keys: Keys,
}

/// Whether a batch could keep its keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Its dictionaries are the beginnings of the unified ones.
    #[default]
    Kept,
    Renumbered,
}

impl DictionaryUnifier {
    /// The same batch, its keys counted in the unified dictionaries.
    ///
    /// # Errors
    /// When a dictionary outgrows the type of its keys.
    pub(crate) fn unify(&mut self, batch: &RecordBatch) -> Result<(RecordBatch, Keys), ArrowError> {
        let mut place = 0;
        self.keys = Keys::Kept;
        let columns = batch
            .columns()
            .iter()
            .map(|column| self.unify_array(column, &mut place))
            .collect::<Result<Vec<_>, _>>()?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let unified = RecordBatch::try_new_with_options(batch.schema(), columns, &options)?;
        Ok((unified, self.keys))
    }

    /// Unifies the dictionaries in one array; `place` counts them, those inside values first.
    fn unify_array(&mut self, array: &ArrayRef, place: &mut usize) -> Result<ArrayRef, ArrowError> {
        if !holds_dictionary(array.data_type()) {
            return Ok(array.clone());
        }
        let Some(dictionary) = array.as_any_dictionary_opt() else {
            return self.unify_children(array, place);
        };
        let inner = *place;
        let values = self.unify_inside(dictionary.values(), place)?;
        let here = *place;
        *place += 1;

        if here == self.places.len() {
            self.places.push(Dictionary::new(values.clone()));
        }
        let known = self.places[here].values.clone();
        if starts_with(&known, &values) {
            return Ok(dictionary.with_values(known));
        }
        self.keys = Keys::Renumbered;
        let renumbered = self.places[here].merge(&values)?;
        // Joining arrays that hold dictionaries may have renumbered those.
        let mut inside = inner;
        let joined = self.unify_inside(&self.places[here].values.clone(), &mut inside)?;
        self.places[here].values = joined.clone();
        renumber(array.as_ref(), &renumbered, &joined)
    }

    /// Like [`Self::unify_array`] for the values of a dictionary, which are none themselves.
    fn unify_inside(
        &mut self,
        values: &ArrayRef,
        place: &mut usize,
    ) -> Result<ArrayRef, ArrowError> {
        if !holds_dictionary(values.data_type()) {
            return Ok(values.clone());
        }
        self.unify_children(values, place)
    }

    fn unify_children(
        &mut self,
        array: &ArrayRef,
        place: &mut usize,
    ) -> Result<ArrayRef, ArrowError> {
        let data_type = array.data_type().clone();
        with_children(array, data_type, |child| self.unify_array(child, place))
    }
}

/// Whether a type is, or anywhere inside holds, a dictionary.
pub(crate) fn holds_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(_, _))
        || children(data_type).iter().any(|child| holds_dictionary(child.data_type()))
}

fn starts_with(known: &ArrayRef, values: &ArrayRef) -> bool {
    values.len() <= known.len() && known.slice(0, values.len()).to_data() == values.to_data()
}

/// The array with its keys replaced through `renumbered` and its values by `values`.
fn renumber(
    array: &dyn Array,
    renumbered: &UInt64Array,
    values: &ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    let keys = array.as_any_dictionary().keys();
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let in_key_type = cast_with_options(renumbered, keys.data_type(), &options)?;
    let keys = take(&in_key_type, keys, None)?;
    let data = keys.to_data().into_builder().data_type(array.data_type().clone());
    data.child_data(vec![values.to_data()]).build().map(make_array)
}

/// One growing dictionary.
#[derive(Debug)]
struct Dictionary {
    values: ArrayRef,
    /// Where each value stands, by its row encoding; made when the first other dictionary comes.
    index: Option<Index>,
}

#[derive(Debug)]
enum Index {
    ByValue {
        rows: RowConverter,
        places: HashMap<Box<[u8]>, u64>,
    },
    /// For types without a row encoding: every new dictionary is appended whole.
    None,
}

impl Dictionary {
    fn new(values: ArrayRef) -> Self {
        Self { values, index: None }
    }

    /// Appends what is new of `values`; returns the place of each of them.
    fn merge(&mut self, values: &ArrayRef) -> Result<UInt64Array, ArrowError> {
        if self.index.is_none() {
            self.index = Some(Index::of(&self.values)?);
        }
        let start = self.values.len() as u64;
        match self.index.as_mut() {
            Some(Index::ByValue { rows, places }) => {
                let mut fresh = Vec::new();
                let mut renumbered = Vec::with_capacity(values.len());
                let converted = rows.convert_columns(std::slice::from_ref(values))?;
                for (index, row) in converted.iter().enumerate() {
                    let next = start + fresh.len() as u64;
                    let place = *places.entry(row.data().into()).or_insert_with(|| {
                        fresh.push(index as u64);
                        next
                    });
                    renumbered.push(place);
                }
                let fresh = take(values, &UInt64Array::from(fresh), None)?;
                self.values = concat(&[&self.values, &fresh])?;
                Ok(renumbered.into())
            }
            Some(Index::None) | None => {
                self.values = concat(&[&self.values, values])?;
                Ok((start..start + values.len() as u64).collect::<Vec<_>>().into())
            }
        }
    }
}

impl Index {
    fn of(values: &ArrayRef) -> Result<Self, ArrowError> {
        let field = SortField::new(values.data_type().clone());
        if !RowConverter::supports_fields(std::slice::from_ref(&field)) {
            return Ok(Self::None);
        }
        let rows = RowConverter::new(vec![field])?;
        let converted = rows.convert_columns(std::slice::from_ref(values))?;
        let mut places = HashMap::with_capacity(values.len());
        for (place, row) in converted.iter().enumerate() {
            places.entry(row.data().into()).or_insert(place as u64);
        }
        Ok(Self::ByValue { rows, places })
    }
}
