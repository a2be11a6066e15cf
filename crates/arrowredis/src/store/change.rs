//! Changes that a store makes as one, if nothing came between.

use crate::chunk::Payload;
use crate::clock::Timestamp;
use crate::dataset::DatasetName;
use crate::key::{manifest_key, probe_key};
use crate::manifest::Fingerprint;

/// What must still be so when changes are made: that a manifest's key holds what was seen there, and
/// that chunks are where they were stored.
///
/// Every step that could harm another writer's data is guarded by it. A process that was paused
/// between two steps then changes nothing when it goes on after somebody else has published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The manifest's key.
    pub key: String,
    /// What it must end with.
    pub fingerprint: Fingerprint,
    /// Keys whose values must have these lengths.
    pub present: Vec<(String, u64)>,
}

impl Guard {
    /// That the dataset's manifest is the one with this fingerprint.
    pub fn new(dataset: &DatasetName, fingerprint: Fingerprint) -> Self {
        Self { key: manifest_key(dataset), fingerprint, present: Vec::new() }
    }

    /// Nothing that could fail, for changes of keys that belong to their writer alone.
    pub fn none(dataset: &DatasetName) -> Self {
        Self { key: probe_key(dataset), fingerprint: Fingerprint::ABSENT, present: Vec::new() }
    }
}

/// One change of one key.
#[derive(Debug, Clone)]
pub enum Change {
    /// Keeps a value under a key, in place of the one before: until then, or for ever.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Payload,
        /// When it is to vanish.
        until: Option<Timestamp>,
    },
    /// Gives a value, and its time to live, another name in place of the value there. Nothing, if
    /// there is none.
    Rename {
        /// Its name so far.
        from: String,
        /// Its name from now on.
        to: String,
    },
    /// Removes a key, if it is there.
    Remove {
        /// The key.
        key: String,
    },
    /// Sets when a key that is there is to vanish, if ever.
    Expire {
        /// The key.
        key: String,
        /// When.
        until: Option<Timestamp>,
    },
}
