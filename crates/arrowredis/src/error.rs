//! What can fail, as types, and what a caller may conclude from it.
//!
//! Errors of a layer stand beside their cause (`ipc::IpcError`, `store::StoreError`, …). Here they
//! are gathered under the verbs' one error, which adds the file or key. Messages do not repeat
//! their source: print the whole chain.

use std::io;
use std::path::PathBuf;

use crate::dataset::NameError;
use crate::ipc::IpcError;
use crate::manifest::ManifestError;
use crate::publish::PublishError;
use crate::split::Undividable;
use crate::store::StoreError;

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text cannot name a dataset.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The options contradict themselves or the data at hand.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A file could not be read or written, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A dataset was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The store's answer to the one step that publishes a dataset was lost.
    #[error(
        "dataset '{dataset}' is stored, but the answer to the step that publishes it was lost, so \
         it is published or what was there before still is; see which with 'arrowredis info'"
    )]
    Unknown {
        /// The dataset.
        dataset: String,
        /// Why.
        source: Box<Error>,
    },
    /// An upload stopped on the way.
    #[error(
        "the upload of dataset '{dataset}' stopped after {stored} chunks; nothing of it was \
         published"
    )]
    Upload {
        /// The dataset.
        dataset: String,
        /// Chunks that the store acknowledged.
        stored: u64,
        /// Why.
        source: Box<Error>,
    },
    /// Data is missing or damaged in the store.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Arrow refused to encode a batch that it had decoded.
    #[error("cannot encode a batch")]
    Encode(#[source] IpcError),
    /// A worker thread ended without a result.
    #[error("a worker ended early")]
    Worker(#[from] tokio::task::JoinError),
}

/// What kind of trouble an error is. The command's exit codes follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// None of the others: a full disk, a bug.
    Unexpected,
    /// The caller asked for something impossible, or gave a file that cannot be used.
    Usage,
    /// The store cannot be reached, refuses, or is full.
    Store,
    /// Data is missing or damaged in the store.
    Data,
}

impl Error {
    /// What kind of trouble this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Name(_) | Self::Options(_) => ErrorClass::Usage,
            Self::File(error) => error.class(),
            Self::Store(
                StoreError::Address { .. }
                | StoreError::TlsFile { .. }
                | StoreError::NoAuthorities
                | StoreError::Kind { .. }
                | StoreError::Source { .. },
            ) => ErrorClass::Usage,
            Self::Store(StoreError::NotAChunk { .. }) | Self::Data(_) => ErrorClass::Data,
            Self::Store(_) => ErrorClass::Store,
            Self::Publish(error) => error.class(),
            Self::Upload { source, .. } | Self::Unknown { source, .. } => source.class(),
            Self::Encode(_) | Self::Worker(_) => ErrorClass::Unexpected,
        }
    }
}

/// Options that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A number lies outside what is possible.
    #[error("{option} is {found}; expected {expected}")]
    OutOfRange {
        /// The option as the library names it.
        option: &'static str,
        /// Its value.
        found: u64,
        /// The values that are possible.
        expected: String,
    },
    /// A dataset is to live as long as when it was published, and that was for ever.
    #[error(
        "dataset '{dataset}' was published to live for ever; say how long it is to live, for example --ttl 1h"
    )]
    NoTimeToLive {
        /// The dataset.
        dataset: String,
    },
    /// A name cannot be made an alias of another.
    #[error("'{alias}' cannot be an alias of '{dataset}': {why}")]
    Alias {
        /// The name that was to be an alias.
        alias: String,
        /// What it was to stand for.
        dataset: String,
        /// What stands in the way, and what to do.
        why: String,
    },
    /// A dataset has a manifest that is whole.
    #[error(
        "dataset '{dataset}' has a manifest already: '{key}' is whole; check its chunks with 'arrowredis verify {dataset}'"
    )]
    Adopted {
        /// The dataset.
        dataset: String,
        /// The manifest's key.
        key: String,
    },
    /// A dataset cannot be copied onto itself.
    #[error(
        "'{dataset}' is there already, the very same writing of it; expected another prefix or another server"
    )]
    SameDataset {
        /// The dataset.
        dataset: String,
    },
    /// A list of partitions could not be read.
    #[error(
        "cannot read {found:?} as partitions; expected 'all', or numbers and ranges like 0,3-7"
    )]
    Partitions {
        /// The text.
        found: String,
    },
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be opened or mapped.
    #[error("cannot read {path:?}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("{path:?} is not a regular file; expected one that can be mapped and replaced")]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// Its content is not Arrow IPC, or is damaged.
    #[error("cannot read {path:?} as Arrow")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IpcError,
    },
    /// A value of its partition column cannot be a partition's number.
    #[error(
        "cannot divide {path:?} into partitions: row {row} holds {found} in column \
         \"partition\"; expected an integer of 0 or more (rename the column to divide by --batches)"
    )]
    Partition {
        /// The file.
        path: PathBuf,
        /// The row in the whole file, from 0.
        row: u64,
        /// The value.
        found: String,
    },
    /// One of its batches would be a longer chunk than there may be, and cannot be divided.
    #[error(
        "cannot store {path:?} in chunks of at most {most} bytes; give more with --max-chunk-bytes, \
         or write the file with shorter values or smaller dictionaries"
    )]
    Undividable {
        /// The file.
        path: PathBuf,
        /// The longest chunk that there may be.
        most: u64,
        /// What stands in the way.
        source: Undividable,
    },
    /// It cannot be created: no such folder, no permission.
    #[error("cannot create {path:?}")]
    Create {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Writing it failed part of the way; nothing stands under its name that was not there before.
    #[error("cannot write {path:?}; it was left as it was before")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The reader of a stream went away, or the stream cannot be written.
    #[error("cannot write the stream")]
    Stream {
        /// The system's reason.
        source: io::Error,
    },
    /// Its dictionaries cannot be brought into the one dictionary a column that a file may have.
    #[error(
        "cannot write {path:?}: {reason}; write a stream instead, which may replace dictionaries"
    )]
    Dictionaries {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        reason: String,
    },
}

impl FileError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Open { .. }
            | Self::NotRegular { .. }
            | Self::Content { .. }
            | Self::Partition { .. }
            | Self::Undividable { .. }
            | Self::Create { .. }
            | Self::Dictionaries { .. } => ErrorClass::Usage,
            Self::Write { .. } | Self::Stream { .. } => ErrorClass::Unexpected,
        }
    }
}

/// Data that is not there or not what it should be. Keys are spelled as in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No chunk of the dataset was found at all.
    #[error(
        "no manifest and no chunk of dataset '{dataset}' at {store}: expected '{dataset}:manifest' \
         or keys like '{key}'; check the prefix and the database number, or look with 'arrowredis ls'"
    )]
    NoDataset {
        /// The dataset.
        dataset: String,
        /// Where it was looked for.
        store: String,
        /// The first key that it would have.
        key: String,
    },
    /// A partition that was asked for has no chunk.
    #[error("partition {partition} is not there: '{key}' is absent; present are {present}")]
    NoPartition {
        /// The partition.
        partition: u64,
        /// Its first key.
        key: String,
        /// The partitions that are there, shortened.
        present: String,
    },
    /// A chunk is absent.
    #[error(
        "'{key}' is absent: {why}. Split the dataset again, or read without what is absent with \
         --allow-missing"
    )]
    Missing {
        /// The first absent key.
        key: String,
        /// Why it was expected.
        why: String,
    },
    /// A value is not a chunk.
    #[error("the value of '{key}' is not a whole Arrow stream")]
    Damaged {
        /// The key.
        key: String,
        /// What is wrong with it.
        source: IpcError,
    },
    /// A chunk is not the one that the manifest lists.
    #[error(
        "'{key}' is not the chunk that the manifest lists: expected {expected}, found {found}; it \
         was truncated, altered, or overwritten by another program. Split the dataset again, or read \
         without what is not as it was written with --allow-missing"
    )]
    NotAsWritten {
        /// The key.
        key: String,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// What stands under a manifest's key cannot be read.
    #[error(
        "the manifest '{key}' is damaged; split the dataset again with --replace or, if its source \
         is gone, take the chunks that are there for all of it with 'arrowredis adopt'"
    )]
    Manifest {
        /// The key.
        key: String,
        /// What is wrong with it.
        source: Box<ManifestError>,
    },
    /// A manifest was written by a later version of this program.
    #[error("the manifest '{key}' is of a later format; nothing was changed")]
    NewerManifest {
        /// The key.
        key: String,
        /// The version, and the one that is known.
        source: Box<ManifestError>,
    },
    /// Chunks without a manifest belong to a dataset whose publication was not finished.
    #[error(
        "'{key}' belongs to a dataset that was published and has lost its manifest before all its \
         chunks had their own names; what has those may be of an older one. Split the dataset again \
         with --replace"
    )]
    Unfinished {
        /// A staged chunk's key.
        key: String,
    },
    /// A name stands for a dataset that is not there.
    #[error(
        "'{alias}' is an alias of '{dataset}', but '{key}' holds {found}; expected a dataset's \
         manifest. Let it name another one with 'arrowredis alias', or remove it"
    )]
    Alias {
        /// The alias.
        alias: String,
        /// What it stands for.
        dataset: String,
        /// Where that one's manifest would be.
        key: String,
        /// What is there.
        found: String,
    },
    /// A dataset was replaced, removed, or its time was up, while it was read.
    #[error(
        "dataset '{dataset}' was replaced or removed while it was read: '{key}' is not of the \
         writing that was begun, {id}. What was handed out until then was all of that one; read \
         again"
    )]
    Replaced {
        /// The dataset.
        dataset: String,
        /// A chunk that is gone.
        key: String,
        /// The id of the dataset that was being read.
        id: String,
    },
    /// A dataset has no manifest, and what was asked for needs one.
    #[error(
        "dataset '{dataset}' has no manifest at {store}: expected '{key}'; if another program \
         stored it, write its manifest with 'arrowredis adopt {dataset}'"
    )]
    NoManifest {
        /// The dataset.
        dataset: String,
        /// Where it was looked for.
        store: String,
        /// The manifest's key.
        key: String,
    },
    /// A chunk has another schema than the first one.
    #[error(
        "the schemas of '{first}' and '{key}' differ: {difference}; one of them is of another \
         dataset"
    )]
    SchemaDiffers {
        /// The key.
        key: String,
        /// The first chunk's key.
        first: String,
        /// The first difference.
        difference: String,
    },
    /// Everything asked for is absent and allowed to be, but an output needs a schema.
    #[error("no chunk of dataset '{dataset}' is present, so there is no schema to write")]
    NothingToWrite {
        /// The dataset.
        dataset: String,
    },
}
