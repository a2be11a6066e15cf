//! A part of a file that is read when it is needed, and not before.

use std::fs::File;
use std::io;
use std::mem::take;
use std::sync::Arc;

use arrow_buffer::Buffer;

use crate::pipeline;
use crate::region::Region;

/// Bytes that are read before they are looked at: while they are in a core's own cache, which is 256 KiB
/// or more, and there is half of it for what else goes on.
const AT_ONCE: usize = 128 << 10;

/// A part of a file that is also mapped.
#[derive(Debug, Clone)]
pub(crate) struct FilePart {
    file: Arc<File>,
    at: u64,
    mapped: Buffer,
}

impl FilePart {
    /// `mapped` is what begins at byte `at` of the file.
    pub(super) fn new(file: Arc<File>, at: u64, mapped: Buffer) -> Self {
        Self { file, at, mapped }
    }

    /// Its bytes where they are mapped.
    #[cfg(test)]
    pub(crate) fn mapped(&self) -> &Buffer {
        &self.mapped
    }

    pub(crate) fn len(&self) -> usize {
        self.mapped.len()
    }

    /// Reads its bytes from `from` on into all of `room`.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter than it was.
    #[cfg(unix)]
    fn read(&self, from: usize, room: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&*self.file, room, self.at + from as u64)
    }

    /// Copies its bytes from `from` on into all of `room`, from where they are mapped.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    fn read(&self, from: usize, room: &mut [u8]) -> io::Result<()> {
        room.copy_from_slice(&self.mapped[from..from + room.len()]);
        Ok(())
    }

    /// All of its bytes, in memory that is used again. `seen` is given them in order, when they have just been
    /// read.
    ///
    /// # Errors
    /// As [`FilePart::read`], and when the system has no memory.
    pub(crate) fn read_all(&self, mut seen: impl FnMut(&[u8])) -> io::Result<Buffer> {
        let mut region = Region::take(self.len())?;
        for from in (0..self.len()).step_by(AT_ONCE) {
            let some = &mut region[from..self.len().min(from + AT_ONCE)];
            self.read(from, some)?;
            seen(some);
        }
        Ok(region.freeze(self.len()))
    }

    /// Reads `bytes` of its bytes from `from` on into the beginning of `room`, which has room for them, and
    /// `seen` is given all of them in order. What the system has in memory is copied on the spot, which
    /// takes no longer than to send it; for what must come from a disk another thread waits.
    ///
    /// # Errors
    /// As [`FilePart::read`].
    pub(crate) async fn read_soon(
        &self,
        from: usize,
        room: &mut Vec<u8>,
        bytes: usize,
        mut seen: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut read = 0;
        while read < bytes {
            let end = bytes.min(read + AT_ONCE);
            let at = self.at + (from + read) as u64;
            let some = read_if_in_memory(&self.file, at, &mut room[read..end]);
            if some == 0 {
                break;
            }
            seen(&room[read..read + some]);
            read += some;
        }
        if read < bytes {
            let (part, mut taken) = (self.clone(), take(room));
            let reading = move || part.read(from + read, &mut taken[read..bytes]).map(|()| taken);
            *room = pipeline::apart(reading).await?;
            room[read..bytes].chunks(AT_ONCE).for_each(seen);
        }
        Ok(())
    }
}

/// Whether the system tells what it has in memory of a file: Linux does, where the file system lets it.
/// Those of containers and those in memory mostly do not.
#[cfg(target_os = "linux")]
pub(super) fn can_tell(file: &File) -> bool {
    use rustix::io::Errno;

    matches!(read_now(file, 0, &mut [0]), Ok(_) | Err(Errno::AGAIN | Errno::INTR))
}

/// It does not.
#[cfg(not(target_os = "linux"))]
pub(super) fn can_tell(_: &File) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn read_now(file: &File, at: u64, room: &mut [u8]) -> rustix::io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};

    preadv2(file, &mut [io::IoSliceMut::new(room)], at, ReadWriteFlags::NOWAIT)
}

/// How many bytes could be read without waiting. None, too, where the system does not tell.
#[cfg(target_os = "linux")]
fn read_if_in_memory(file: &File, at: u64, room: &mut [u8]) -> usize {
    // What is wrong with the file shows when it is waited for.
    read_now(file, at, room).unwrap_or(0)
}

/// None: this system does not tell.
#[cfg(not(target_os = "linux"))]
fn read_if_in_memory(_: &File, _: u64, _: &mut [u8]) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::mapped_file;
    use super::*;

    const LENGTH: usize = 3 * AT_ONCE + 5;

    fn part_of(file: &File, at: usize, len: usize) -> FilePart {
        let (map, _pages, _unmapped) = mapped_file::map(file).unwrap();
        let part = map.slice_with_length(at, len);
        FilePart::new(Arc::new(file.try_clone().unwrap()), at as u64, part)
    }

    fn bytes() -> Vec<u8> {
        (0..LENGTH).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect()
    }

    fn written() -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes()).unwrap();
        file
    }

    async fn read(part: &FilePart, from: usize, len: usize) -> Vec<u8> {
        let (mut soon, mut seen, mut now) = (vec![0; len], Vec::new(), vec![0; len]);
        part.read_soon(from, &mut soon, len, |some| seen.extend_from_slice(some)).await.unwrap();
        part.read(from, &mut now).unwrap();
        assert!(soon == seen && soon == now);
        seen.clear();
        let all = part.read_all(|some| seen.extend_from_slice(some)).unwrap();
        assert!(all == *part.mapped() && *all == seen[..]);
        soon
    }

    #[tokio::test]
    async fn what_is_read_is_what_is_mapped() {
        let file = written();
        for (at, len) in [(0, LENGTH), (7, LENGTH - 7), (AT_ONCE, 2 * AT_ONCE)] {
            let part = part_of(&file, at, len);
            assert_eq!(part.len(), len);
            assert_eq!(part.mapped().as_slice(), &bytes()[at..at + len]);
            for (from, some) in [(0, len), (9, AT_ONCE), (AT_ONCE + 1, 1), (len, 0)] {
                assert_eq!(read(&part, from, some).await, part.mapped()[from..from + some]);
            }
        }
    }

    /// Method: the pages of the file are given back before, so that they come from the disk.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_not_in_memory_is_waited_for() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes()).unwrap();
        file.as_file().sync_all().unwrap();
        for _ in 0..3 {
            rustix::fs::fadvise(file.as_file(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
            let part = part_of(file.as_file(), 0, LENGTH);
            assert_eq!(read(&part, 0, LENGTH).await, bytes());
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_was_cut_short_is_an_error() {
        let file = written();
        let part = part_of(&file, 0, LENGTH);
        file.set_len(LENGTH as u64 - 1).unwrap();
        let mut room = vec![0; LENGTH];
        let error = part.read_all(|_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let error = part.read_soon(0, &mut room, LENGTH, |_| {}).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
