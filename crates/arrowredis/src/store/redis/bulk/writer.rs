//! Writes requests, each piece from where it lies: memory, or a file that is read meanwhile.

use std::io::{self, IoSlice};
use std::mem::take;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::request::Packed;
use crate::checksum::{Checksum, RunningChecksum};
use crate::chunk::Piece;

/// Bytes of a file that are read before they are written, while they are in a core's caches. With a
/// quarter of it, or with values of several MB in one, storing takes longer.
const AT_ONCE: usize = 512 << 10;

/// The writing half of a connection.
pub(super) struct Writer<W> {
    to: W,
    /// What was read of a file, and how much of it is still to be written.
    room: Vec<u8>,
    read: usize,
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
    pub(super) fn new(to: W) -> Self {
        Self { to, room: Vec::new(), read: 0 }
    }

    /// Writes requests whose pieces all lie in memory.
    pub(super) async fn write(
        &mut self,
        requests: impl Iterator<Item = &Packed>,
    ) -> io::Result<()> {
        let mut slices = Vec::new();
        for request in requests {
            slices.extend(request.pieces.iter().filter_map(Piece::in_memory).map(IoSlice::new));
        }
        write_all(&mut self.to, &mut slices).await?;
        self.to.flush().await
    }

    /// Writes a request of which some pieces are still to be read. Returns the checksum of its value.
    pub(super) async fn forward(&mut self, request: &Packed) -> Result<Checksum, Unwritten> {
        let (mut sum, mut around) = (RunningChecksum::default(), Around::default());
        self.read = 0;
        for (place, piece) in request.pieces.iter().enumerate() {
            match piece {
                Piece::Here(bytes) => {
                    if request.is_value(place) {
                        sum.add(bytes);
                    }
                    let side = if self.read == 0 { &mut around.before } else { &mut around.after };
                    side.push(bytes);
                }
                Piece::InFile(part) => {
                    for from in (0..part.len()).step_by(AT_ONCE) {
                        if self.read > 0 {
                            self.write_around(take(&mut around)).await?;
                        }
                        let bytes = AT_ONCE.min(part.len() - from);
                        self.room.resize(AT_ONCE, 0);
                        let read =
                            part.read_soon(from, &mut self.room, bytes, |some| sum.add(some)).await;
                        read.map_err(Unwritten::Source)?;
                        self.read = bytes;
                    }
                }
            }
        }
        self.write_around(around).await?;
        self.to.flush().await?;
        Ok(sum.finish())
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
