//! The dictionaries that are in force at a point of a file or stream: as messages to forward, and
//! decoded when something needs their values.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use arrow_array::ArrayRef;
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::read_dictionary;

use super::IpcError;
use super::block::most_encoded_bytes;
use super::check::{BatchShape, check_batch};
use super::guard::guard;
use super::message::Message;
use super::schema::SchemaMessage;

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

    /// Bytes of memory that decoding all of them takes beyond the messages' own.
    pub(crate) fn bytes_to_decode(&self) -> u64 {
        self.messages.values().flatten().map(|(_, shape)| shape.bytes_to_decode()).sum()
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
        let mut decoded = HashMap::new();
        for message in self.messages(schema) {
            // `apply` has seen this header; a message cannot change.
            let Some(batch) = message.header().header_as_dictionary_batch() else {
                continue;
            };
            read_dictionary(&message.body, batch, &schema.schema, &mut decoded, &message.version())
                .map_err(IpcError::arrow("a dictionary is damaged"))?;
        }
        Ok(decoded)
    }
}
