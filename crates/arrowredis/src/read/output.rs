//! Writes what is read as an Arrow file or stream, encoding on all cores, in order.
//!
//! Where neither the codec nor the dictionaries change, a chunk's message is forwarded as it came.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_ipc::MetadataVersion;
use arrow_schema::{ArrowError, SchemaRef};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};

use crate::error::{Error, FileError};
use crate::ipc::Codec;
use crate::ipc::batch_metadata::BatchMetadata;
use crate::ipc::block::Block;
use crate::ipc::encode::{DictionaryEncoder, EncodedMessage, encode_body};
use crate::ipc::unify::{DictionaryUnifier, Keys, holds_dictionary};
use crate::ipc::writer::IpcWriter;
use crate::output_file::OutputFile;
use crate::pipeline;
use crate::progress::Progress;

use super::fetch::ReadChunk;

/// Where the rows go. Nothing is written before the first chunk is there.
pub(super) enum Output {
    File(OutputFile),
    Stream(Box<dyn Write + Send>),
}

/// Begins the file, so that a path that cannot be written fails before anything is read.
pub(super) fn file_output(path: &Path) -> Result<Output, FileError> {
    OutputFile::create(path).map(Output::File)
}

pub(super) fn stream_output(out: Box<dyn Write + Send>) -> Output {
    Output::Stream(out)
}

impl Output {
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file.path()),
            Self::Stream(_) => None,
        }
    }

    /// Writes all chunks; returns the bytes written, or `None` when there was no chunk at all and no
    /// schema is known beside theirs.
    pub(super) async fn write(
        self,
        known: Option<SchemaRef>,
        mut chunks: BoxStream<'static, Result<Vec<ReadChunk>, Error>>,
        codec: Option<Codec>,
        progress: &dyn Progress,
    ) -> Result<Option<u64>, Error> {
        let first = loop {
            match chunks.try_next().await? {
                Some(some) if some.is_empty() => {}
                Some(some) => break some,
                None => break Vec::new(),
            }
        };
        let schema = first.first().map(ReadChunk::schema).or(known);
        let Some(schema) = schema else { return Ok(None) };
        let dictionaries = Dictionaries::new(&self, &schema);
        let mut writer = Writer::start(self, schema)?;

        let chunks = stream::once(std::future::ready(Ok(first))).chain(chunks).boxed();
        let dictionaries = Arc::new(Mutex::new(dictionaries));
        let mut encoded = jobs(chunks, Arc::clone(&dictionaries), codec)
            .map_ok(|jobs| pipeline::compute(move || jobs.into_iter().map(Job::encode).collect()))
            .try_buffered(pipeline::jobs())
            .boxed();
        while let Some(encoded) = encoded.try_next().await? {
            let encoded: Vec<Encoded> = encoded;
            let works: Vec<_> = encoded.iter().map(|encoded| encoded.chunk.work()).collect();
            writer = pipeline::run(move || {
                encoded.into_iter().try_fold(writer, |writer, Encoded { messages, chunk }| {
                    // Given back only once it is written: it may be the chunk's own memory.
                    let _chunk = chunk;
                    writer.append(messages)
                })
            })
            .await?;
            works.into_iter().for_each(|work| progress.done(work));
        }
        drop(encoded);
        pipeline::run(move || {
            let last = lock(&dictionaries).after()?.into_iter().map(Message::Dictionary).collect();
            writer.append(last)?.finish().map(Some)
        })
        .await
    }
}

/// What is to be done for the chunks, decided in order and on another thread: comparing and joining
/// dictionaries computes.
fn jobs(
    chunks: BoxStream<'static, Result<Vec<ReadChunk>, Error>>,
    dictionaries: Arc<Mutex<Dictionaries>>,
    codec: Option<Codec>,
) -> impl Stream<Item = Result<Vec<Job>, Error>> + Send {
    chunks.and_then(move |some| {
        let dictionaries = Arc::clone(&dictionaries);
        pipeline::compute(move || {
            let mut dictionaries = lock(&dictionaries);
            some.into_iter().map(|chunk| dictionaries.prepare(chunk, codec)).collect()
        })
    })
}

fn lock(dictionaries: &Mutex<Dictionaries>) -> MutexGuard<'_, Dictionaries> {
    // After a panic under the lock the job's error ends the write, and nothing asks again.
    dictionaries.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message in the order in which it must be written.
enum Message {
    Dictionary(EncodedMessage),
    Batch(EncodedMessage),
}

/// A chunk's messages, ready, and the chunk whose memory they may share.
struct Encoded {
    messages: Vec<Message>,
    chunk: ReadChunk,
}

/// What is to be done for one chunk.
struct Job {
    /// Its batches, each after the dictionaries that a reader needs first.
    batches: Vec<(Vec<EncodedMessage>, Encode)>,
    chunk: ReadChunk,
}

enum Encode {
    Forward(Block),
    Anew(RecordBatch, BatchMetadata, Codec),
}

impl Job {
    fn encode(self) -> Result<Encoded, Error> {
        let mut messages = Vec::new();
        for (dictionaries, batch) in self.batches {
            messages.extend(dictionaries.into_iter().map(Message::Dictionary));
            messages.push(Message::Batch(match batch {
                Encode::Forward(Block { message, .. }) => {
                    EncodedMessage { metadata: message.metadata, body: vec![message.body] }
                }
                Encode::Anew(batch, metadata, codec) => encode_body(&batch, codec)
                    .and_then(|message| metadata.attach(message))
                    .map_err(Error::Encode)?,
            }));
        }
        Ok(Encoded { messages, chunk: self.chunk })
    }
}

/// Decides, chunk by chunk and in order, which dictionaries must be written and when.
enum Dictionaries {
    /// The schema has none.
    None,
    /// A stream's: before the batch, whenever they are new.
    Replaced(Box<DictionaryEncoder>),
    /// A file's: one for all batches, complete only after the last of them.
    Unified { unifier: DictionaryUnifier, path: PathBuf, last: Option<(RecordBatch, Codec)> },
}

impl Dictionaries {
    fn new(output: &Output, schema: &SchemaRef) -> Self {
        if !schema.fields().iter().any(|field| holds_dictionary(field.data_type())) {
            return Self::None;
        }
        match output {
            Output::File(file) => Self::Unified {
                unifier: DictionaryUnifier::default(),
                path: file.path().to_owned(),
                last: None,
            },
            Output::Stream(_) => Self::Replaced(Box::new(DictionaryEncoder::new(schema))),
        }
    }

    fn prepare(&mut self, chunk: ReadChunk, codec: Option<Codec>) -> Result<Job, Error> {
        let mut batches = Vec::with_capacity(chunk.batches.len());
        for (block, batch) in chunk.content.blocks.iter().zip(&chunk.batches) {
            let own = block.codec();
            let codec = codec.unwrap_or(own);
            let (dictionaries, batch, keys) = self.before(batch, codec)?;
            // Messages of an older metadata version may lay out unions in another way than the
            // version that the output announces.
            let same_layout = block.message.version() == MetadataVersion::V5;
            let forward = same_layout && codec == own && keys == Keys::Kept;
            let encode = if forward {
                Encode::Forward(block.clone())
            } else {
                Encode::Anew(batch, block.metadata(), codec)
            };
            batches.push((dictionaries, encode));
        }
        Ok(Job { batches, chunk })
    }

    /// What must stand before a batch, and the batch with the keys that it must have.
    fn before(
        &mut self,
        batch: &RecordBatch,
        codec: Codec,
    ) -> Result<(Vec<EncodedMessage>, RecordBatch, Keys), Error> {
        match self {
            Self::None => Ok((Vec::new(), batch.clone(), Keys::Kept)),
            Self::Replaced(encoder) => {
                let new = encoder.new_dictionaries(batch, codec).map_err(Error::Encode)?;
                Ok((new, batch.clone(), Keys::Kept))
            }
            Self::Unified { unifier, path, last } => {
                let refused = |source: ArrowError| FileError::Dictionaries {
                    path: path.clone(),
                    reason: source.to_string(),
                };
                let (batch, keys) = unifier.unify(batch).map_err(refused)?;
                *last = Some((batch.slice(0, 0), codec));
                Ok((Vec::new(), batch, keys))
            }
        }
    }

    /// What must stand after the last batch.
    fn after(&self) -> Result<Vec<EncodedMessage>, Error> {
        let Self::Unified { last: Some((batch, codec)), .. } = self else {
            return Ok(Vec::new());
        };
        // The last batch to be unified reads the whole dictionaries.
        let all = DictionaryEncoder::new(&batch.schema()).new_dictionaries(batch, *codec);
        all.map_err(Error::Encode)
    }
}

/// The file or stream that is being written.
enum Writer {
    File(IpcWriter<OutputFile>, PathBuf),
    Stream(IpcWriter<Box<dyn Write + Send>>),
}

impl Writer {
    fn start(output: Output, schema: SchemaRef) -> Result<Self, Error> {
        match output {
            Output::File(file) => {
                let path = file.path().to_owned();
                match IpcWriter::file(file, schema) {
                    Ok(writer) => Ok(Self::File(writer, path)),
                    Err(source) => Err(FileError::Write { path, source }.into()),
                }
            }
            Output::Stream(out) => {
                let writer = IpcWriter::stream(out, &schema);
                Ok(Self::Stream(writer.map_err(|source| FileError::Stream { source })?))
            }
        }
    }

    fn append(mut self, messages: Vec<Message>) -> Result<Self, Error> {
        for message in messages {
            match (&mut self, message) {
                (Self::File(writer, path), Message::Dictionary(m)) => writer
                    .dictionary(&m)
                    .map_err(|source| FileError::Write { path: path.clone(), source })?,
                (Self::File(writer, path), Message::Batch(m)) => writer
                    .batch(&m)
                    .map_err(|source| FileError::Write { path: path.clone(), source })?,
                (Self::Stream(writer), Message::Dictionary(m) | Message::Batch(m)) => {
                    writer.batch(&m).map_err(|source| FileError::Stream { source })?
                }
            }
        }
        Ok(self)
    }

    fn finish(self) -> Result<u64, Error> {
        match self {
            Self::File(writer, path) => {
                let finished = writer.finish();
                let (file, bytes) = finished.map_err(|source| FileError::Write { path, source })?;
                file.commit()?;
                Ok(bytes)
            }
            Self::Stream(writer) => {
                let (_, bytes) = writer.finish().map_err(|source| FileError::Stream { source })?;
                Ok(bytes)
            }
        }
    }
}
