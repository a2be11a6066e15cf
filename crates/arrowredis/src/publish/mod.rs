//! Makes a dataset appear as a whole, in place of the one before if there is one.
//!
//! ```text
//! begin     claim the name; look at what stands there; is there room?
//! stage     every chunk under a name of this writing's own, with a time to live
//! publish   commit, in one step, if all are there -> tidy -> give the claim back
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
mod transition;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;

use crate::catalog::look_up;
use crate::chunk::{Chunk, ForwardedChunk};
use crate::clock::Timestamp;
use crate::dataset::{ChunkId, DatasetId, DatasetName};
use crate::error::Error;
use crate::key::{chunk_key, manifest_key, staged_key};
use crate::manifest::{ChunkEntry, Entry, Fingerprint, Manifest, StoredCodec};
use crate::store::{Change, ChunkStore, Guard, StoreError};

use staged::Staged;
use transition::apply_apart;

pub(crate) use claim::Claim;
pub(crate) use standing::Old;
pub(crate) use transition::{Steps, Transition, elsewhere};

pub use error::{Lost, PublishError};
pub use options::{PublishOptions, Replace};

/// What program a manifest names as its writer.
pub(crate) const WRITER: &str = concat!("arrowredis ", env!("CARGO_PKG_VERSION"));

/// How long a chunk lives that was staged and not published. A writer prolongs it while it works.
const STAGED_LIFE: Duration = Duration::from_secs(15 * 60);

/// How long a replaced dataset's keys live at most, should the writer die before it removes them.
const REPLACED_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long a writer that failed tries to remove what it had stored.
const ABANDON_PATIENCE: Duration = Duration::from_secs(10);

/// How far the clock here may be behind the server's: it was asked once, and its answer took some time.
const CLOCK_BEHIND: Duration = Duration::from_millis(100);

/// How often order is made once more when a server lost what it had acknowledged.
const SETTLE_AGAIN: usize = 3;

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
        let mut claim = Claim::take(store, dataset, id).await?;
        let begun = Self::look_and_drop(store, dataset, options, planned, &claim).await;
        let old = match begun {
            Ok(old) => old,
            Err(error) => {
                claim.release().await;
                return Err(error);
            }
        };
        let staged = Arc::new(Staged::default());
        claim.keep(Arc::clone(&staged), old.fingerprint.clone());
        tracing::info!(%dataset, %id, replaces = old.exists, "claimed");
        let (store, dataset, options) = (store.clone(), dataset.clone(), options.clone());
        Ok(Self { store, dataset, id, options, old, claim, staged })
    }

    async fn look_and_drop(
        store: &S,
        dataset: &DatasetName,
        options: &PublishOptions,
        planned: &Planned,
        claim: &Claim<S>,
    ) -> Result<Old, Error> {
        // Three questions that do not depend on each other, and each takes a way there and back.
        let look = Old::look(store, dataset, options.replace);
        let (probed, old, room) = futures::join!(claim.probe(), look, store.room());
        probed?;
        let old = old?;
        let drop_first = options.replace == Replace::DropFirst;
        let (chunks, replaced) = (planned.chunks, if drop_first { 0 } else { old.keys() });
        if chunks.saturating_mul(3).saturating_add(replaced) > MOST_WORDS {
            let most = MOST_WORDS.saturating_sub(replaced) / 3;
            let dataset = dataset.to_string();
            return Err(PublishError::TooManyChunks { dataset, chunks, replaced, most }.into());
        }
        // Before anything is dropped: what is refused now leaves the old dataset.
        let reclaimed = if drop_first { old.bytes } else { Some(0) };
        room::check(store.address(), room?, options, planned, reclaimed)?;
        if drop_first { old.drop(claim).await } else { Ok(old) }
    }

    /// Stores a chunk under a name that no reader looks at yet. Chunks may come in any order.
    pub(crate) async fn stage(&self, chunk: Chunk) -> Result<ChunkEntry, Error> {
        let Chunk { id, rows, checksum, payload } = chunk;
        let entry = ChunkEntry { id, rows, bytes: payload.len() as u64, checksum };
        let (key, until) = self.begin_to_stage(id);
        self.store.put(key, payload, Some(until)).await?;
        self.staged.sent().acknowledged.push(entry);
        Ok(entry)
    }

    /// Does the same with a chunk that lies in a file.
    pub(crate) async fn forward(&self, chunk: ForwardedChunk) -> Result<ChunkEntry, StoreError> {
        let ForwardedChunk { id, rows, value } = chunk;
        let bytes = value.len() as u64;
        let (key, until) = self.begin_to_stage(id);
        let checksum = self.store.forward(key, value, Some(until)).await?;
        let entry = ChunkEntry { id, rows, bytes, checksum };
        self.staged.sent().acknowledged.push(entry);
        Ok(entry)
    }

    /// Under which key a chunk is staged, and until when.
    fn begin_to_stage(&self, id: ChunkId) -> (String, Timestamp) {
        self.staged.sent().ids.push(id);
        let until = self.claim.clock().now().after(STAGED_LIFE);
        (staged_key(&self.dataset, id, self.id), until)
    }

    /// Removes what was staged and gives the claim back, as far as the store lets it.
    pub(crate) async fn abandon(mut self) {
        self.take_back(None).await;
        self.claim.release().await;
    }

    /// Removes what was staged, and then what says that something is under way, for a few seconds: all
    /// of it runs out by itself or is found by the next writer, and whoever waits has an error to read.
    async fn take_back(&self, transition: Option<&Transition<'_, S>>) {
        let taking_back = async {
            let remove = |id| Change::Remove { key: staged_key(&self.dataset, id, self.id) };
            let changes = self.staged.ids().into_iter().map(remove).collect();
            // Nobody else has names with this id.
            let unguarded = |_| Guard::default();
            apply_apart(&self.store, &self.dataset, changes, unguarded).await?;
            match transition {
                Some(transition) => transition.abandon().await,
                None => Ok(()),
            }
        };
        match tokio::time::timeout(ABANDON_PATIENCE, taking_back).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "what was staged is left to run out"),
            Err(_) => tracing::debug!("what was staged is left to run out"),
        }
    }

    /// Makes the staged chunks the dataset.
    ///
    /// # Errors
    /// [`PublishError`] when a chunk is not there any more, or somebody else came between. Nothing
    /// is published then. [`Error::Unknown`] when the store's answer to the commit was lost.
    /// [`PublishError::LostAfterAll`] when chunks vanished while it was published.
    pub(crate) async fn publish(
        mut self,
        schema: SchemaRef,
        codec: StoredCodec,
    ) -> Result<Published, Error> {
        let manifest = self.manifest(schema, codec);
        let value = Entry::Dataset(manifest.clone()).encode().map_err(Error::Encode)?;
        let mut transition = Transition::claimed(&self.claim, self.steps(&manifest, &value));
        match self.commit(&mut transition, &manifest).await {
            Ok(()) => {}
            Err(error @ Error::Unknown { .. }) => return Err(error),
            Err(error) => {
                self.take_back(Some(&transition)).await;
                drop(transition);
                self.claim.release().await;
                return Err(error);
            }
        }
        tracing::info!(dataset = %self.dataset, chunks = manifest.chunks.len(), "published");
        let settled = self.settle(transition, &manifest, &value).await;
        self.claim.release().await;
        settled?;
        Ok(Published { manifest, replaced: self.old.exists })
    }

    /// Makes order after the commit, and makes sure that it still stands.
    ///
    /// # Errors
    /// [`PublishError::Undone`] when the server lost it, [`PublishError::LostAfterAll`] when it lost
    /// chunks.
    async fn settle(
        &self,
        transition: Transition<'_, S>,
        manifest: &Manifest,
        value: &[u8],
    ) -> Result<(), Error> {
        let (fingerprint, one_step) = (Fingerprint::of(value), transition.is_one_step());
        let mut tidied = transition.tidy(&fingerprint).await;
        for _ in 0..SETTLE_AGAIN {
            if matches!(tidied, Ok(true)) {
                break;
            }
            if !self.still_stands(manifest, &fingerprint).await? {
                tracing::info!("somebody else published in the meantime");
                return Ok(());
            }
            let again = Transition::claimed(&self.claim, self.steps(manifest, value));
            tidied = again.settle_again(&fingerprint).await;
        }
        match tidied {
            // What lies in several slots was looked at slot by slot, with time in between.
            Ok(true) if !one_step => self.confirm_published(manifest, &fingerprint).await,
            Ok(true) => Ok(()),
            // The dataset is readable; the next writer finds what is left to do.
            Ok(false) => {
                tracing::warn!("the dataset is published, but its keys could not all be renamed");
                Ok(())
            }
            Err(error) => {
                tracing::warn!(
                    "the dataset is published, but its keys could not all be renamed: {error}"
                );
                Ok(())
            }
        }
    }

    /// Whether the manifest is still the one that was committed, and not somebody else's. Without an
    /// answer it is taken to be.
    ///
    /// # Errors
    /// [`PublishError::Undone`] when there is the one from before, or none.
    async fn still_stands(
        &self,
        manifest: &Manifest,
        fingerprint: &Fingerprint,
    ) -> Result<bool, Error> {
        let now = match look_up(&self.store, &self.dataset).await {
            Ok(standing) => standing.fingerprint,
            Err(error) => {
                tracing::debug!(%error, "nobody says whether the dataset still stands");
                return Ok(true);
            }
        };
        let life = self.options.time_to_live;
        let soon = self.claim.clock().now().after(CLOCK_BEHIND);
        let is_over = life.is_some_and(|life| soon >= manifest.created.after(life));
        if now == *fingerprint || is_over {
            return Ok(now == *fingerprint);
        }
        // Nobody removes it while this has the claim.
        if now == Fingerprint::ABSENT || now == self.old.fingerprint {
            let (dataset, store) = (self.dataset.to_string(), self.store.address().to_owned());
            let key = manifest_key(&self.dataset);
            return Err(PublishError::Undone { dataset, store, key }.into());
        }
        Ok(false)
    }

    fn manifest(&self, schema: SchemaRef, codec: StoredCodec) -> Manifest {
        let mut chunks = self.staged.sent().acknowledged.clone();
        chunks.sort_unstable_by_key(|entry| entry.id);
        Manifest {
            id: self.id,
            schema,
            codec,
            created: self.claim.clock().now(),
            writer: WRITER.to_owned(),
            time_to_live: self.options.time_to_live,
            chunks,
        }
    }

    /// Asks for every staged chunk's length, to say which are not there.
    async fn confirm(&self, manifest: &Manifest) -> Result<(), Error> {
        let key = |entry: &ChunkEntry| staged_key(&self.dataset, entry.id, self.id);
        let Some(lost) = self.lost(manifest, key).await? else { return Ok(()) };
        Err(PublishError::Unconfirmed(lost).into())
    }

    /// Asks for every published chunk's length.
    async fn confirm_published(
        &self,
        manifest: &Manifest,
        fingerprint: &Fingerprint,
    ) -> Result<(), Error> {
        let key = |entry: &ChunkEntry| chunk_key(&self.dataset, entry.id);
        let lost = match self.lost(manifest, key).await {
            Ok(lost) => lost,
            Err(error) => {
                tracing::warn!(
                    "the dataset is published, but could not be looked at again: {error}"
                );
                return Ok(());
            }
        };
        // Somebody else may have replaced them.
        match lost {
            Some(lost) if self.still_stands(manifest, fingerprint).await? => {
                Err(PublishError::LostAfterAll(lost).into())
            }
            _ => Ok(()),
        }
    }

    /// The chunks that are not there, or not as long as they were.
    async fn lost(
        &self,
        manifest: &Manifest,
        key: impl Fn(&ChunkEntry) -> String,
    ) -> Result<Option<Lost>, Error> {
        let (mut count, mut first) = (0, None);
        for entries in manifest.chunks.chunks(KEYS_AT_ONCE) {
            let lengths = self.store.lengths(entries.iter().map(&key).collect()).await?;
            for (entry, found) in entries.iter().zip(lengths) {
                if found != Some(entry.bytes) {
                    count += 1;
                    first.get_or_insert((key(entry), entry.bytes, found));
                }
            }
        }
        Ok(first.map(|(key, expected, found)| {
            let found = found.map_or("none".to_owned(), |found| found.to_string());
            let (store, chunks) = (self.store.address().to_owned(), manifest.chunks.len() as u64);
            Lost { store, count, chunks, key, expected, found }
        }))
    }

    /// The one step that readers see: the manifest, the end of the staged chunks' time to live, and
    /// the beginning of the old ones'; what must be so before it, and what makes order after it.
    fn steps(&self, manifest: &Manifest, value: &[u8]) -> Steps {
        let now = self.claim.clock().now();
        let until = self.options.time_to_live.map(|life| now.after(life));
        let staged = |chunk: &ChunkEntry| staged_key(&self.dataset, chunk.id, self.id);
        let present: Vec<_> =
            manifest.chunks.iter().map(|chunk| (staged(chunk), chunk.bytes)).collect();
        let expire = |chunk: &ChunkEntry| Change::Expire { key: staged(chunk), until };

        let olds: Vec<_> = self.old.expire(None).collect();
        let keys = present.iter().map(|(key, _)| key.as_str());
        let keys = keys.chain(olds.iter().map(Change::key));
        let apart = !elsewhere(&self.store, &self.dataset, keys).is_empty();
        let key = manifest_key(&self.dataset);
        let mut commit = vec![Change::Put { key, value: value.to_vec().into(), until }];
        commit.extend(self.old.exists.then(|| self.old.sign(now, apart)));

        let keep = self.options.keep_replaced;
        let kept = (!keep.is_zero()).then(|| now.after(keep));
        let new: BTreeSet<_> = manifest.chunks.iter().map(|chunk| chunk.id).collect();
        let mut after = Vec::new();
        for id in &new {
            after.extend(self.old.make_way(*id, kept));
            let from = staged_key(&self.dataset, *id, self.id);
            let (to, aside) = (chunk_key(&self.dataset, *id), self.old.aside(*id, kept));
            after.push(Change::Settle { from, to, until, aside });
        }
        after.extend(self.old.leave(&new, kept));
        Steps {
            present,
            before: manifest.chunks.iter().map(expire).chain(self.old.take_over_fences()).collect(),
            commit,
            with_commit: self.old.expire(Some(now.after(REPLACED_LIFE))).collect(),
            after,
            last: vec![self.old.take_down_sign()],
            pending: self.old.is_pending(),
        }
    }

    async fn commit(
        &self,
        transition: &mut Transition<'_, S>,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        self.claim.confirm().await?;
        match transition.commit(&self.old.fingerprint).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                // A server may have lost what it acknowledged.
                self.confirm(manifest).await?;
                let (dataset, key) = (self.dataset.to_string(), manifest_key(&self.dataset));
                Err(PublishError::Overtaken { dataset, key }.into())
            }
            Err(error) if error.was_refused() || !transition.was_sent() => Err(error.into()),
            Err(source) => {
                let dataset = self.dataset.to_string();
                Err(Error::Unknown { dataset, source: Box::new(source.into()) })
            }
        }
    }
}
