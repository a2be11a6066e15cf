//! The schema message: what every other message of a file or stream is read by.

use std::sync::Arc;

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{Endianness, MessageHeader, Schema as FlatSchema};
use arrow_schema::{DataType, Field, Fields, SchemaRef};

use super::IpcError;
use super::guard::guard;
use super::message::Message;

/// A schema, as it lies in its message and as Arrow's type.
#[derive(Debug)]
pub(crate) struct SchemaMessage {
    pub(crate) schema: SchemaRef,
    /// The fields that are dictionary-encoded, those inside another one's values first: the order
    /// in which any reader can take their dictionaries.
    pub(crate) dictionaries: Vec<DictionaryField>,
    /// The message to forward.
    pub(crate) message: Message,
}

/// A dictionary that the schema names.
#[derive(Debug, Clone)]
pub(crate) struct DictionaryField {
    pub(crate) id: i64,
    /// A field of the values' type, as a batch of the dictionary is read by.
    pub(crate) values: Fields,
}

impl SchemaMessage {
    /// Takes a message that must hold a schema.
    pub(crate) fn parse(message: Message) -> Result<Arc<Self>, IpcError> {
        let header = message.header();
        let Some(flat) = header.header_as_schema() else {
            let found = format!("{:?}", header.header_type());
            return Err(IpcError::invalid("the first message", message.at, "a schema", found));
        };
        let schema = parse_schema(flat, message.at)?;
        let dictionaries = dictionary_fields(schema.fields(), message.at)?;
        Ok(Arc::new(Self { schema, dictionaries, message }))
    }

    pub(crate) fn dictionary(&self, id: i64) -> Option<&DictionaryField> {
        self.dictionaries.iter().find(|field| field.id == id)
    }
}

/// A schema from its flatbuffer table, refused if its data would not be little-endian.
pub(crate) fn parse_schema(flat: FlatSchema<'_>, at: u64) -> Result<SchemaRef, IpcError> {
    if flat.endianness() != Endianness::Little {
        return Err(IpcError::Unsupported {
            what: format!("{:?}-endian data (little-endian is)", flat.endianness()),
        });
    }
    if flat.fields().is_none() {
        return Err(IpcError::invalid("the schema", at, "a list of fields", "none"));
    }
    let schema = guard("the schema", || {
        try_fb_to_schema(flat).map(Arc::new).map_err(IpcError::arrow("the schema is damaged"))
    })?;
    schema.fields().iter().try_for_each(|field| check_type(field.data_type(), at))?;
    Ok(schema)
}

/// Refuses types that the library takes for a schema's and panics at with data of them, or with none.
fn check_type(data_type: &DataType, at: u64) -> Result<(), IpcError> {
    use DataType as T;
    let invalid = |expected: &str| Err(IpcError::invalid("the schema", at, expected, data_type));
    match data_type {
        T::FixedSizeBinary(width) | T::FixedSizeList(_, width) if *width < 0 => {
            return invalid("a width of 0 or more");
        }
        T::RunEndEncoded(ends, _) if !ends.data_type().is_run_ends_type() || ends.is_nullable() => {
            return invalid("signed run ends of 16, 32 or 64 bits that are never null");
        }
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(pair)
                if pair.len() == 2 && !entries.is_nullable() && !pair[0].is_nullable() => {}
            _ => return invalid("a map's keys and values, neither key nor pair of them null"),
        },
        T::Dictionary(_, values) => check_type(values, at)?,
        _ => {}
    }
    children(data_type).into_iter().try_for_each(|child| check_type(child.data_type(), at))
}

fn dictionary_fields(fields: &Fields, at: u64) -> Result<Vec<DictionaryField>, IpcError> {
    let mut found = Vec::new();
    for field in fields {
        collect_dictionaries(field, at, &mut found)?;
    }
    Ok(found)
}

fn collect_dictionaries(
    field: &Field,
    at: u64,
    found: &mut Vec<DictionaryField>,
) -> Result<(), IpcError> {
    let DataType::Dictionary(_, values) = field.data_type() else {
        for child in children(field.data_type()) {
            collect_dictionaries(child, at, found)?;
        }
        return Ok(());
    };
    for child in children(values) {
        collect_dictionaries(child, at, found)?;
    }
    #[expect(deprecated, reason = "the only way to learn which dictionary a field reads")]
    let id = field.dict_id();
    let Some(id) = id else {
        return Err(IpcError::invalid("the schema", at, "an id for every dictionary", "none"));
    };
    let values = Fields::from(vec![Field::new("", values.as_ref().clone(), true)]);
    match found.iter().find(|other| other.id == id) {
        None => found.push(DictionaryField { id, values }),
        Some(other) if other.values == values => {}
        Some(_) => {
            let expected = "one type of values for each dictionary";
            return Err(IpcError::invalid("the schema", at, expected, format!("two for id {id}")));
        }
    }
    Ok(())
}

/// The fields directly inside a type, in the order of the format's depth-first walk.
pub(crate) fn children(data_type: &DataType) -> Vec<&Field> {
    match data_type {
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::ListView(child)
        | DataType::LargeListView(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => vec![child],
        DataType::Struct(fields) => fields.iter().map(Arc::as_ref).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.as_ref()).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends, values],
        _ => Vec::new(),
    }
}

/// Whether a message announces a batch, a dictionary, or something that has no place in a stream.
pub(crate) fn refuse_header(message: &Message) -> IpcError {
    match message.kind() {
        MessageHeader::Tensor | MessageHeader::SparseTensor => {
            IpcError::Unsupported { what: "a tensor among record batches".to_owned() }
        }
        other => IpcError::invalid(
            "a message",
            message.at,
            "a record batch or a dictionary",
            format!("{other:?}"),
        ),
    }
}
