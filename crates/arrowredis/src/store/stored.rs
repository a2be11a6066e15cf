//! A value as a store hands it out.

use std::ops::Deref;

use arrow_buffer::Buffer;

use crate::checksum::Checksum;

/// A value's bytes, with their checksum: taken as they came, while they were still in the processor's
/// caches.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredValue {
    /// The bytes.
    pub bytes: Buffer,
    /// That of the bytes.
    pub checksum: Checksum,
}

impl StoredValue {
    /// Some bytes, of which it takes the checksum.
    pub fn of(bytes: Buffer) -> Self {
        let checksum = Checksum::of(&bytes);
        Self { bytes, checksum }
    }
}

impl Deref for StoredValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}
