//! A batch's table as a flatbuffer, built a second time: with other buffers, or in another message.

use arrow_ipc::{
    BodyCompression, BodyCompressionArgs, Buffer as Place, CompressionType, FieldNode,
    RecordBatch as FlatBatch, RecordBatchArgs,
};
use flatbuffers::{FlatBufferBuilder, WIPOffset};

/// Copies a batch's table, with these buffers, compressed like this, instead of its own.
pub(super) fn copy_table<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    batch: FlatBatch<'_>,
    buffers: &[Place],
    compression: Option<CompressionType>,
) -> WIPOffset<FlatBatch<'b>> {
    let nodes: Vec<FieldNode> = batch.nodes().into_iter().flatten().copied().collect();
    let variadic: Option<Vec<i64>> =
        batch.variadicBufferCounts().map(|counts| counts.into_iter().collect());
    let compression = compression.map(|codec| {
        BodyCompression::create(builder, &BodyCompressionArgs { codec, ..Default::default() })
    });
    let arguments = RecordBatchArgs {
        length: batch.length(),
        nodes: Some(builder.create_vector(&nodes)),
        buffers: Some(builder.create_vector(buffers)),
        compression,
        variadicBufferCounts: variadic.map(|counts| builder.create_vector(&counts)),
    };
    FlatBatch::create(builder, &arguments)
}
