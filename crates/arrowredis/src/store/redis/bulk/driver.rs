//! Moves requests and replies of one connection, each in its order, both at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{RedisError, RedisResult, Value};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};

use super::replies::Replies;
use super::reply::Reply;
use super::request::Packed;
use super::window::Window;
use super::writer::{Unwritten, Writer};
use crate::budget::Permit;
use crate::checksum::{Checksum, Summed};
use crate::store::redis::stream::Watched;

/// Bytes of requests that are written together. Longer ones go alone.
const TOGETHER: usize = 64 << 10;

/// A request, and who waits for its reply.
pub(super) struct Asked {
    pub(super) request: Packed,
    /// Replies that come before its own.
    pub(super) before: usize,
    pub(super) to: oneshot::Sender<Answer>,
}

/// A reply; a value with its part of the window, a long one with half of it. Whoever asked gives that back:
/// what nobody has taken yet is not asked for in much greater numbers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    _permit: Option<Permit>,
}

/// A request that was written.
struct Written {
    before: usize,
    to: oneshot::Sender<Answer>,
    permit: Permit,
    /// That of the value, if it was read while it was written.
    checksum: Option<Checksum>,
    /// Whether the value that comes is summed up.
    is_summed: bool,
}

/// Writes what is asked and reads what is answered until nobody asks any more, over a way that takes
/// so long there and back.
///
/// # Errors
/// When the connection fails. Who still waits is not told.
pub(super) async fn drive(
    stream: Watched,
    asked: mpsc::UnboundedReceiver<Asked>,
    round_trip: Duration,
) -> RedisResult<()> {
    let progress = Arc::clone(stream.progress());
    let (from, to) = split(stream);
    let writer = Writer::new(to, progress);
    let (written, waiting) = mpsc::unbounded_channel();
    let window = Window::over(round_trip);
    tokio::try_join!(write(writer, asked, written, &window), read(from, waiting, &window))?;
    Ok(())
}

async fn write(
    mut writer: Writer<WriteHalf<Watched>>,
    mut asked: mpsc::UnboundedReceiver<Asked>,
    written: mpsc::UnboundedSender<Written>,
    window: &Window,
) -> RedisResult<()> {
    let mut next = None;
    loop {
        let Some(first) = (match next.take() {
            Some(next) => Some(next),
            None => asked.recv().await,
        }) else {
            return Ok(());
        };
        let permit = window.acquire(&first.request).await;
        // The checksum of what is written is then its own.
        let alone = first.request.is_forwarded();
        let mut bytes = first.request.len();
        let mut together = vec![(first, permit)];
        while !alone && let Ok(more) = asked.try_recv() {
            bytes += more.request.len();
            let fits = bytes <= TOGETHER && !more.request.is_forwarded();
            match window.acquire_now(&more.request).filter(|_| fits) {
                Some(permit) => together.push((more, permit)),
                None => {
                    next = Some(more);
                    break;
                }
            }
        }
        // Nobody waits for those any more.
        together.retain(|(asked, _)| !asked.to.is_closed());
        let requests = together.iter().map(|(asked, _)| &asked.request);
        let checksum = match writer.write(requests).await {
            Ok(checksum) => checksum,
            Err(Unwritten::Stream(error)) => return Err(error.into()),
            Err(Unwritten::Source(error)) => return Err(unsent(together, error)),
        };
        for (Asked { request, before, to }, permit) in together {
            let is_summed = request.is_summed();
            // Before anybody is told that it is done: it may point into a file.
            drop(request);
            // It is only gone after the reader failed, which ends this, too.
            let _ = written.send(Written { before, to, permit, checksum, is_summed });
        }
    }
}

/// Tells whoever sent a value that it cannot be read. A part of it was sent, and nothing can come after
/// that: what the others are told who share the connection.
fn unsent(together: Vec<(Asked, Permit)>, error: io::Error) -> RedisError {
    if let Some((Asked { request, to, .. }, _)) = together.into_iter().next() {
        drop(request);
        let _ = to.send(Answer { reply: Reply::Unsent(error), _permit: None });
    }
    io::Error::from(io::ErrorKind::ConnectionAborted).into()
}

async fn read(
    from: ReadHalf<Watched>,
    mut waiting: mpsc::UnboundedReceiver<Written>,
    window: &Window,
) -> RedisResult<()> {
    let mut replies = Replies::new(from);
    while let Some(Written { before, to, mut permit, checksum, is_summed }) = waiting.recv().await {
        for _ in 0..before {
            replies.next(|_, _| false).await?;
        }
        let reply = match is_summed {
            true => replies.next_summed().await?,
            false => next(&mut replies, window, &mut permit).await?,
        };
        let reply = match (reply, checksum) {
            (Reply::Other(Value::Okay), Some(checksum)) => Reply::Stored(checksum),
            (reply, _) => reply,
        };
        let permit = match &reply {
            Reply::Value(value) | Reply::Summed(Summed { value, .. }) => {
                window.came(value.len() as u64);
                Some(permit)
            }
            _ => None,
        };
        // Whoever asked may have lost interest.
        let _ = to.send(Answer { reply, _permit: permit });
        if is_summed {
            // Whoever asked takes it, and the next is asked for before all is taken that came of the others:
            // the server would have nothing to do meanwhile.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// The next reply. The value after a long one is asked for so that it comes when this has come, and no sooner.
async fn next(
    replies: &mut Replies<ReadHalf<Watched>>,
    window: &Window,
    permit: &mut Permit,
) -> RedisResult<Reply> {
    let mut is_given_back = false;
    let give_back = |len, left| {
        let ends = !is_given_back && window.ends(len, left);
        if ends {
            is_given_back = true;
            permit.give_back_half();
        }
        ends
    };
    replies.next(give_back).await
}

/// Whether a reply is an error, which the client library has inside of values.
pub(super) fn checked(reply: Reply) -> RedisResult<Reply> {
    match reply {
        Reply::Other(value) => value.extract_error().map(Reply::Other),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use arrow_buffer::Buffer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::chunk::{Payload, written};

    type Asker = mpsc::UnboundedSender<Asked>;

    fn ask(asker: &Asker, request: Packed) -> oneshot::Receiver<Answer> {
        let (to, reply) = oneshot::channel();
        assert!(asker.send(Asked { request, before: 0, to }).is_ok());
        reply
    }

    /// What does not come within this is not on its way.
    async fn in_time<T>(coming: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(10), coming).await.unwrap()
    }

    /// Method: the other end answers nothing until it has read all that fits into the window, of which
    /// each value is first taken to be half, and nobody takes what it answers.
    #[tokio::test]
    async fn no_more_is_asked_for_than_the_window_holds() {
        let (near, mut far) = duplex(1 << 20);
        let (asker, asked) = mpsc::unbounded_channel();
        let driver = tokio::spawn(drive(Watched::new(Box::new(near)).0, asked, Duration::ZERO));
        let mut replies: Vec<_> = (0..4).map(|_| ask(&asker, Packed::get("k"))).collect();
        let one = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".len();
        let mut first = vec![0; 2 * one];
        far.read_exact(&mut first).await.unwrap();
        far.write_all(&b"$1\r\nv\r\n".repeat(2)).await.unwrap();
        tokio::task::yield_now().await;
        assert!(futures::poll!(std::pin::pin!(far.read_u8())).is_pending());
        let is_v = |answer: Answer| matches!(answer.reply, Reply::Value(value) if *value == *b"v");
        for reply in replies.drain(..2) {
            assert!(is_v(reply.await.unwrap()));
        }
        // They were short, so all the others fit.
        let mut rest = vec![0; 2 * one];
        far.read_exact(&mut rest).await.unwrap();
        far.write_all(&b"$1\r\nv\r\n".repeat(2)).await.unwrap();
        for reply in replies {
            assert!(is_v(reply.await.unwrap()));
        }
        drop(asker);
        driver.await.unwrap().unwrap();
    }

    /// Method: values that are longer than the window, over a way that holds next to nothing.
    #[tokio::test]
    async fn the_next_is_asked_for_when_a_long_value_ends() {
        const LEN: usize = 4 << 20;
        const ENDING: usize = 512 << 10;
        const WAY: usize = 1 << 10;
        let (near, mut far) = duplex(WAY);
        let (asker, asked) = mpsc::unbounded_channel();
        let _driver = tokio::spawn(drive(Watched::new(Box::new(near)).0, asked, Duration::ZERO));
        let value = [format!("${LEN}\r\n").as_bytes(), &vec![7; LEN], b"\r\n"].concat();
        let mut question = vec![0; Packed::get("k").len()];
        let [first, second, third, _fourth] = [(); 4].map(|()| ask(&asker, Packed::get("k")));

        // Two, before it is known how long they are.
        for _ in 0..2 {
            in_time(far.read_exact(&mut question)).await.unwrap();
        }
        far.write_all(&value.repeat(2)).await.unwrap();
        for reply in [first, second] {
            let reply = reply.await.unwrap().reply;
            assert!(matches!(reply, Reply::Value(value) if value.len() == LEN));
        }

        in_time(far.read_exact(&mut question)).await.unwrap();
        let (before, ending) = value.split_at(value.len() - ENDING - WAY);
        far.write_all(before).await.unwrap();
        tokio::task::yield_now().await;
        assert!(futures::poll!(std::pin::pin!(far.read_u8())).is_pending());
        let (ending, end) = ending.split_at(3 * WAY);
        far.write_all(ending).await.unwrap();
        in_time(far.read_exact(&mut question)).await.unwrap();
        far.write_all(end).await.unwrap();
        third.await.unwrap();
    }

    /// Method: the other end stores nothing until all has come that is sent ahead of its word, which is 384
    /// KiB, and for each word it gives, it gets one more.
    #[tokio::test]
    async fn no_more_is_sent_than_the_server_can_take_in() {
        for (length, ahead) in [(60 << 10, 6), (1 << 20, 4)] {
            let (near, mut far) = duplex(64 << 20);
            let (asker, asked) = mpsc::unbounded_channel();
            let stream = Watched::new(Box::new(near)).0;
            let driver = tokio::spawn(drive(stream, asked, Duration::ZERO));
            let value = Payload::from(vec![7; length]);
            let one = Packed::set("k", &value, None).len();
            let mut replies: Vec<_> =
                (0..ahead + 3).map(|_| ask(&asker, Packed::set("k", &value, None))).collect();
            for sent in [ahead, 1, 1] {
                far.read_exact(&mut vec![0; sent * one]).await.unwrap();
                tokio::task::yield_now().await;
                assert!(futures::poll!(std::pin::pin!(far.read_u8())).is_pending(), "{length}");
                far.write_all(b"+OK\r\n").await.unwrap();
                assert!(matches!(
                    replies.remove(0).await.unwrap().reply,
                    Reply::Other(Value::Okay)
                ));
            }
            far.write_all(&b"+OK\r\n".repeat(ahead)).await.unwrap();
            futures::future::try_join_all(replies).await.unwrap();
            drop(asker);
            driver.await.unwrap().unwrap();
        }
    }

    /// A piece of a payload that says when it is gone.
    struct Piece(oneshot::Sender<()>);

    impl AsRef<[u8]> for Piece {
        fn as_ref(&self) -> &[u8] {
            assert!(!self.0.is_closed());
            b"value"
        }
    }

    #[tokio::test]
    async fn a_value_is_let_go_of_before_anybody_is_told_that_it_is_stored() {
        let (near, mut far) = duplex(1 << 20);
        let (asker, asked) = mpsc::unbounded_channel();
        let _driver = tokio::spawn(drive(Watched::new(Box::new(near)).0, asked, Duration::ZERO));
        let (piece, mut gone) = oneshot::channel();
        let piece = Buffer::from(bytes::Bytes::from_owner(Piece(piece)));
        let request = Packed::set("k", &Payload::from((vec![piece], 5)), None);
        let mut sent = vec![0; request.len()];
        let reply = ask(&asker, request);
        far.read_exact(&mut sent).await.unwrap();
        assert_eq!(sent, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n");
        far.write_all(b"+OK\r\n").await.unwrap();
        assert!(matches!(reply.await.unwrap().reply, Reply::Other(Value::Okay)));
        gone.try_recv().expect_err("the piece was dropped, and sent nothing");
        assert!(matches!(gone.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }

    /// Method: what comes before and after it is short, and waits for it.
    #[tokio::test]
    async fn a_value_in_a_file_is_sent_in_its_turn_and_answered_with_its_checksum() {
        let (near, mut far) = duplex(1 << 20);
        let (asker, asked) = mpsc::unbounded_channel();
        let (value, _file) = written(&[5, 200_000, 5]);
        let requests = [Packed::get("a"), Packed::forward("b", &value, None), Packed::get("c")]
            .map(|request| {
                let bytes = request.len();
                (ask(&asker, request), bytes)
            });
        drop(asker);
        let stream = Watched::new(Box::new(near)).0;
        let driver = tokio::spawn(drive(stream, asked, Duration::ZERO));
        let mut sent = vec![0; requests.iter().map(|(_, bytes)| bytes).sum()];
        in_time(far.read_exact(&mut sent)).await.unwrap();
        assert!(sent.ends_with(b"$1\r\nc\r\n"));
        far.write_all(b"+OK\r\n+OK\r\n$-1\r\n").await.unwrap();
        let [a, b, c] = requests.map(|(reply, _)| reply);
        assert!(matches!(a.await.unwrap().reply, Reply::Other(Value::Okay)));
        let Reply::Stored(checksum) = b.await.unwrap().reply else { panic!("no checksum") };
        assert_eq!(checksum, Checksum::of(&value.mapped().to_vec()));
        assert!(matches!(c.await.unwrap().reply, Reply::Other(Value::Nil)));
        driver.await.unwrap().unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn after_a_value_that_cannot_be_read_nothing_is_sent() {
        let (near, mut far) = duplex(1 << 20);
        let (asker, asked) = mpsc::unbounded_channel();
        let (value, file) = written(&[5, 900_000]);
        file.set_len(600_000).unwrap();
        let unread = ask(&asker, Packed::forward("b", &value, None));
        let next = ask(&asker, Packed::get("c"));
        let stream = Watched::new(Box::new(near)).0;
        let failed = in_time(drive(stream, asked, Duration::ZERO)).await.unwrap_err();
        assert!(failed.is_io_error(), "{failed}");
        let Reply::Unsent(error) = unread.await.unwrap().reply else { panic!("it was sent") };
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        next.await.unwrap_err();
        let mut sent = Vec::new();
        far.read_to_end(&mut sent).await.unwrap();
        assert!(sent.len() < 600_000);
    }

    #[tokio::test]
    async fn a_value_that_is_summed_up_is_handed_over_before_the_next_is_taken() {
        let (near, mut far) = duplex(1 << 20);
        let (asker, asked) = mpsc::unbounded_channel();
        let first = ask(&asker, Packed::get_summed("a"));
        let mut second = ask(&asker, Packed::get_summed("b"));
        far.write_all(b"$1\r\nv\r\n$1\r\nw\r\n").await.unwrap();
        let _driver = tokio::spawn(drive(Watched::new(Box::new(near)).0, asked, Duration::ZERO));
        let Reply::Summed(summed) = first.await.unwrap().reply else { panic!("no checksum") };
        assert!(*summed.value == *b"v" && summed.checksum == Checksum::of(b"v"));
        second.try_recv().unwrap_err();
        let Reply::Summed(summed) = second.await.unwrap().reply else { panic!("no checksum") };
        assert!(*summed.value == *b"w" && summed.checksum == Checksum::of(b"w"));
    }

    #[tokio::test]
    async fn nobody_is_sent_for_who_has_lost_interest() {
        let (near, mut far) = duplex(1 << 20);
        let (asker, asked) = mpsc::unbounded_channel();
        drop(ask(&asker, Packed::get("forgotten")));
        let reply = ask(&asker, Packed::get("k"));
        let _driver = tokio::spawn(drive(Watched::new(Box::new(near)).0, asked, Duration::ZERO));
        let mut sent = vec![0; Packed::get("k").len()];
        far.read_exact(&mut sent).await.unwrap();
        assert!(sent.ends_with(b"$1\r\nk\r\n"));
        far.write_all(b"-ERR no\r\n").await.unwrap();
        checked(reply.await.unwrap().reply).unwrap_err();
    }
}
