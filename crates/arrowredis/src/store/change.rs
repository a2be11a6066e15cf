//! Changes that a store makes as one, if nothing came between.

use crate::chunk::Payload;
use crate::clock::Timestamp;
use crate::dataset::DatasetName;
use crate::key::manifest_key;
use crate::manifest::Fingerprint;

/// What must be so when changes are made.
///
/// Every step that could harm another writer's data is guarded. A process that was paused between two
/// steps then changes nothing when it goes on after somebody else has published.
///
/// All keys of a guard and of the changes that it guards lie in one slot, see
/// [`ChunkStore::slot`](super::ChunkStore::slot).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// What must be so, all of it.
    pub conditions: Vec<Condition>,
    /// Keys whose values must have these lengths.
    pub present: Vec<(String, u64)>,
}

/// What one key must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A value that ends with these bytes, or if they are fewer than eight, is them; if they are none,
    /// no value.
    EndsWith {
        /// The key.
        key: String,
        /// The bytes.
        tail: Vec<u8>,
    },
    /// No value, or one that does not come after this text, byte by byte.
    NotAfter {
        /// The key.
        key: String,
        /// The text.
        text: String,
    },
}

impl Condition {
    /// The key that it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::EndsWith { key, .. } | Self::NotAfter { key, .. } => key,
        }
    }
}

impl Guard {
    /// That the dataset's manifest is the one with this fingerprint.
    pub fn manifest(dataset: &DatasetName, fingerprint: &Fingerprint) -> Self {
        Self::ends_with(manifest_key(dataset), fingerprint.as_bytes().to_vec())
    }

    /// That a key's value ends with these bytes; if they are none, that there is no value.
    pub fn ends_with(key: String, tail: Vec<u8>) -> Self {
        Self { conditions: vec![Condition::EndsWith { key, tail }], present: Vec::new() }
    }

    /// That also all of another guard holds.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.conditions.extend(other.conditions);
        self.present.extend(other.present);
        self
    }

    /// A key that it or the changes are about, to say where they are made.
    pub fn any_key<'a>(&'a self, changes: &'a [Change]) -> Option<&'a str> {
        let condition = self.conditions.first().map(Condition::key);
        let present = self.present.first().map(|(key, _)| key.as_str());
        condition.or(present).or_else(|| changes.first().map(Change::key))
    }

    /// A key of the guard that the changes give another value, and what that ends with: by it can be
    /// told whether they were made, when the answer was lost.
    pub fn trace(&self, changes: &[Change]) -> Option<(String, Vec<u8>)> {
        let keys = self.conditions.iter().map(Condition::key);
        keys.filter_map(|key| {
            let tail = changes.iter().filter_map(|change| change.leaves(key)).next_back()?;
            Some((key.to_owned(), tail))
        })
        .next()
    }
}

/// One change of one key, or of two that belong together. Made twice in a row, each does the same as
/// made once.
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
    /// Like [`Change::Rename`], and sets when the value is to vanish, if ever. The value that stood
    /// there can be put aside instead of going.
    Settle {
        /// Its name so far.
        from: String,
        /// Its name from now on.
        to: String,
        /// When it is to vanish.
        until: Option<Timestamp>,
        /// The name that the value there before gets, and until when.
        aside: Option<(String, Timestamp)>,
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

impl Change {
    /// The key that it is about, or one of two that lie in the same slot.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Remove { key } | Self::Expire { key, .. } => key,
            Self::Rename { from, .. } | Self::Settle { from, .. } => from,
        }
    }

    /// What a key's value ends with afterwards, if this decides it.
    fn leaves(&self, changed: &str) -> Option<Vec<u8>> {
        match self {
            Self::Put { key, value, .. } if key == changed => {
                Some(Fingerprint::of(&value.to_vec()).as_bytes().to_vec())
            }
            Self::Remove { key } if key == changed => Some(Vec::new()),
            Self::Rename { from, .. } | Self::Settle { from, .. } if from == changed => {
                Some(Vec::new())
            }
            _ => None,
        }
    }
}
