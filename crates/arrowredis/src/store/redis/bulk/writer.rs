//! Writes requests, each piece from where it lies: memory, or a file that is read meanwhile.

use std::io::{self, IoSlice};
use std::ops::Range;

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
    /// For what is read.
    room: Vec<u8>,
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

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, room: Vec::new() }
    }

    /// Writes requests whose pieces all lie in memory.
    pub(super) async fn write(
        &mut self,
        requests: impl Iterator<Item = &Packed>,
    ) -> io::Result<()> {
        let mut slices = Vec::new();
        for request in requests {
            slices.extend(request.pieces.iter().filter_map(in_memory));
        }
        self.write_all(&mut slices).await?;
        self.to.flush().await
    }

    /// Writes a request of which some pieces are to be read. Returns the checksum of those that are the
    /// value.
    pub(super) async fn forward(
        &mut self,
        request: &Packed,
        value: &Range<usize>,
    ) -> Result<Checksum, Unwritten> {
        let (mut sum, mut waiting) = (RunningChecksum::default(), Vec::new());
        for (place, piece) in request.pieces.iter().enumerate() {
            match piece {
                Piece::Here(bytes) => {
                    if value.contains(&place) {
                        sum.add(bytes);
                    }
                    waiting.push(IoSlice::new(bytes));
                }
                Piece::InFile(part) => {
                    let mut from = 0;
                    while from < part.len() {
                        let mut room = std::mem::take(&mut self.room);
                        room.resize(AT_ONCE.min(part.len() - from), 0);
                        let read = part.read_soon(from, &mut room, |some| sum.add(some)).await;
                        read.map_err(Unwritten::Source)?;
                        from += room.len();
                        let mut slices = std::mem::take(&mut waiting);
                        slices.push(IoSlice::new(&room));
                        self.write_all(&mut slices).await?;
                        self.room = room;
                    }
                }
            }
        }
        self.write_all(&mut waiting).await?;
        self.to.flush().await?;
        Ok(sum.finish())
    }

    async fn write_all(&mut self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let mut left = slices;
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match self.to.write_vectored(left).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut left, written),
            }
        }
        Ok(())
    }
}

fn in_memory(piece: &Piece) -> Option<IoSlice<'_>> {
    match piece {
        Piece::Here(bytes) => Some(IoSlice::new(bytes)),
        Piece::InFile(_) => None,
    }
}
