//! Replies off a stream: values straight into the memory where they stay.

use std::io;

use ::redis::RedisResult;
use arrow_buffer::Buffer;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::reply::{Head, LONGEST_LINE, Reply, unreadable};
use crate::checksum::{RunningChecksum, Summed};
use crate::region::Region;

/// Bytes that are read to find a reply's first line. What comes with it of a value is copied.
const STAGE: usize = 4 << 10;

/// Bytes that a value is read with beyond its end: the line end, and most often the next first line,
/// which then takes no read of its own.
const BEYOND: usize = 64;

/// Bytes of a value that are received before they are summed up, while they are in a core's caches: half a
/// MiB.
const SUMMED_AT_ONCE: usize = 512 << 10;

const LINE_END: &[u8; 2] = b"\r\n";

/// The replies of a stream, in their order.
pub(super) struct Replies<S> {
    stream: S,
    /// What was read and belongs to no reply yet.
    stage: Vec<u8>,
    /// Where in it the next reply begins.
    at: usize,
}

impl<S: AsyncRead + Unpin> Replies<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, stage: Vec::new(), at: 0 }
    }

    /// The next one. `others_first` is told of a value's length and of how much is left of it, whenever some
    /// has come, and says whether others shall go on first.
    ///
    /// # Errors
    /// When the stream ends or fails, or is none of replies to bulk requests.
    pub(super) async fn next(
        &mut self,
        mut others_first: impl FnMut(usize, usize) -> bool,
    ) -> RedisResult<Reply> {
        match self.head().await? {
            Head::Bytes(len) => {
                let seen = |_: &[u8], left| others_first(len, left);
                Ok(Reply::Value(self.value(len, usize::MAX, seen).await?))
            }
            Head::All(value) => Ok(Reply::Other(value)),
        }
    }

    /// The next one. A value is summed up while it is received.
    ///
    /// # Errors
    /// As [`Replies::next`].
    pub(super) async fn next_summed(&mut self) -> RedisResult<Reply> {
        match self.head().await? {
            Head::Bytes(len) => {
                let mut sum = RunningChecksum::default();
                let add = |some: &[u8], _| {
                    sum.add(some);
                    false
                };
                let value = self.value(len, SUMMED_AT_ONCE, add).await?;
                Ok(Reply::Summed(Summed { value, checksum: sum.finish() }))
            }
            Head::All(value) => Ok(Reply::Other(value)),
        }
    }

    async fn head(&mut self) -> RedisResult<Head> {
        let end = self.line_end().await?;
        let head = Head::read(&self.stage[self.at..end]);
        self.at = end;
        head
    }

    /// Where the first line ends, which is read as far as it was not.
    async fn line_end(&mut self) -> RedisResult<usize> {
        let mut looked = self.at;
        loop {
            let line = &self.stage[looked..];
            if let Some(found) = line.windows(2).position(|two| two == LINE_END) {
                return Ok(looked + found + LINE_END.len());
            }
            if self.stage.len() - self.at > LONGEST_LINE {
                return Err(unreadable(&self.stage[self.at..]));
            }
            self.stage.drain(..self.at);
            self.at = 0;
            let have = self.stage.len();
            // The line end may come in two.
            looked = have.saturating_sub(1);
            self.stage.resize(have + STAGE, 0);
            let read = self.stream.read(&mut self.stage[have..]).await;
            self.stage.truncate(have + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                return Err(ended().into());
            }
        }
    }

    /// Receives a value, so many bytes at once and no more. `seen` is given all of them in order, and how many
    /// are left; it says whether others shall go on first.
    async fn value(
        &mut self,
        len: usize,
        at_once: usize,
        mut seen: impl FnMut(&[u8], usize) -> bool,
    ) -> RedisResult<Buffer> {
        let whole = len + LINE_END.len();
        let mut region = Region::take(whole + BEYOND)?;
        let staged = &self.stage[self.at..];
        let mut have = staged.len().min(whole);
        region[..have].copy_from_slice(&staged[..have]);
        self.at += have;
        let mut seen = |some: &[u8], have: usize| seen(some, len.saturating_sub(have));
        let mut others_first = seen(&region[..have.min(len)], have);
        while have < whole {
            if others_first {
                tokio::task::yield_now().await;
            }
            let end = region.len().min(have.saturating_add(at_once));
            let read = self.stream.read(&mut region[have..end]).await?;
            if read == 0 {
                return Err(ended().into());
            }
            let before = have;
            have += read;
            others_first = seen(&region[before.min(len)..have.min(len)], have);
        }
        if have > whole {
            // All that was staged went before it.
            self.stage.clear();
            self.stage.extend_from_slice(&region[whole..have]);
            self.at = 0;
        }
        if region[len..whole] != *LINE_END {
            return Err(unreadable(&region[len..whole]));
        }
        Ok(region.freeze(len))
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

#[cfg(test)]
mod tests {
    use ::redis::Value;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::checksum::Checksum;

    /// What a server may say, without errors.
    #[derive(Debug, Clone, PartialEq)]
    enum Said {
        Bytes(Vec<u8>),
        Nothing,
        Okay,
    }

    impl Said {
        fn written(&self) -> Vec<u8> {
            match self {
                Self::Bytes(bytes) => {
                    let mut said = format!("${}\r\n", bytes.len()).into_bytes();
                    said.extend_from_slice(bytes);
                    said.extend_from_slice(LINE_END);
                    said
                }
                Self::Nothing => b"$-1\r\n".to_vec(),
                Self::Okay => b"+OK\r\n".to_vec(),
            }
        }

        fn heard(reply: Reply) -> Self {
            match reply {
                Reply::Summed(Summed { value, checksum }) => {
                    assert_eq!(checksum, Checksum::of(&value));
                    Self::heard(Reply::Value(value))
                }
                Reply::Value(value) => {
                    assert_eq!(value.as_ptr().align_offset(64), 0, "values are aligned");
                    Self::Bytes(value.to_vec())
                }
                Reply::Other(Value::Nil) => Self::Nothing,
                Reply::Other(Value::Okay) => Self::Okay,
                other => panic!("{other:?}"),
            }
        }
    }

    fn said() -> impl Strategy<Value = Said> {
        let bytes = prop_oneof![
            4 => vec(any::<u8>(), 0..300),
            1 => (0..600_000usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
            1 => Just(b"\r\n$3\r\n".to_vec()),
        ];
        prop_oneof![6 => bytes.prop_map(Said::Bytes), 1 => Just(Said::Nothing), 1 => Just(Said::Okay)]
    }

    /// Reads until an error, with writes of so many bytes at a time. Every other value is summed up.
    async fn hear(bytes: &[u8], at_once: usize) -> (Vec<Said>, ::redis::RedisError) {
        let (near, mut far) = tokio::io::duplex(at_once.max(1));
        let bytes = bytes.to_vec();
        let saying = tokio::spawn(async move { far.write_all(&bytes).await });
        let (mut replies, mut heard) = (Replies::new(near), Vec::new());
        let error = loop {
            let next = match heard.len() % 2 {
                0 => replies.next(|len, left| left < len / 2).await,
                _ => replies.next_summed().await,
            };
            match next {
                Ok(reply) => heard.push(Said::heard(reply)),
                Err(error) => break error,
            }
        };
        drop(replies);
        let _ = saying.await;
        (heard, error)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn replies_are_heard_however_they_are_cut(all in vec(said(), 0..20), at_once in 1..9_000usize) {
            let bytes: Vec<u8> = all.iter().flat_map(Said::written).collect();
            let (heard, error) = run(hear(&bytes, at_once));
            prop_assert_eq!(heard, all);
            prop_assert!(error.is_io_error());
        }

        /// A stream that ends early is an error, and nothing of the value that was cut is handed out.
        #[test]
        fn a_value_that_was_cut_is_none(all in vec(said(), 1..4), cut in any::<prop::sample::Index>()) {
            let bytes: Vec<u8> = all.iter().flat_map(Said::written).collect();
            let cut = cut.index(bytes.len());
            let (heard, error) = run(hear(&bytes[..cut], 1_000));
            prop_assert!(heard.len() < all.len());
            prop_assert_eq!(&heard[..], &all[..heard.len()]);
            prop_assert!(error.is_io_error());
        }
    }

    /// Longer than what is read to find its first line, so that its end comes in two.
    #[test]
    fn values_may_come_byte_by_byte() {
        let all = [Said::Bytes(vec![7; 2 * STAGE]), Said::Bytes(vec![8; 2 * STAGE])];
        let bytes: Vec<u8> = all.iter().flat_map(Said::written).collect();
        assert_eq!(run(hear(&bytes, 1)).0, all);
    }

    #[test]
    fn a_value_without_its_line_end_is_refused() {
        let (heard, error) = run(hear(b"$3\r\nabcd\r\n", 100));
        assert_eq!(heard, []);
        assert_eq!(error.kind(), ::redis::ErrorKind::Parse);
    }

    #[test]
    fn a_line_that_does_not_end_is_given_up() {
        let (_, error) = run(hear(&vec![b'-'; LONGEST_LINE + 2 * STAGE], 1_000));
        assert_eq!(error.kind(), ::redis::ErrorKind::Parse);
    }

    /// It claims more than any system has.
    #[test]
    fn a_length_that_nobody_has_is_an_error() {
        let (_, error) = run(hear(b"$2305843009213693952\r\nabc", 100));
        assert!(error.is_io_error());
    }
}
