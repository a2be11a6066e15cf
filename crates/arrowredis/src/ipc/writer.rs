//! Writes messages one after another as a file, which ends in a footer, or as a stream.
//!
//! It takes messages that are made already, so that making them can be spread over cores.

use std::io::{self, Write};

use arrow_ipc::convert::IpcSchemaEncoder;
use arrow_ipc::writer::DictionaryTracker;
use arrow_ipc::{Block as FooterBlock, FooterBuilder, MetadataVersion};
use arrow_schema::SchemaRef;
use flatbuffers::FlatBufferBuilder;

use super::encode::{EncodedMessage, encode_schema};
use super::layout::{ALIGNMENT, END_OF_STREAM, Head};

/// The magic that opens a file, padded to the alignment, so that the stream inside is aligned too.
const OPENING: [u8; ALIGNMENT] = {
    let mut opening = [0; ALIGNMENT];
    let (magic, mut at) = (b"ARROW1", 0);
    while at < magic.len() {
        opening[at] = magic[at];
        at += 1;
    }
    opening
};

/// A file or stream that is being written.
#[derive(Debug)]
pub(crate) struct IpcWriter<W> {
    out: W,
    position: u64,
    footer: Option<FooterBlocks>,
}

/// What a file's footer will list. It grows by 24 bytes with each batch.
#[derive(Debug)]
struct FooterBlocks {
    schema: SchemaRef,
    dictionaries: Vec<FooterBlock>,
    batches: Vec<FooterBlock>,
}

impl<W: Write> IpcWriter<W> {
    /// Begins an IPC file.
    pub(crate) fn file(mut out: W, schema: SchemaRef) -> io::Result<Self> {
        out.write_all(&OPENING)?;
        let blocks =
            FooterBlocks { schema: schema.clone(), dictionaries: Vec::new(), batches: Vec::new() };
        let mut writer = Self { out, position: OPENING.len() as u64, footer: Some(blocks) };
        writer.schema(&schema)?;
        Ok(writer)
    }

    /// Begins an IPC stream.
    pub(crate) fn stream(out: W, schema: &SchemaRef) -> io::Result<Self> {
        let mut writer = Self { out, position: 0, footer: None };
        writer.schema(schema)?;
        Ok(writer)
    }

    /// Appends a dictionary's message.
    pub(crate) fn dictionary(&mut self, message: &EncodedMessage) -> io::Result<()> {
        let block = self.message(message)?;
        if let Some(footer) = &mut self.footer {
            footer.dictionaries.push(block);
        }
        Ok(())
    }

    /// Appends a batch's message.
    pub(crate) fn batch(&mut self, message: &EncodedMessage) -> io::Result<()> {
        let block = self.message(message)?;
        if let Some(footer) = &mut self.footer {
            footer.batches.push(block);
        }
        Ok(())
    }

    /// Writes the end mark and, in a file, the footer. Returns what was written to and how many
    /// bytes it took.
    pub(crate) fn finish(mut self) -> io::Result<(W, u64)> {
        self.write(&END_OF_STREAM)?;
        if let Some(footer) = self.footer.take() {
            let footer = footer.encode();
            let length = i32::try_from(footer.len())
                .map_err(|_| io::Error::other("the footer would take more than 2 GiB"))?;
            self.write(&footer)?;
            self.write(&length.to_le_bytes())?;
            self.write(b"ARROW1")?;
        }
        self.out.flush()?;
        Ok((self.out, self.position))
    }

    fn schema(&mut self, schema: &SchemaRef) -> io::Result<()> {
        self.message(&encode_schema(schema)).map(drop)
    }

    fn message(&mut self, message: &EncodedMessage) -> io::Result<FooterBlock> {
        let head = Head::at(self.position, &message.metadata).map_err(io::Error::other)?;
        let too_long = |_| io::Error::other("a message would lie past what the format can name");
        let block = FooterBlock::new(
            i64::try_from(self.position).map_err(too_long)?,
            i32::try_from(head.len).map_err(too_long)?,
            i64::try_from(message.body_len()).map_err(too_long)?,
        );
        self.write(&head.prefix)?;
        self.write(&message.metadata)?;
        self.write(head.padding)?;
        message.body.iter().try_for_each(|piece| self.write(piece))?;
        Ok(block)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl FooterBlocks {
    fn encode(&self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let dictionaries = builder.create_vector(&self.dictionaries);
        let batches = builder.create_vector(&self.batches);
        let mut tracker = DictionaryTracker::new(false);
        let schema = IpcSchemaEncoder::new()
            .with_dictionary_tracker(&mut tracker)
            .schema_to_fb_offset(&mut builder, &self.schema);
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(MetadataVersion::V5);
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        let footer = footer.finish();
        builder.finish(footer, None);
        builder.finished_data().to_vec()
    }
}
