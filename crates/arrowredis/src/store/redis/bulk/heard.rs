//! Replies as a fuzzer hears them: off bytes that come some at a time, without a server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::redis::Value;
use tokio::io::{AsyncRead, ReadBuf};

use super::replies::Replies;
use super::reply::Reply;

/// Bytes that come so many at a time.
struct Portions<'a> {
    bytes: &'a [u8],
    at_once: usize,
}

impl AsyncRead for Portions<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.bytes.len().min(self.at_once).min(buffer.remaining());
        let (now, later) = self.bytes.split_at(count);
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// What is heard until the bytes end or are no replies: values, or `None` for whatever else.
pub(crate) fn heard(bytes: &[u8], at_once: usize) -> Vec<Option<Vec<u8>>> {
    let mut replies = Replies::new(Portions { bytes, at_once: at_once.max(1) });
    let hear = async {
        let mut heard = Vec::new();
        while let Ok(reply) = replies.next(|_, _| false).await {
            heard.push(match reply {
                Reply::Value(value) => Some(value.to_vec()),
                Reply::Other(Value::BulkString(_)) => unreachable!("those are values"),
                _ => None,
            });
        }
        heard
    };
    match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime.block_on(hear),
        Err(error) => panic!("no runtime: {error}"),
    }
}
