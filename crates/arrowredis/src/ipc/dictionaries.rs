//! The dictionaries that are in force at a point of a file or stream: as messages to forward, and
//! decoded when something needs their values.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use arrow_array::{Array, ArrayRef};
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_schema::{ArrowError, Schema};
use arrow_select::concat::concat;

use super::IpcError;
use super::block::{aligned, most_encoded_bytes};
use super::check::{BatchShape, check_batch};
use super::guard::guard;
use super::message::Message;
use super::schema::{DictionaryField, SchemaMessage};

/// For each dictionary its last whole version and the deltas that came after it.
///
/// Cloned when it changes, so that a batch keeps the dictionaries of its own place in the stream.
#[derive(Debug, Default)]
pub(crate) struct Dictionaries {
    messages: BTreeMap<i64, Vec<(Message, BatchShape)>>,
    decoded: OnceLock<HashMap<i64, ArrayRef>>,
}

/// Whether a second whole version of a dictionary may come: in a stream it may, in a file not,
/// since a file's batches can be read in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replacement {
    Allowed,
    Forbidden,
}

impl Clone for Dictionaries {
    fn clone(&self) -> Self {
        Self { messages: self.messages.clone(), decoded: OnceLock::new() }
    }
}

impl Dictionaries {
    /// Takes a dictionary message: a first version, a new one, or a delta.
    pub(crate) fn apply(
        &mut self,
        message: Message,
        schema: &SchemaMessage,
        replacement: Replacement,
    ) -> Result<(), IpcError> {
        let at = message.at;
        let header = message.header();
        let (Some(batch), MessageHeader::DictionaryBatch) =
            (header.header_as_dictionary_batch(), message.kind())
        else {
            let found = format!("{:?}", message.kind());
            return Err(IpcError::invalid("a message", at, "a dictionary", found));
        };
        let (id, is_delta) = (batch.id(), batch.isDelta());
        let Some(field) = schema.dictionary(id) else {
            return Err(IpcError::invalid("a dictionary", at, "an id that the schema names", id));
        };
        let Some(values) = batch.data() else {
            return Err(IpcError::invalid("a dictionary", at, "values", "none"));
        };
        let shape = check_batch(values, &message.body, &field.values, message.version(), at)?;

        let known = self.messages.contains_key(&id);
        if is_delta && !known {
            let expected = format!("a first version of dictionary {id}");
            return Err(IpcError::invalid("a dictionary", at, expected, "a delta to none"));
        }
        if !is_delta && known && replacement == Replacement::Forbidden {
            let expected = format!("one version of dictionary {id} in a file");
            return Err(IpcError::invalid("a dictionary", at, expected, "a second one"));
        }
        let versions = self.messages.entry(id).or_default();
        if !is_delta {
            versions.clear();
        }
        versions.push((message, shape));
        self.decoded = OnceLock::new();
        Ok(())
    }

    /// The messages that a reader needs before a batch, in an order that any reader can take.
    pub(crate) fn messages<'a>(
        &'a self,
        schema: &'a SchemaMessage,
    ) -> impl Iterator<Item = &'a Message> {
        let fields = schema.dictionaries.iter();
        fields
            .filter_map(|field| self.messages.get(&field.id))
            .flatten()
            .map(|(message, _)| message)
    }

    /// Whether both consist of the same messages, byte for byte.
    pub(crate) fn same_messages(&self, other: &Self) -> bool {
        let same = |((one, _), (two, _)): (&(Message, _), &(Message, _))| {
            one.metadata == two.metadata && one.body == two.body
        };
        self.messages.len() == other.messages.len()
            && self.messages.iter().zip(&other.messages).all(|((id, ones), (other_id, twos))| {
                id == other_id && ones.len() == twos.len() && ones.iter().zip(twos).all(same)
            })
    }

    /// Bytes of memory that decoding all of them takes beyond the messages' own. What comes in several
    /// messages is copied once more, to join it.
    pub(crate) fn bytes_to_decode(&self) -> u64 {
        let of = |versions: &Vec<(Message, BatchShape)>| {
            let joined = versions.len() > 1;
            let shapes = versions.iter().map(|(_, shape)| shape);
            shapes
                .map(|shape| shape.bytes_to_decode() + if joined { shape.decoded_bytes } else { 0 })
                .fold(0, u64::saturating_add)
        };
        self.messages.values().map(of).fold(0, u64::saturating_add)
    }

    /// Most bytes that encoding all of them takes, whatever the codec.
    pub(crate) fn most_encoded_bytes(&self) -> u64 {
        let messages = self.messages.values().flatten();
        messages.fold(0, |sum, (message, shape)| {
            sum.saturating_add(most_encoded_bytes(message, shape.decoded_bytes))
        })
    }

    /// The values by dictionary id, decoded at the first call.
    pub(crate) fn decoded(
        &self,
        schema: &SchemaMessage,
    ) -> Result<&HashMap<i64, ArrayRef>, IpcError> {
        if let Some(decoded) = self.decoded.get() {
            return Ok(decoded);
        }
        let decoded = guard("a dictionary", || self.decode(schema))?;
        Ok(self.decoded.get_or_init(|| decoded))
    }

    fn decode(&self, schema: &SchemaMessage) -> Result<HashMap<i64, ArrayRef>, IpcError> {
        let damaged = IpcError::arrow("a dictionary is damaged");
        let mut decoded = HashMap::new();
        let mut all = || {
            for field in &schema.dictionaries {
                let versions = self.messages.get(&field.id).into_iter().flatten();
                let parts = versions.map(|(message, _)| values(message, field, &decoded));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                if let Some(joined) = join(&parts)? {
                    decoded.insert(field.id, joined);
                }
            }
            Ok(())
        };
        all().map_err(damaged)?;
        Ok(decoded)
    }
}

/// The values of one message; `inner` are the dictionaries that stand inside of them.
fn values(
    message: &Message,
    field: &DictionaryField,
    inner: &HashMap<i64, ArrayRef>,
) -> Result<ArrayRef, ArrowError> {
    let schema = Schema::new(field.values.clone()).into();
    let version = message.version();
    // `apply` has seen the header and its batch; a message cannot change.
    let batch = message.header().header_as_dictionary_batch().and_then(|batch| batch.data());
    let batch = batch.ok_or_else(|| ArrowError::IpcError("it has no values".to_owned()))?;
    let body = aligned(&message.body);
    let decoder = RecordBatchDecoder::try_new(&body, batch, schema, inner, &version)?;
    Ok(ArrayRef::clone(decoder.read_record_batch()?.column(0)))
}

/// A dictionary and its deltas as one, joined at once: one by one, the values would be copied as often
/// as there are deltas after them.
fn join(parts: &[ArrayRef]) -> Result<Option<ArrayRef>, ArrowError> {
    match parts {
        [] => Ok(None),
        [whole] => Ok(Some(ArrayRef::clone(whole))),
        several => {
            let several: Vec<&dyn Array> = several.iter().map(AsRef::as_ref).collect();
            concat(&several).map(Some)
        }
    }
}
