//! Writes requests, each piece from where it lies: memory, or a file that is read meanwhile.

use std::io::{self, IoSlice};
use std::mem::take;
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::request::Packed;
use crate::checksum::{Checksum, RunningChecksum};
use crate::chunk::Piece;
use crate::ipc::file_part::FilePart;
use crate::store::redis::stream::Progress;

/// Bytes of a file that are read before they are written, while they are in a core's caches. With a
/// quarter of it, or with values of several MB in one, storing takes longer.
const AT_ONCE: usize = 512 << 10;

/// The writing half of a connection.
pub(super) struct Writer<W> {
    to: W,
    /// What was read of a file, and how much of it is still to be written.
    room: Vec<u8>,
    read: usize,
    progress: Arc<Progress>,
}

/// Why a request was not written.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// The connection failed.
    Stream(io::Error),
    /// A value could not be read from its file. A part of it may have been written.
    Source(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

/// What is written together with what was read, before it and after it.
#[derive(Default)]
struct Around<'a> {
    before: Vec<&'a [u8]>,
    after: Vec<&'a [u8]>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(to: W, progress: Arc<Progress>) -> Self {
        Self { to, room: Vec::new(), read: 0, progress }
    }

    /// Writes requests. Returns the checksum of the value that was read for that; there may be one.
    pub(super) async fn write(
        &mut self,
        requests: impl Iterator<Item = &Packed>,
    ) -> Result<Option<Checksum>, Unwritten> {
        let (mut sum, mut around) = (None, Around::default());
        self.read = 0;
        for request in requests {
            if request.is_forwarded() {
                sum = Some(RunningChecksum::default());
            }
            for (place, piece) in request.pieces.iter().enumerate() {
                let sum = sum.as_mut().filter(|_| request.is_value(place));
                match piece {
                    Piece::Here(bytes) => {
                        if let Some(sum) = sum {
                            sum.add(bytes);
                        }
                        let side =
                            if self.read == 0 { &mut around.before } else { &mut around.after };
                        side.push(bytes);
                    }
                    Piece::InFile(part) => self.write_part(part, sum, &mut around).await?,
                }
            }
        }
        self.write_around(around).await?;
        self.to.flush().await?;
        Ok(sum.map(RunningChecksum::finish))
    }

    /// Writes all of a part of a file but what was read last, and before it what was to go around the one
    /// before.
    async fn write_part(
        &mut self,
        part: &FilePart,
        mut sum: Option<&mut RunningChecksum>,
        around: &mut Around<'_>,
    ) -> Result<(), Unwritten> {
        for from in (0..part.len()).step_by(AT_ONCE) {
            if self.read > 0 {
                self.write_around(take(around)).await?;
            }
            let bytes = AT_ONCE.min(part.len() - from);
            self.room.resize(AT_ONCE, 0);
            let add = |some: &[u8]| {
                if let Some(sum) = &mut sum {
                    sum.add(some);
                }
            };
            let held_up = self.progress.hold_up();
            let read = part.read_soon(from, &mut self.room, bytes, add).await;
            drop(held_up);
            read.map_err(Unwritten::Source)?;
            self.read = bytes;
        }
        Ok(())
    }

    /// Writes what was read and what goes with it.
    async fn write_around(&mut self, around: Around<'_>) -> io::Result<()> {
        let read = &self.room[..take(&mut self.read)];
        let all = around.before.into_iter().chain([read]).chain(around.after);
        let mut slices: Vec<_> = all.map(IoSlice::new).collect();
        write_all(&mut self.to, &mut slices).await
    }
}

async fn write_all(
    to: &mut (impl AsyncWrite + Unpin),
    mut slices: &mut [IoSlice<'_>],
) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match to.write_vectored(slices).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut slices, written),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;
    use crate::chunk::written;
    use crate::clock::Timestamp;

    /// What is written of a value by a writer of others that takes so many bytes at once, and the checksum.
    async fn forwarded(lengths: &[usize], at_once: usize) -> (Vec<u8>, Checksum, Vec<u8>) {
        let (value, _file) = written(lengths);
        let (near, mut far) = duplex(at_once);
        let until = Some(Timestamp(1_700_000_000_000));
        let request = Packed::forward("k", &value, until).asking();
        let writing = async {
            let mut writer = Writer::new(near, Arc::new(Progress::new()));
            // What was written before leaves nothing behind.
            let (before, _file) = written(&[9, 1 << 18, 9]);
            writer.write([&Packed::forward("before", &before, None)].into_iter()).await.unwrap();
            writer.write([&request].into_iter()).await.unwrap().unwrap()
        };
        let mut sent = Vec::new();
        let (checksum, read) = tokio::join!(writing, far.read_to_end(&mut sent));
        read.unwrap();
        let start = sent.windows(6).position(|some| some == b"ASKING").unwrap();
        let asking = b"*1\r\n$6\r\n".len();
        (sent.split_off(start - asking), checksum, value.mapped().to_vec())
    }

    async fn is_sent_whole(lengths: &[usize], at_once: usize) {
        let (sent, checksum, value) = forwarded(lengths, at_once).await;
        assert_eq!(checksum, Checksum::of(&value));
        let as_before =
            Packed::set("k", &value.into(), Some(Timestamp(1_700_000_000_000))).asking();
        let bytes = as_before.pieces.iter().flat_map(|piece| piece.bytes().iter());
        assert!(bytes.eq(&sent), "{lengths:?}, {at_once} at once");
    }

    #[tokio::test]
    async fn a_value_in_a_file_is_sent_as_one_in_memory_is() {
        for lengths in [
            &[AT_ONCE][..],
            &[128 << 10],
            &[AT_ONCE + 1],
            &[1, AT_ONCE - 1, 1],
            &[9, 2 * AT_ONCE, 9, 128 << 10, 0, 3 * AT_ONCE + 5],
            &[128 << 10, 128 << 10],
        ] {
            is_sent_whole(lengths, 1 << 20).await;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_its_pieces_and_however_it_is_taken(
            lengths in vec(prop_oneof![0..100usize, 120_000..700_000usize], 1..6),
            at_once in prop_oneof![500..5_000usize, 60_000..2_000_000usize],
        ) {
            prop_assume!(lengths.iter().any(|length| *length >= 128 << 10));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(is_sent_whole(&lengths, at_once));
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_is_too_short_is_no_fault_of_the_connection() {
        let (value, file) = written(&[10, 3 * AT_ONCE, 10]);
        file.set_len(2 * AT_ONCE as u64).unwrap();
        let mut writer = Writer::new(tokio::io::sink(), Arc::new(Progress::new()));
        let request = [Packed::forward("k", &value, None)];
        let unwritten = writer.write(request.iter()).await.unwrap_err();
        assert!(matches!(unwritten, Unwritten::Source(_)), "{unwritten:?}");
    }
}
