//! How much a flatbuffer may describe: what its own bytes can, each of them used about once.
//!
//! Its tables and texts are found by offsets, and several offsets may lead to the same place. A schema
//! of 2 KB whose fields share their children then unfolds to a million fields, and one whose fields
//! share a name of 1 MB to gigabytes.

use flatbuffers::VerifierOptions;

/// Fewest bytes that a table takes which nothing shares: the offset that leads to it, and its own to
/// what describes it.
const TABLE_BYTES: usize = 8;

/// How often the same bytes may be counted, where they are no tables: 8 times. Builders let tables share
/// the few bytes that describe them, and some let equal texts lie in one place.
const SHARING: usize = 8;

/// What may be shared in any flatbuffer: 64 KiB.
const ALWAYS: usize = 64 << 10;

/// The limits for a flatbuffer of so many bytes.
pub(super) fn limits(bytes: usize) -> VerifierOptions {
    VerifierOptions {
        max_tables: bytes / TABLE_BYTES + 1,
        max_apparent_size: bytes.saturating_mul(SHARING).saturating_add(ALWAYS),
        ..VerifierOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use arrow_ipc::{
        Field, FieldArgs, Message, MessageArgs, MessageHeader, MetadataVersion, Schema, SchemaArgs,
        Struct_, Struct_Args, Type, root_as_message, root_as_message_with_opts,
    };
    use flatbuffers::{FlatBufferBuilder, WIPOffset};

    use super::*;

    /// A schema message of structs inside one another, each field of which is written once and used
    /// `times` times.
    fn nested(depth: usize, times: usize) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let mut children: Vec<WIPOffset<Field<'_>>> = Vec::new();
        for _ in 0..depth {
            let inside = builder.create_vector(&children);
            let name = builder.create_string("f");
            let arguments = FieldArgs {
                name: Some(name),
                type_type: Type::Struct_,
                type_: Some(Struct_::create(&mut builder, &Struct_Args {}).as_union_value()),
                children: Some(inside),
                ..FieldArgs::default()
            };
            let field = Field::create(&mut builder, &arguments);
            children = vec![field; times];
        }
        let fields = Some(builder.create_vector(&children));
        let schema = Schema::create(&mut builder, &SchemaArgs { fields, ..Default::default() });
        let arguments = MessageArgs {
            version: MetadataVersion::V5,
            header_type: MessageHeader::Schema,
            header: Some(schema.as_union_value()),
            ..MessageArgs::default()
        };
        let message = Message::create(&mut builder, &arguments);
        builder.finish(message, None);
        builder.finished_data().to_vec()
    }

    #[test]
    fn what_unfolds_to_more_than_it_is_is_refused() {
        let honest = nested(20, 1);
        root_as_message_with_opts(&limits(honest.len()), &honest).unwrap();

        let bomb = nested(6, 8);
        assert!(bomb.len() < 1_000);
        root_as_message(&bomb).expect("the usual limits allow it");
        root_as_message_with_opts(&limits(bomb.len()), &bomb).unwrap_err();
    }
}
