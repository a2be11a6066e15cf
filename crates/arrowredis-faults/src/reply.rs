//! From the server to the client: replies, each as `request` decided about its command.

use std::io;
use std::ops::ControlFlow;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::frame::{Frame, Piece};
use crate::link::{Expected, Link};
use crate::proxy::Shared;

/// The sign of what a server says unasked.
const PUSH: u8 = b'>';

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// Ends when the server does, or when a fault cuts the connection.
pub(crate) async fn pump(
    mut server: ReadHalf<'_>,
    client: WriteHalf<'_>,
    link: &Link,
    shared: &Shared,
) -> io::Result<()> {
    let mut replies = Replies {
        client,
        link,
        shared,
        frame: Frame::of_replies(),
        current: None,
        flip: None,
        out: Vec::new(),
    };
    let mut buffer = vec![0; BUFFER];
    loop {
        replies.ours();
        replies.flush().await?;
        let read = tokio::select! {
            read = server.read(&mut buffer) => read?,
            () = link.grown.notified() => continue,
        };
        if read == 0 || replies.take(&buffer[..read]).await?.is_break() {
            return Ok(());
        }
    }
}

struct Replies<'link> {
    client: WriteHalf<'link>,
    link: &'link Link,
    shared: &'link Shared,
    frame: Frame,
    /// What becomes of the reply whose bytes come in; none between two replies.
    current: Option<Expected>,
    /// The bit that is to be flipped in the next value.
    flip: Option<u64>,
    /// What goes to the client with the next sending.
    out: Vec<u8>,
}

impl Replies<'_> {
    async fn take(&mut self, mut bytes: &[u8]) -> io::Result<ControlFlow<()>> {
        while !bytes.is_empty() {
            if self.current.is_none() {
                // What comes unasked is nobody's reply.
                let unasked = bytes[0] == PUSH;
                let next = if unasked { Expected::Reply } else { self.link.next_reply() };
                if let Expected::Corrupt(bit) = next {
                    self.flip = Some(bit);
                }
                self.current = Some(next);
            }
            let piece = self.frame.next(bytes);
            let (taken, rest) = bytes.split_at(piece.length);
            bytes = rest;
            if self.part(taken, piece).await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if piece.last {
                self.current = None;
                self.ours();
            }
        }
        self.flush().await?;
        Ok(ControlFlow::Continue(()))
    }

    async fn part(&mut self, bytes: &[u8], piece: Piece) -> io::Result<ControlFlow<()>> {
        match self.current.as_mut() {
            Some(Expected::Lost) if piece.last => {
                self.shared.counts.change(|counts| counts.lost_replies += 1);
                self.flush().await?;
                return Ok(ControlFlow::Break(()));
            }
            Some(Expected::Cut(after)) => {
                let most = bytes.len() - usize::from(piece.last);
                let going = usize::try_from(*after).unwrap_or(usize::MAX).min(most);
                *after -= going as u64;
                let cut = *after == 0 || piece.last;
                self.out.extend_from_slice(&bytes[..going]);
                if cut {
                    self.shared.counts.change(|counts| counts.cuts_in_replies += 1);
                    self.flush().await?;
                    return Ok(ControlFlow::Break(()));
                }
            }
            Some(Expected::Instead(ours)) if piece.last => self.out.append(ours),
            Some(Expected::Lost | Expected::Instead(_)) => {}
            _ => {
                let start = self.out.len();
                self.out.extend_from_slice(bytes);
                if piece.value
                    && let Some(bit) = self.flip.take()
                {
                    self.shared.counts.change(|counts| counts.corrupted += 1);
                    let bits = bytes.len() as u64 * 8;
                    let byte = usize::try_from(bit % bits / 8).unwrap_or(0);
                    self.out[start + byte] ^= 1 << (bit % 8);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Between two replies: what the client gets from us.
    fn ours(&mut self) {
        while self.current.is_none()
            && let Some(bytes) = self.link.next_ours()
        {
            self.out.extend_from_slice(&bytes);
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.link.pace.send(&mut self.client, &self.out).await?;
        self.out.clear();
        Ok(())
    }
}
