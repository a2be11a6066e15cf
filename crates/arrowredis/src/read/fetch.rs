//! Fetches chunks and decodes them, ahead of whoever takes them and in the order of the plan.
//!
//! Two stages, each with half of the byte budget: requests in flight, then decoding on all cores.
//! A second budget of its own lets a decoder never wait for bytes that only it could free.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::budget::{ByteBudget, Permit};
use crate::chunk::{ChunkContent, Common};
use crate::dataset::{ChunkId, DatasetName};
use crate::error::{DataError, Error};
use crate::key::chunk_key;
use crate::pipeline;
use crate::progress::Work;
use crate::schema_difference::schema_difference;
use crate::store::ChunkStore;

use super::ReadOptions;
use super::locate::Located;
use super::tally::Tally;

/// Bytes of small chunks that one request asks for. The server builds the whole reply before it
/// sends any of it; up to about this size that costs less than separate requests.
const BYTES_PER_REQUEST: u64 = 256 * 1024;

/// A chunk that is decoded. The bytes that it holds count against the budget while it lives.
#[derive(Debug)]
pub(super) struct ReadChunk {
    pub(super) content: ChunkContent,
    pub(super) batches: Vec<RecordBatch>,
    _fetched: Arc<Permit>,
    _decoded: Arc<Permit>,
}

impl ReadChunk {
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.content.schema.schema)
    }

    pub(super) fn work(&self) -> Work {
        let rows = self.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Work { chunks: 1, rows, bytes: self.content.bytes as u64 }
    }
}

/// Values of one request, as they came.
struct Fetched {
    values: Vec<(ChunkId, Buffer)>,
    permit: Permit,
}

/// Values of one request, their messages checked.
struct Parsed {
    contents: Vec<ChunkContent>,
    ids: Vec<ChunkId>,
    fetched: Permit,
    decoded: Permit,
}

/// The chunks, decoded, in order, together with those of the same request. Ends after the first
/// error.
pub(super) fn chunks<S: ChunkStore>(
    store: &S,
    dataset: &DatasetName,
    located: Vec<Located>,
    options: &ReadOptions,
    tally: Arc<Tally>,
) -> impl Stream<Item = Result<Vec<ReadChunk>, Error>> + Send + use<S> {
    let source = Source {
        store: store.clone(),
        dataset: dataset.clone(),
        allow_missing: options.allow_missing,
        tally,
    };
    let in_flight = ByteBudget::new(options.byte_budget / 2);
    let to_take = ByteBudget::new(options.byte_budget / 2);
    let source = Arc::new(source);
    let fetching = Arc::clone(&source);
    let decoding = Arc::clone(&source);

    stream::iter(requests(located, options.pipeline.max(1)))
        .then(move |request| {
            let budget = in_flight.clone();
            async move {
                let permit = budget.acquire(request.iter().map(|chunk| chunk.bytes).sum()).await;
                (request, permit)
            }
        })
        .map(move |(request, permit)| Arc::clone(&fetching).fetch(request, permit))
        .buffered(options.concurrency.max(1))
        .scan(None, move |first, fetched| {
            let parsed = fetched.and_then(|fetched| source.parse(fetched, first));
            std::future::ready(Some(parsed))
        })
        .and_then(move |(parsed, fetched)| {
            let budget = to_take.clone();
            async move {
                let bytes = parsed.iter().map(|(_, content)| content.bytes_to_decode()).sum();
                let decoded = budget.acquire(bytes).await;
                let (ids, contents) = parsed.into_iter().unzip();
                Ok(Parsed { contents, ids, fetched, decoded })
            }
        })
        .map_ok(move |parsed| {
            let source = Arc::clone(&decoding);
            pipeline::run(move || source.decode(parsed))
        })
        .try_buffered(pipeline::cores())
        .boxed()
}

/// Divides the plan into requests: of one partition each, small chunks together.
fn requests(located: Vec<Located>, most: usize) -> Vec<Vec<Located>> {
    let mut requests: Vec<Vec<Located>> = Vec::new();
    let mut bytes = 0;
    for chunk in located {
        bytes += chunk.bytes;
        match requests.last_mut() {
            Some(last)
                if bytes <= BYTES_PER_REQUEST
                    && last.len() < most
                    && last[0].id.partition == chunk.id.partition =>
            {
                last.push(chunk);
            }
            _ => {
                bytes = chunk.bytes;
                requests.push(vec![chunk]);
            }
        }
    }
    requests
}

/// The first chunk, whose schema all others must have, and what the last one shares with the next.
struct First {
    id: ChunkId,
    schema: SchemaRef,
    common: Common,
}

/// What all stages know.
struct Source<S> {
    store: S,
    dataset: DatasetName,
    allow_missing: bool,
    tally: Arc<Tally>,
}

impl<S: ChunkStore> Source<S> {
    async fn fetch(
        self: Arc<Self>,
        request: Vec<Located>,
        permit: Permit,
    ) -> Result<Fetched, Error> {
        let keys = request.iter().map(|chunk| chunk_key(&self.dataset, chunk.id)).collect();
        self.tally.requested();
        let found = self.store.get(keys).await?;
        let mut values = Vec::with_capacity(found.len());
        for (chunk, value) in request.iter().zip(found) {
            match value {
                Some(value) => values.push((chunk.id, value)),
                None if self.allow_missing => self.tally.missing(self.key(chunk.id)),
                None => {
                    let why = "it was there when this read began".to_owned();
                    return Err(DataError::Missing { key: self.key(chunk.id), why }.into());
                }
            }
        }
        let bytes: u64 = values.iter().map(|(_, value)| value.len() as u64).sum();
        if let Some((first, _)) = values.first() {
            tracing::debug!(first = self.key(*first), chunks = values.len(), bytes, "fetched");
        }
        self.tally.replied(values.len() as u64, bytes);
        Ok(Fetched { values, permit })
    }

    /// Checks the messages of each value, and that all have the schema of the first one.
    fn parse(
        &self,
        fetched: Fetched,
        first: &mut Option<First>,
    ) -> Result<(Vec<(ChunkId, ChunkContent)>, Permit), Error> {
        let mut parsed = Vec::with_capacity(fetched.values.len());
        for (id, value) in fetched.values {
            let common = first.as_ref().map(|first| &first.common);
            let content = ChunkContent::parse(value, common)
                .map_err(|source| DataError::Damaged { key: self.key(id), source })?;
            let first = first.get_or_insert_with(|| First {
                id,
                schema: Arc::clone(&content.schema.schema),
                common: content.common(),
            });
            if let Some(difference) = schema_difference(&first.schema, &content.schema.schema) {
                let (key, first) = (self.key(id), self.key(first.id));
                return Err(DataError::SchemaDiffers { key, first, difference }.into());
            }
            first.common = content.common();
            parsed.push((id, content));
        }
        Ok((parsed, fetched.permit))
    }

    fn decode(&self, parsed: Parsed) -> Result<Vec<ReadChunk>, Error> {
        let started = Instant::now();
        let (fetched, decoded) = (Arc::new(parsed.fetched), Arc::new(parsed.decoded));
        let mut chunks = Vec::with_capacity(parsed.contents.len());
        let mut rows = 0;
        for (id, content) in parsed.ids.into_iter().zip(parsed.contents) {
            let batches = content
                .decode()
                .map_err(|source| DataError::Damaged { key: self.key(id), source })?;
            rows += batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
            let (_fetched, _decoded) = (Arc::clone(&fetched), Arc::clone(&decoded));
            chunks.push(ReadChunk { content, batches, _fetched, _decoded });
        }
        self.tally.decoded(rows, started.elapsed());
        Ok(chunks)
    }

    fn key(&self, id: ChunkId) -> String {
        chunk_key(&self.dataset, id)
    }
}
