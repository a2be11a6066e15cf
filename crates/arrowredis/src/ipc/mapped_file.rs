//! Maps a file into memory. Beside `region/slab.rs` the one place with `unsafe`.
#![expect(unsafe_code, reason = "mapping a file is unsafe by nature; the proof stands at the call")]

use std::fs::File;
use std::io;
use std::sync::{Arc, Weak};

use arrow_buffer::Buffer;
use bytes::Bytes;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use memmap2::{Advice, Mmap};
use tokio::sync::oneshot;

/// The bytes of a file, read on demand and shared by all slices of them.
pub(crate) fn map(file: &File) -> io::Result<(Buffer, Pages, Unmapped)> {
    // SAFETY: the map is read-only and private to this process' reading, it lives as long as any
    // `Buffer` that points into it, and all bytes taken from it are treated as foreign input whose
    // every length is checked. What remains is that somebody changes the file meanwhile: changed
    // bytes are seen as damaged or different data, and shortening it ends this process with SIGBUS.
    // The documentation of the verbs therefore asks for a file at rest, and they return only when
    // the map is gone.
    let map = unsafe { Mmap::map(file)? };
    // Advice only: a system that does not know it reads just the same.
    let _ = map.advise(Advice::Sequential);
    let (gone, unmapped) = oneshot::channel();
    let map = Arc::new(map);
    let pages = Pages(Arc::downgrade(&map));
    Ok((Buffer::from(Bytes::from_owner(Mapped { map, _gone: gone })), pages, Unmapped(unmapped)))
}

/// The pages of a map that this process holds. The system would take them back when it runs short;
/// until then they count as this process' memory.
#[derive(Debug, Clone)]
pub(crate) struct Pages(Weak<Mmap>);

impl Pages {
    /// Gives back those that lie before byte `end`. Whoever still needs one reads it again.
    pub(crate) fn release_before(&self, end: usize) {
        #[cfg(unix)]
        if let Some(map) = self.0.upgrade() {
            let end = end.min(map.len());
            // SAFETY: the map is shared, of a file, and read-only, so no page of it can hold
            // anything that the file does not. MADV_DONTNEED drops pages, and the next access
            // reads them from the file again: every reference stays valid and sees the same bytes.
            let released = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, 0, end) };
            if let Err(error) = released {
                tracing::debug!(%error, "pages of the mapped file are kept");
            }
        }
    }
}

/// A map, and the word that it is gone.
struct Mapped {
    map: Arc<Mmap>,
    _gone: oneshot::Sender<()>,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

/// Tells when the last reference into a map has been dropped, on whatever thread that was.
#[derive(Debug)]
pub(crate) struct Unmapped(oneshot::Receiver<()>);

impl Unmapped {
    /// Waits for it. Every reference must be on its way to being dropped.
    pub(crate) async fn wait(self) {
        // The sender only ever goes away, which is the word.
        let _ = self.0.await;
    }
}
