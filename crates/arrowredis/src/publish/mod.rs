//! Makes a dataset appear as a whole, in place of the one before if there is one.
//!
//! ```text
//! begin     claim the name; look at what stands there; is there room?
//! stage     every chunk under a name of this writing's own, with a time to live
//! publish   confirm that all are there -> commit, in one step -> tidy -> give the claim back
//! ```
//!
//! The commit is the only moment that readers see. ARCHITECTURE.md says what they see when a writer
//! dies or is held up at any other.

mod claim;
mod error;
mod options;
mod room;
mod staged;
mod standing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;

use crate::chunk::Chunk;
use crate::clock::Clock;
use crate::dataset::{DatasetId, DatasetName};
use crate::error::Error;
use crate::key::{chunk_key, manifest_key, staged_key};
use crate::manifest::{ChunkEntry, Entry, Fingerprint, Manifest, StoredCodec};
use crate::store::{Change, ChunkStore, Guard};

use staged::Staged;

pub(crate) use claim::Claim;

pub(crate) use standing::Old;

pub use error::PublishError;
pub use options::{PublishOptions, Replace};

/// What program a manifest names as its writer.
pub(crate) const WRITER: &str = concat!("arrowredis ", env!("CARGO_PKG_VERSION"));

/// How long a chunk lives that was staged and not published. A writer prolongs it while it works.
const STAGED_LIFE: Duration = Duration::from_secs(15 * 60);

/// How long a replaced dataset's keys live at most, should the writer die before it removes them.
const REPLACED_LIFE: Duration = Duration::from_secs(10 * 60);

/// Most words of the command that commits, of which a new chunk takes three and a key of the old
/// dataset one: Redis 6 takes 1,048,576.
const MOST_WORDS: u64 = 1_000_000;

/// Changes that are made as one, beside the commit. The server serves nobody else meanwhile: about
/// a millisecond.
pub(crate) const CHANGES_AT_ONCE: usize = 500;

/// Keys that are asked about at once: a megabyte or so of text.
pub(crate) const KEYS_AT_ONCE: usize = 10_000;

/// What is to be published, as far as it is known before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planned {
    /// Chunks.
    pub(crate) chunks: u64,
    /// Bytes of their values, at least.
    pub(crate) bytes: u64,
}

/// A dataset that is being written. Nobody else sees it yet.
pub(crate) struct Publication<S: ChunkStore> {
    store: S,
    dataset: DatasetName,
    id: DatasetId,
    options: PublishOptions,
    clock: Clock,
    old: Old,
    claim: Claim<S>,
    staged: Arc<Staged>,
}

/// What was published.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) manifest: Manifest,
    /// Whether a dataset stood there before.
    pub(crate) replaced: bool,
}

impl<S: ChunkStore> Publication<S> {
    /// Claims a name and looks at what stands there. Removes it, if that was asked for.
    ///
    /// # Errors
    /// [`PublishError`] when the name is taken, claimed or an alias, or the store too full.
    pub(crate) async fn begin(
        store: &S,
        dataset: &DatasetName,
        options: &PublishOptions,
        planned: &Planned,
    ) -> Result<Self, Error> {
        let id = DatasetId::random().map_err(PublishError::Random)?;
        let clock = Clock::starting_at(store.now().await?);
        let mut claim = Claim::take(store, dataset, id).await?;
        let begun = Self::look_and_drop(store, dataset, options, planned, &claim, clock).await;
        let old = match begun {
            Ok(old) => old,
            Err(error) => {
                claim.release().await;
                return Err(error);
            }
        };
        let staged = Arc::new(Staged::default());
        let guard = Guard::new(dataset, old.fingerprint.clone());
        claim.keep(Arc::clone(&staged), guard, clock);
        tracing::info!(%dataset, %id, replaces = old.exists, "claimed");
        let (store, dataset, options) = (store.clone(), dataset.clone(), options.clone());
        Ok(Self { store, dataset, id, options, clock, old, claim, staged })
    }

    async fn look_and_drop(
        store: &S,
        dataset: &DatasetName,
        options: &PublishOptions,
        planned: &Planned,
        claim: &Claim<S>,
        clock: Clock,
    ) -> Result<Old, Error> {
        claim.probe(clock).await?;
        let old = Old::look(store, dataset, options.replace).await?;
        let drop_first = options.replace == Replace::DropFirst;
        let (chunks, replaced) = (planned.chunks, if drop_first { 0 } else { old.keys() });
        if chunks.saturating_mul(3).saturating_add(replaced) > MOST_WORDS {
            let most = MOST_WORDS.saturating_sub(replaced) / 3;
            let dataset = dataset.to_string();
            return Err(PublishError::TooManyChunks { dataset, chunks, replaced, most }.into());
        }
        // Before anything is dropped: what is refused now leaves the old dataset.
        let reclaimed = if drop_first { old.bytes } else { Some(0) };
        room::check(store, options, planned, reclaimed).await?;
        if drop_first { old.drop(store, claim, clock).await } else { Ok(old) }
    }

    /// Stores a chunk under a name that no reader looks at yet. Chunks may come in any order.
    pub(crate) async fn stage(&self, chunk: Chunk) -> Result<ChunkEntry, Error> {
        let Chunk { id, rows, checksum, payload } = chunk;
        let entry = ChunkEntry { id, rows, bytes: payload.len() as u64, checksum };
        let until = self.clock.now().after(STAGED_LIFE);
        self.staged.sent().ids.push(id);
        self.store.put(staged_key(&self.dataset, id, self.id), payload, Some(until)).await?;
        self.staged.sent().acknowledged.push(entry);
        Ok(entry)
    }

    /// Removes what was staged and gives the claim back, as far as the store lets it.
    pub(crate) async fn abandon(mut self) {
        // Nobody else has names with this id.
        let guard = Guard::none(&self.dataset);
        let remove = |id| Change::Remove { key: staged_key(&self.dataset, id, self.id) };
        let changes = self.staged.ids().into_iter().map(remove).collect();
        if let Err(error) = apply_in_batches(&self.store, &guard, changes).await {
            tracing::debug!(%error, "what was staged is left to run out");
        }
        self.claim.release().await;
    }

    /// Makes the staged chunks the dataset.
    ///
    /// # Errors
    /// [`PublishError`] when a chunk is not there any more, or somebody else came between. Nothing
    /// is published then. [`Error::Unknown`] when the store's answer to the commit was lost.
    pub(crate) async fn publish(
        mut self,
        schema: SchemaRef,
        codec: StoredCodec,
    ) -> Result<Published, Error> {
        let manifest = self.manifest(schema, codec);
        let committed = match self.confirm(&manifest).await {
            Ok(()) => self.commit(&manifest).await,
            Err(error) => Err(error),
        };
        let fingerprint = match committed {
            Ok(fingerprint) => fingerprint,
            Err(error @ Error::Unknown { .. }) => return Err(error),
            Err(error) => {
                self.abandon().await;
                return Err(error);
            }
        };
        tracing::info!(dataset = %self.dataset, chunks = manifest.chunks.len(), "published");
        match self.tidy(&manifest, fingerprint).await {
            Ok(true) => {}
            Ok(false) => tracing::info!("somebody else published in the meantime"),
            // The dataset is whole and readable; the next writer finds what is left to do.
            Err(error) => tracing::warn!(
                "the dataset is published, but its keys could not all be renamed: {error}"
            ),
        }
        self.claim.release().await;
        Ok(Published { manifest, replaced: self.old.exists })
    }

    fn manifest(&self, schema: SchemaRef, codec: StoredCodec) -> Manifest {
        let mut chunks = self.staged.sent().acknowledged.clone();
        chunks.sort_unstable_by_key(|entry| entry.id);
        Manifest {
            id: self.id,
            schema,
            codec,
            created: self.clock.now(),
            writer: WRITER.to_owned(),
            time_to_live: self.options.time_to_live,
            chunks,
        }
    }

    /// Asks for every staged chunk's length. A server may have lost what it acknowledged.
    async fn confirm(&self, manifest: &Manifest) -> Result<(), Error> {
        let (mut count, mut first) = (0, None);
        for entries in manifest.chunks.chunks(KEYS_AT_ONCE) {
            let key = |entry: &ChunkEntry| staged_key(&self.dataset, entry.id, self.id);
            let lengths = self.store.lengths(entries.iter().map(key).collect()).await?;
            for (entry, found) in entries.iter().zip(lengths) {
                if found != Some(entry.bytes) {
                    count += 1;
                    first.get_or_insert((key(entry), entry.bytes, found));
                }
            }
        }
        let Some((key, expected, found)) = first else { return Ok(()) };
        let found = found.map_or("none".to_owned(), |found| found.to_string());
        let (store, chunks) = (self.store.address().to_owned(), manifest.chunks.len() as u64);
        Err(PublishError::Unconfirmed { store, count, chunks, key, expected, found }.into())
    }

    /// The one step that readers see: the manifest, the end of the staged chunks' time to live, and
    /// the beginning of the old ones'.
    async fn commit(&mut self, manifest: &Manifest) -> Result<Fingerprint, Error> {
        self.claim.confirm().await?;
        let value = Entry::Dataset(manifest.clone()).encode().map_err(Error::Encode)?;
        let fingerprint = Fingerprint::of(&value);
        let now = self.clock.now();
        let until = self.options.time_to_live.map(|life| now.after(life));
        let key = manifest_key(&self.dataset);

        let staged = |chunk: &ChunkEntry| staged_key(&self.dataset, chunk.id, self.id);
        let mut guard = Guard::new(&self.dataset, self.old.fingerprint.clone());
        guard.present = manifest.chunks.iter().map(|chunk| (staged(chunk), chunk.bytes)).collect();
        let mut changes = vec![Change::Put { key: key.clone(), value: value.into(), until }];
        changes.extend(self.old.exists.then(|| self.old.sign(now)));
        let expire = |chunk| Change::Expire { key: staged(chunk), until };
        changes.extend(manifest.chunks.iter().map(expire));
        changes.extend(self.old.expire(Some(now.after(REPLACED_LIFE))));
        match self.store.apply(&guard, changes).await {
            Ok(true) => Ok(fingerprint),
            Ok(false) => {
                // What is staged may have gone since it was confirmed.
                self.confirm(manifest).await?;
                let dataset = self.dataset.to_string();
                Err(PublishError::Overtaken { dataset, key }.into())
            }
            Err(error) if error.was_refused() => Err(error.into()),
            Err(source) => {
                let dataset = self.dataset.to_string();
                Err(Error::Unknown { dataset, source: Box::new(source.into()) })
            }
        }
    }

    /// Gives the chunks their own names and removes those of the old dataset. Whether the manifest
    /// was still this one all the time.
    async fn tidy(&self, manifest: &Manifest, fingerprint: Fingerprint) -> Result<bool, Error> {
        let guard = Guard::new(&self.dataset, fingerprint);
        let keep = self.options.keep_replaced;
        let kept = (!keep.is_zero()).then(|| self.clock.now().after(keep));
        let new: BTreeSet<_> = manifest.chunks.iter().map(|chunk| chunk.id).collect();
        let mut changes = Vec::new();
        for id in &new {
            changes.extend(self.old.make_way(*id, kept));
            let from = staged_key(&self.dataset, *id, self.id);
            changes.push(Change::Rename { from, to: chunk_key(&self.dataset, *id) });
        }
        changes.extend(self.old.leave(&new, kept));
        changes.extend(self.old.exists.then(|| self.old.take_down_sign()));
        apply_in_batches(&self.store, &guard, changes).await
    }
}

/// Makes changes in their order, many at once. Whether the guard held for all.
pub(crate) async fn apply_in_batches<S: ChunkStore>(
    store: &S,
    guard: &Guard,
    changes: Vec<Change>,
) -> Result<bool, Error> {
    let mut changes = changes.into_iter();
    loop {
        let batch: Vec<_> = changes.by_ref().take(CHANGES_AT_ONCE).collect();
        if batch.is_empty() {
            return Ok(true);
        }
        if !store.apply(guard, batch).await? {
            return Ok(false);
        }
    }
}
