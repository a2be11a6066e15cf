//! Fetches chunks and decodes them, ahead of whoever takes them and in the order of the plan.
//!
//! Two stages, each with half of the byte budget: requests in flight, then decoding on all cores.
//! A second budget of its own lets a decoder never wait for bytes that only it could free.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use futures::{Stream, StreamExt, TryStreamExt, future, stream};

use crate::budget::{ByteBudget, Permit};
use crate::chunk::{ChunkContent, Common};
use crate::dataset::{ChunkId, DatasetName};
use crate::error::{DataError, Error};
use crate::ipc::Codec;
use crate::key::{chunk_key, manifest_key};
use crate::manifest::{ChunkEntry, StoredCodec};
use crate::pipeline;
use crate::progress::Work;
use crate::schema_difference::schema_difference;
use crate::store::{ChunkStore, StoreError};

use super::ReadOptions;
use super::found::{Found, found};
use super::locate::{Edition, Located, Target, Unlisting};
use super::recheck::{Mismatch, look_again};
use super::tally::Tally;

/// Bytes of small chunks that are asked for, checked and decoded together. Handing fewer from thread to
/// thread costs a tenth of the time, and more would leave cores without work where a read is short.
const BYTES_PER_REQUEST: u64 = 1 << 20;

/// So many requests fit into a budget at least, so that a small one is not one request after the other.
const REQUESTS_IN_BUDGET: u64 = 16;

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

/// Values of one request that are what the manifest says, their messages checked.
struct Fetched {
    values: Vec<Value>,
    permit: Permit,
}

/// A value, with what parsing it gave. What is wrong with it is told in the order of the plan.
struct Value {
    chunk: Located,
    bytes: u64,
    content: Result<ChunkContent, DataError>,
}

/// Values of one request that belong to the dataset.
struct Agreed {
    contents: Vec<ChunkContent>,
    ids: Vec<ChunkId>,
    fetched: Permit,
    decoded: Permit,
}

/// The chunks, decoded, in order, together with those of the same request. Ends after the first
/// error.
pub(super) fn chunks<S: ChunkStore>(
    store: &S,
    target: Target,
    options: &ReadOptions,
    tally: Arc<Tally>,
) -> impl Stream<Item = Result<Vec<ReadChunk>, Error>> + Send + use<S> {
    let first = target.edition.as_ref().map(|edition| First {
        key: manifest_key(&target.dataset),
        schema: Arc::clone(&edition.schema),
    });
    let source = Source {
        store: store.clone(),
        dataset: target.dataset,
        edition: target.edition,
        unlisted: target.unlisted,
        allow_missing: options.allow_missing,
        tally,
        common: Mutex::new(None),
    };
    let in_flight = ByteBudget::new(options.byte_budget / 2);
    let to_take = ByteBudget::new(options.byte_budget / 2);
    let source = Arc::new(source);
    let fetching = Arc::clone(&source);
    let decoding = Arc::clone(&source);
    let explaining = Arc::clone(&source);
    let ending = Arc::clone(&source);

    let most_bytes = BYTES_PER_REQUEST.min(options.byte_budget / REQUESTS_IN_BUDGET);
    stream::iter(requests(target.chunks, options.pipeline.max(1), most_bytes))
        .then(move |request| {
            let budget = in_flight.clone();
            async move {
                let permit = budget.acquire(request.iter().map(|chunk| chunk.bytes).sum()).await;
                (request, permit)
            }
        })
        .map(move |(request, permit)| Arc::clone(&fetching).fetch(request, permit))
        .buffered(options.concurrency.max(1))
        .scan(first, move |first, fetched| {
            let agreed = fetched.and_then(|fetched| source.agree(fetched, first));
            future::ready(Some(agreed))
        })
        .and_then(move |(agreed, fetched)| {
            let budget = to_take.clone();
            async move {
                let bytes = agreed.iter().map(|(_, content)| content.bytes_to_decode()).sum();
                let decoded = budget.acquire(bytes).await;
                let (ids, contents) = agreed.into_iter().unzip();
                Ok(Agreed { contents, ids, fetched, decoded })
            }
        })
        .map_ok(move |agreed| {
            let source = Arc::clone(&decoding);
            pipeline::compute(move || source.decode(agreed))
        })
        .try_buffered(pipeline::jobs())
        .or_else(move |error| Arc::clone(&explaining).explain(error))
        .chain(stream::once(async move { ending.end().await }).try_filter_map(future::ok))
        .boxed()
}

/// Divides the plan into requests: of one partition each, small chunks together, so many and so many bytes
/// at most.
fn requests(located: Vec<Located>, most: usize, most_bytes: u64) -> Vec<Vec<Located>> {
    let mut requests: Vec<Vec<Located>> = Vec::new();
    let mut bytes = 0;
    for chunk in located {
        bytes += chunk.bytes;
        match requests.last_mut() {
            Some(last)
                if bytes <= most_bytes
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

/// The schema that all chunks must have and where it stands: the manifest, or without one the first
/// chunk.
struct First {
    key: String,
    schema: SchemaRef,
}

/// What all stages know.
struct Source<S> {
    store: S,
    dataset: DatasetName,
    edition: Option<Edition>,
    unlisted: Option<Unlisting>,
    allow_missing: bool,
    tally: Arc<Tally>,
    /// What the chunk that was parsed last shares with the next one. Jobs beside each other may each
    /// parse their own; they only lose time.
    common: Mutex<Option<Common>>,
}

impl<S: ChunkStore> Source<S> {
    async fn fetch(
        self: Arc<Self>,
        request: Vec<Located>,
        permit: Permit,
    ) -> Result<Fetched, Error> {
        self.tally.requested();
        let found = match self.get(&request).await {
            // Something else than a value stands there, which one by one can be told.
            Err(StoreError::NotAChunk { .. }) if self.edition.is_some() => {
                request.iter().map(|_| None).collect()
            }
            found => found?,
        };
        let mut values = Vec::with_capacity(found.len());
        for checked in Arc::clone(&self).check(request, found).await? {
            match checked {
                Ok(value) => values.push(value),
                Err(chunk) => {
                    if let Some(value) = self.search(&chunk).await? {
                        let source = Arc::clone(&self);
                        let parse = move || Ok::<_, Error>(source.parse(chunk, value));
                        values.push(pipeline::compute(parse).await?);
                    }
                }
            }
        }
        let bytes: u64 = values.iter().map(|value| value.bytes).sum();
        if let Some(first) = values.first() {
            let first = self.key(first.chunk.id);
            tracing::debug!(first, chunks = values.len(), bytes, "fetched");
        }
        self.tally.replied(values.len() as u64, bytes);
        Ok(Fetched { values, permit })
    }

    /// With a manifest, what a copy has that lags is noticed.
    async fn get(&self, request: &[Located]) -> Result<Vec<Option<Found>>, StoreError> {
        let keys = request.iter().map(|chunk| self.key(chunk.id)).collect();
        Ok(match &self.edition {
            // The other cores would have nothing to do with them that is worth the way there.
            Some(edition) if edition.codec == StoredCodec::All(Codec::Uncompressed) => {
                found(self.store.get_summed(keys).await?, Found::Summed)
            }
            Some(_) => found(self.store.get_anywhere(keys).await?, Found::Value),
            None => found(self.store.get(keys).await?, Found::Value),
        })
    }

    /// Holds the values against the manifest and parses those that agree with it, on another core: the
    /// next ones are received meanwhile. Chunks without such a value are handed back.
    async fn check(
        self: Arc<Self>,
        request: Vec<Located>,
        found: Vec<Option<Found>>,
    ) -> Result<Vec<Result<Value, Located>>, Error> {
        let check_one = move |(chunk, found): (Located, Option<Found>)| {
            let is_it = |found: &Found| chunk.entry.as_ref().is_none_or(|entry| found.is(entry));
            match found.filter(is_it) {
                Some(found) => Ok(self.parse(chunk, found.into_value())),
                None => Err(chunk),
            }
        };
        let check_all = || Ok::<_, Error>(request.into_iter().zip(found).map(check_one).collect());
        pipeline::compute(check_all).await
    }

    /// Checks the messages of a value.
    fn parse(&self, chunk: Located, value: Buffer) -> Value {
        let bytes = value.len() as u64;
        let common = || self.common.lock().unwrap_or_else(PoisonError::into_inner);
        let known = common().clone();
        let content = ChunkContent::parse(value, known.as_ref())
            .map_err(|source| DataError::Damaged { key: self.key(chunk.id), source })
            .inspect(|content| *common() = Some(content.common()));
        Value { chunk, bytes, content }
    }

    /// The chunk's value from wherever else it may be; nothing if there is none and need not be.
    async fn search(&self, chunk: &Located) -> Result<Option<Buffer>, Error> {
        let (Some(edition), Some(entry)) = (&self.edition, &chunk.entry) else {
            if self.allow_missing {
                self.tally.missing(self.key(chunk.id));
                return Ok(None);
            }
            let why = "it was there when this read began".to_owned();
            return Err(DataError::Missing { key: self.key(chunk.id), why }.into());
        };
        match look_again(&self.store, &self.dataset, edition, entry).await {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(mismatch)) if self.allow_missing => {
                let what = mismatch.to_string();
                match mismatch {
                    Mismatch::Absent { key } => self.tally.missing(key),
                    Mismatch::Differs { key, .. } => self.tally.damaged(key, what),
                }
                Ok(None)
            }
            Ok(Err(mismatch)) => Err(mismatch.into_error().into()),
            Err(error) => Err(error),
        }
    }

    /// Checks the rows of each value, and that all have the same schema.
    fn agree(
        &self,
        fetched: Fetched,
        first: &mut Option<First>,
    ) -> Result<(Vec<(ChunkId, ChunkContent)>, Permit), Error> {
        let mut agreed = Vec::with_capacity(fetched.values.len());
        for Value { chunk, bytes, content } in fetched.values {
            match content.and_then(|content| self.agree_one(&chunk, content, first)) {
                Ok(content) => agreed.push((chunk.id, content)),
                Err(error) => self.leave_out(chunk.id, bytes, error)?,
            }
        }
        Ok((agreed, fetched.permit))
    }

    fn agree_one(
        &self,
        chunk: &Located,
        content: ChunkContent,
        first: &mut Option<First>,
    ) -> Result<ChunkContent, DataError> {
        let schema = &content.schema.schema;
        let first = first
            .get_or_insert_with(|| First { key: self.key(chunk.id), schema: Arc::clone(schema) });
        if let Some(difference) = schema_difference(&first.schema, schema) {
            let (key, first) = (self.key(chunk.id), first.key.clone());
            return Err(DataError::SchemaDiffers { key, first, difference });
        }
        self.check_rows(chunk, &content)?;
        Ok(content)
    }

    /// Reports a chunk that was fetched and is not what the manifest says, if it may be left out.
    fn leave_out(&self, id: ChunkId, bytes: u64, error: DataError) -> Result<(), DataError> {
        if !self.allow_missing || self.edition.is_none() {
            return Err(error);
        }
        self.tally.damaged_after_all(self.key(id), bytes, &error);
        Ok(())
    }

    fn check_rows(&self, chunk: &Located, content: &ChunkContent) -> Result<(), DataError> {
        match chunk.entry {
            Some(ChunkEntry { rows, .. }) if rows != content.rows() => {
                let (expected, found) = (format!("{rows} rows"), content.rows().to_string());
                Err(DataError::NotAsWritten { key: self.key(chunk.id), expected, found })
            }
            _ => Ok(()),
        }
    }

    fn decode(&self, agreed: Agreed) -> Result<Vec<ReadChunk>, Error> {
        let started = Instant::now();
        let (fetched, decoded) = (Arc::new(agreed.fetched), Arc::new(agreed.decoded));
        let mut chunks = Vec::with_capacity(agreed.contents.len());
        let mut rows = 0;
        for (id, content) in agreed.ids.into_iter().zip(agreed.contents) {
            let batches = match content.decode() {
                Ok(batches) => batches,
                Err(source) => {
                    let damaged = DataError::Damaged { key: self.key(id), source };
                    self.leave_out(id, content.bytes as u64, damaged)?;
                    continue;
                }
            };
            rows += batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
            let (_fetched, _decoded) = (Arc::clone(&fetched), Arc::clone(&decoded));
            chunks.push(ReadChunk { content, batches, _fetched, _decoded });
        }
        self.tally.decoded(rows, started.elapsed());
        Ok(chunks)
    }

    /// Without a manifest, what seems damaged may be what was published meanwhile.
    async fn explain<T>(self: Arc<Self>, error: Error) -> Result<T, Error> {
        if let (Some(unlisted), Error::Data(_)) = (&self.unlisted, &error) {
            unlisted.still_is(&self.store, &self.dataset).await?;
        }
        Err(error)
    }

    /// Without a manifest only the end can tell that nothing was published on top of what was read.
    async fn end(&self) -> Result<Option<Vec<ReadChunk>>, Error> {
        if let Some(unlisted) = &self.unlisted {
            unlisted.still_is(&self.store, &self.dataset).await?;
        }
        Ok(None)
    }

    fn key(&self, id: ChunkId) -> String {
        chunk_key(&self.dataset, id)
    }
}
