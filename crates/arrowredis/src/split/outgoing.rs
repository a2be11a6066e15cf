//! A chunk that is ready to be stored: made in memory, or still in the file.

use std::io;
use std::path::Path;

use crate::chunk::{Chunk, Forwarded, ForwardedChunk, Payload};
use crate::dataset::ChunkId;
use crate::error::{Error, FileError};
use crate::ipc::reread::Rereader;
use crate::manifest::ChunkEntry;
use crate::publish::Publication;
use crate::store::{ChunkStore, StoreError};

/// A chunk with its value.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// It is in memory.
    Made(Chunk),
    /// What lies in the file is the chunk, and is read while it is sent.
    InFile(ForwardedChunk),
}

impl Outgoing {
    /// A chunk of a value whose pieces lie where a file is mapped. Where the system does not tell what it has in
    /// memory, whoever sends cannot read: the long ones are read here.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    pub(super) fn forwarded(
        id: ChunkId,
        rows: u64,
        value: Payload,
        rereader: &Rereader,
    ) -> io::Result<Self> {
        Ok(match Forwarded::of(&value, rereader) {
            Some(value) if rereader.can_tell() => Self::InFile(ForwardedChunk { id, rows, value }),
            Some(value) => {
                let (payload, checksum) = value.read()?;
                Self::Made(Chunk { id, rows, checksum, payload })
            }
            None => Self::Made(Chunk::new(id, rows, value)),
        })
    }

    /// Length of its value.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Made(chunk) => chunk.payload.len() as u64,
            Self::InFile(chunk) => chunk.value.len() as u64,
        }
    }

    /// Stores it for a dataset that is being published, out of this file if it is still there.
    pub(super) async fn stage<S: ChunkStore>(
        self,
        publication: &Publication<S>,
        file: &Path,
    ) -> Result<ChunkEntry, Error> {
        match self {
            Self::Made(chunk) => publication.stage(chunk).await,
            Self::InFile(chunk) => publication.forward(chunk).await.map_err(|error| match error {
                StoreError::Source { source, .. } => {
                    FileError::Open { path: file.to_owned(), source }.into()
                }
                error => error.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use arrowredis_throwaway::Server;

    use super::*;
    use crate::checksum::Checksum;
    use crate::chunk::written;
    use crate::dataset::DatasetName;
    use crate::ipc::mapped_file;
    use crate::publish::{Planned, PublishOptions};
    use crate::store::{ConnectOptions, MemoryStore, RedisStore};

    async fn stage<S: ChunkStore>(store: &S, cut_to: Option<u64>) -> Result<ChunkEntry, Error> {
        let (value, file) = written(&[5, 1_000_000, 5]);
        let id = ChunkId::new(3, 7);
        let expected = Checksum::of(&value.mapped().to_vec());
        if let Some(length) = cut_to {
            file.set_len(length).unwrap();
        }
        let name = DatasetName::new("d").unwrap();
        let (options, planned) = (PublishOptions::default(), Planned::default());
        let publication = Publication::begin(store, &name, &options, &planned).await.unwrap();
        let outgoing = Outgoing::InFile(ForwardedChunk { id, rows: 9, value });
        assert_eq!(outgoing.bytes(), 1_000_010);
        let staged = outgoing.stage(&publication, Path::new("here.arrow")).await;
        if let Ok(entry) = &staged {
            let whole = ChunkEntry { id, rows: 9, bytes: 1_000_010, checksum: expected };
            assert_eq!(*entry, whole);
            let keys: Vec<_> = store.keys("d*batch*").await.unwrap().into_iter().collect();
            let value = store.get(keys).await.unwrap().remove(0).unwrap();
            assert_eq!(Checksum::of(&value), expected);
        }
        publication.abandon().await;
        assert!(store.keys("d*").await.unwrap().is_empty());
        staged
    }

    #[test]
    fn a_chunk_is_left_in_the_file_where_whoever_sends_can_read_it() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 1 << 20]).unwrap();
        let (map, _pages, _unmapped) = mapped_file::map(&file).unwrap();
        let id = ChunkId::new(0, 0);
        let outgoing = |rereader: &Rereader, len: usize| {
            let value = (vec![map.slice_with_length(0, len)], len).into();
            Outgoing::forwarded(id, 1, value, rereader).unwrap()
        };
        let rereader = Rereader::new(file.try_clone().unwrap(), &map).that_can_tell(true);
        assert!(matches!(outgoing(&rereader, 1 << 20), Outgoing::InFile(_)));
        assert!(matches!(outgoing(&rereader, 1_000), Outgoing::Made(_)));
        let rereader = rereader.that_can_tell(false);
        let Outgoing::Made(chunk) = outgoing(&rereader, 1 << 20) else { panic!("in the file") };
        assert_eq!(chunk.payload.to_vec(), [7; 1 << 20]);
        assert_eq!(chunk.checksum, Checksum::of(&[7; 1 << 20]));
        assert_ne!(chunk.payload.pieces()[0].as_ptr(), map.as_ptr());
    }

    #[tokio::test]
    async fn a_chunk_in_a_file_is_stored_whole_with_its_checksum() {
        let server = Server::start().unwrap();
        stage(&RedisStore::connect(&server.url()).await.unwrap(), None).await.unwrap();
        stage(&MemoryStore::new(), None).await.unwrap();
    }

    #[cfg(unix)]
    fn names_the_file(staged: Result<ChunkEntry, Error>) {
        let error = staged.unwrap_err();
        let Error::File(FileError::Open { path, source }) = error else { panic!("{error}") };
        assert_eq!(path, Path::new("here.arrow"));
        assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof);
    }

    /// Method: nothing is tried again, so that the next finds a connection that works.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_became_too_short_is_named_and_nothing_is_left() {
        let server = Server::start().unwrap();
        let options = ConnectOptions { retries: 0, ..ConnectOptions::default() };
        let store = RedisStore::connect_with(&server.url(), options).await.unwrap();
        names_the_file(stage(&store, Some(800_000)).await);
        stage(&store, None).await.unwrap();
        names_the_file(stage(&MemoryStore::new(), Some(800_000)).await);
    }
}
