//! A chunk that is ready to be stored: made in memory, or still in the file.

use std::path::Path;

use crate::chunk::{Chunk, ForwardedChunk};
use crate::error::{Error, FileError};
use crate::manifest::ChunkEntry;
use crate::publish::Publication;
use crate::store::{ChunkStore, StoreError};

#[derive(Debug)]
pub(crate) enum Outgoing {
    Made(Chunk),
    /// What lies in the file is the chunk, and is read while it is sent.
    InFile(ForwardedChunk),
}

impl Outgoing {
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
