//! An Arrow IPC file or stream on disk as a source of blocks, in order, without copying any.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_buffer::Buffer;
use arrow_ipc::{Block as FooterBlock, Footer, root_as_footer_with_opts};
use arrow_schema::SchemaRef;

use crate::error::FileError;

use super::IpcError;
use super::block::Block;
use super::dictionaries::{Dictionaries, Replacement};
use super::mapped_file::{self, Pages, Unmapped};
use super::message::{Message, Next, slice, supported};
use super::reread::Rereader;
use super::schema::{SchemaMessage, parse_schema};
use super::stream::{Stream, StreamBlocks};
use super::unfolding::limits;

const MAGIC: &[u8; 6] = b"ARROW1";

/// The footer's length and the magic that close a file.
const TRAILER_BYTES: usize = 4 + MAGIC.len();

/// How much of a file stays in memory behind the block that was handed out last, and how often the
/// rest is given back: 32 MiB, since blocks are still being decoded or sent for a while.
const BYTES_BEHIND: usize = 32 << 20;

/// Writers pad the opening magic to their alignment, which is 8 to 64 bytes.
const MAX_OPENING_BYTES: usize = 64;

/// A mapped Arrow file or stream whose schema, and in a file whose footer, has been read.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    bytes: u64,
    pages: Pages,
    rereader: Arc<Rereader>,
    container: Container,
}

/// What the bytes are: a file, whose footer says where its batches lie, or a stream of them.
#[derive(Debug)]
pub(crate) enum Container {
    File(ArrowFile),
    Stream(Stream),
}

impl Source {
    /// Maps a file and reads what stands before its batches. Also returned: the word that the map
    /// is gone, which comes when the source and all that was taken from it have been dropped.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be opened or does not begin, and end, like Arrow IPC.
    pub(crate) fn open(path: &Path) -> Result<(Self, Unmapped), FileError> {
        let (file, bytes, pages, unmapped) = open_and_map(path)?;
        let container = Container::open(&bytes)
            .map_err(|source| FileError::Content { path: path.to_owned(), source })?;
        let columns = container.schema_message().schema.fields().len();
        tracing::info!(?path, bytes = bytes.len(), columns, "opened");
        let rereader = Arc::new(Rereader::new(file, &bytes));
        let (path, bytes) = (path.to_owned(), bytes.len() as u64);
        Ok((Self { path, bytes, pages, rereader, container }, unmapped))
    }

    pub(crate) fn schema_message(&self) -> &Arc<SchemaMessage> {
        self.container.schema_message()
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema_message().schema
    }

    /// Size on disk in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads long parts without the map.
    pub(crate) fn rereader(&self) -> Arc<Rereader> {
        Arc::clone(&self.rereader)
    }

    /// The batches in file order. Ends after the first error.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Result<Block, FileError>> + Send + use<> {
        let path = self.path.clone();
        let blocks = self.container.blocks();
        let pages = self.pages.clone();
        let mut released = 0;
        blocks.map(move |block| {
            if let Ok(block) = &block {
                let at = usize::try_from(block.message.at).unwrap_or(0);
                if at.saturating_sub(released) > 2 * BYTES_BEHIND {
                    released = at - BYTES_BEHIND;
                    pages.release_before(released);
                }
            }
            block.map_err(|source| FileError::Content { path: path.clone(), source })
        })
    }
}

fn open_and_map(path: &Path) -> Result<(File, Buffer, Pages, Unmapped), FileError> {
    let failed = |source| FileError::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    if metadata.len() == 0 {
        // Nothing cannot be mapped on every system.
        let source = IpcError::NotArrow { len: 0, start: "nothing".to_owned() };
        return Err(FileError::Content { path: path.to_owned(), source });
    }
    let (bytes, pages, unmapped) = mapped_file::map(&file).map_err(failed)?;
    Ok((file, bytes, pages, unmapped))
}

impl Container {
    /// Reads what stands before the batches.
    pub(crate) fn open(bytes: &Buffer) -> Result<Self, IpcError> {
        if bytes.starts_with(MAGIC) {
            return ArrowFile::open(bytes).map(Self::File);
        }
        Stream::open(bytes.clone(), None).map(Self::Stream)
    }

    pub(crate) fn schema_message(&self) -> &Arc<SchemaMessage> {
        match self {
            Self::File(file) => &file.schema,
            Self::Stream(stream) => &stream.schema,
        }
    }

    /// The batches in order. Ends after the first error.
    pub(crate) fn blocks(&self) -> Box<dyn Iterator<Item = Result<Block, IpcError>> + Send> {
        match self {
            Self::File(file) => Box::new(file.blocks()),
            Self::Stream(stream) => Box::<StreamBlocks>::new(stream.blocks()),
        }
    }
}

/// A file: its batches stand in a footer, and its dictionaries hold for all of them.
#[derive(Debug)]
pub(crate) struct ArrowFile {
    schema: Arc<SchemaMessage>,
    dictionaries: Arc<Dictionaries>,
    batches: Arc<[FooterBlock]>,
    /// What lies before the footer.
    messages: Buffer,
}

impl ArrowFile {
    fn open(bytes: &Buffer) -> Result<Self, IpcError> {
        let (footer_bytes, messages) = split_footer(bytes)?;
        let at = messages.len() as u64;
        let footer = root_as_footer_with_opts(&limits(footer_bytes.len()), &footer_bytes)
            .map_err(|error| IpcError::invalid("the footer", at, "a valid flatbuffer", error))?;
        supported(footer.version())?;
        let schema = Self::schema(&messages, footer, at)?;
        if footer.custom_metadata().is_some_and(|pairs| !pairs.is_empty()) {
            tracing::warn!("the metadata of the file's footer belongs to no batch and is left out");
        }

        let mut dictionaries = Dictionaries::default();
        for block in footer.dictionaries().into_iter().flatten() {
            let message = read_block(&messages, block)?;
            dictionaries.apply(message, &schema, Replacement::Forbidden)?;
        }
        let batches = footer.recordBatches().into_iter().flatten().copied().collect();
        Ok(Self { schema, dictionaries: Arc::new(dictionaries), batches, messages })
    }

    /// The schema message at the start, which must say the same as the footer's copy.
    fn schema(
        messages: &Buffer,
        footer: Footer<'_>,
        at: u64,
    ) -> Result<Arc<SchemaMessage>, IpcError> {
        let Some(flat) = footer.schema() else {
            return Err(IpcError::invalid("the footer", at, "a schema", "none"));
        };
        let in_footer = parse_schema(flat, at)?;
        let Next::Message(message, _) = Message::read(messages, opening(messages))? else {
            return Err(IpcError::invalid("the first message", 0, "a schema", "the end mark"));
        };
        let schema = SchemaMessage::parse(message)?;
        if schema.schema != in_footer {
            let found = "two different ones";
            return Err(IpcError::invalid(
                "the footer",
                at,
                "the schema of the file's start",
                found,
            ));
        }
        Ok(schema)
    }

    fn blocks(&self) -> impl Iterator<Item = Result<Block, IpcError>> + Send + use<> {
        let (schema, dictionaries) = (Arc::clone(&self.schema), Arc::clone(&self.dictionaries));
        let (messages, batches) = (self.messages.clone(), Arc::clone(&self.batches));
        let mut failed = false;
        (0..batches.len()).map_while(move |index| {
            if failed {
                return None;
            }
            let block = read_block(&messages, &batches[index])
                .and_then(|m| Block::new(Arc::clone(&schema), Arc::clone(&dictionaries), m));
            failed = block.is_err();
            Some(block)
        })
    }
}

/// The footer's bytes and all that lies before it.
fn split_footer(bytes: &Buffer) -> Result<(Buffer, Buffer), IpcError> {
    let len = bytes.len();
    let trailer_at = len.saturating_sub(TRAILER_BYTES);
    if !bytes.ends_with(MAGIC) || trailer_at < MAGIC.len() {
        let (at, found) =
            (trailer_at as u64, format!("\"{}\"", bytes[trailer_at..].escape_ascii()));
        let expected = "ARROW1 at the end; the file was cut off or is still being written";
        return Err(IpcError::invalid("the file's last bytes", at, expected, found));
    }
    let length = slice(bytes, "the footer's length", trailer_at, 4)?;
    let length = i32::from_le_bytes(length.as_slice().try_into().expect("four bytes were sliced"));
    let start = usize::try_from(length).ok().and_then(|length| trailer_at.checked_sub(length));
    let Some(start) = start.filter(|start| *start >= MAGIC.len()) else {
        let expected = format!("at most {trailer_at}");
        return Err(IpcError::invalid("the footer's length", trailer_at as u64, expected, length));
    };
    Ok((bytes.slice_with_length(start, trailer_at - start), bytes.slice_with_length(0, start)))
}

/// Where the first message begins: after the magic and the zeros that pad it.
fn opening(messages: &Buffer) -> usize {
    (8..=MAX_OPENING_BYTES)
        .step_by(8)
        .find(|at| messages.get(*at..*at + 4).is_none_or(|word| word != [0; 4]))
        .unwrap_or(MAX_OPENING_BYTES)
}

/// The message that a block of the footer points at, which must be as long as the footer says.
fn read_block(messages: &Buffer, block: &FooterBlock) -> Result<Message, IpcError> {
    let invalid = |found: String| {
        let at = u64::try_from(block.offset()).unwrap_or(0);
        IpcError::invalid("a block of the footer", at, "a message of the same lengths", found)
    };
    let Ok(at) = usize::try_from(block.offset()) else {
        return Err(invalid(format!("the offset {}", block.offset())));
    };
    let Next::Message(message, end) = Message::read(messages, at)? else {
        return Err(invalid("the end mark".to_owned()));
    };
    let body = message.body.len();
    let head = end - body - at;
    let agrees = usize::try_from(block.metaDataLength()).is_ok_and(|length| length == head)
        && usize::try_from(block.bodyLength()).is_ok_and(|length| length == body);
    if !agrees {
        let claimed = (block.metaDataLength(), block.bodyLength());
        return Err(invalid(format!("{claimed:?} instead of {:?}", (head, body))));
    }
    Ok(message)
}
