//! What a server can do at best for this client: SET and GET of values, and nothing else.
//!
//! The values travel on one connection, opened as that for chunks is, a few requests ahead of their
//! replies. They are kept as they came: not parsed, not checked, not summed up. It is what `split` and
//! `read` are held against, and no part of them.

use std::io;
use std::time::{Duration, Instant};

use ::redis::{ErrorKind, RedisError, RedisResult, cmd, parse_redis_value};
use bytes::Buf;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::RedisStore;
use super::patience::Patience;
use super::stream::Watched;
use super::trouble::Trouble;
use crate::region::Region;
use crate::store::StoreError;

/// Requests that are sent ahead of their replies.
const WINDOW: usize = 4;

/// How long the keys live, should nobody come to remove them: far longer than measuring takes.
const KEY_LIFE: Duration = Duration::from_secs(15 * 60);

/// Keys that are removed by one command. The server serves nobody else while it frees them.
const REMOVED_AT_ONCE: usize = 64;

/// Longest first line of an answer that was not expected. Redis' longest has some 800 bytes.
const LONGEST_ANSWER: usize = 2_048;

/// What the values are made from. Any number does.
const SEED: u64 = 1;

const STORED: &[u8] = b"+OK\r\n";
const LINE_END: &[u8; 2] = b"\r\n";

/// The times that a server and one connection to it take for values of some sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// Bytes of all values, each way.
    pub bytes: u64,
    /// Seconds from the first SET to its last answer.
    pub set_seconds: f64,
    /// Seconds from the first GET to the last byte.
    pub get_seconds: f64,
}

impl RedisStore {
    /// Measures SET and then GET of incompressible values of exactly these sizes, in their order, under
    /// keys `{prefix}:ceiling:{n}` that are removed afterwards, and that vanish by themselves after 15
    /// minutes should that not come about. What stands under those keys is overwritten. Over TLS the
    /// cipher is part of it.
    ///
    /// `None` for a cluster: what several servers can do together is not seen on one connection.
    ///
    /// One measurement varies as any other does, mostly with what memory costs that is touched for the
    /// first time, so a verb that is held against it may seem to do better. The best of several says more.
    ///
    /// Memory: all the values, as whoever reads a table keeps them, and the longest once more.
    ///
    /// # Errors
    /// [`StoreError`] when the server fails or refuses. Nothing is tried again.
    pub async fn ceiling(
        &self,
        prefix: &str,
        sizes: &[u64],
    ) -> Result<Option<Ceiling>, StoreError> {
        if self.0.network.is_cluster() {
            return Ok(None);
        }
        let measured = self.measure(prefix, sizes).await;
        let removed = self.remove_ceiling(prefix, sizes.len()).await;
        match measured {
            Ok(ceiling) => removed.map(|()| Some(ceiling)),
            Err((command, trouble)) => {
                let patience = Patience::with_retries(&self.0.options, 0);
                Err(self.failed(command, &key(prefix, 0), trouble, &patience).await)
            }
        }
    }

    /// Removes the keys of a measurement of so many values that was stopped on its way.
    ///
    /// # Errors
    /// [`StoreError`] when the server fails or refuses.
    pub async fn remove_ceiling(&self, prefix: &str, values: usize) -> Result<(), StoreError> {
        for from in (0..values).step_by(REMOVED_AT_ONCE) {
            let mut command = cmd("UNLINK");
            for number in from..values.min(from + REMOVED_AT_ONCE) {
                command.arg(key(prefix, number));
            }
            self.ask("UNLINK", &key(prefix, from), command).await?;
        }
        Ok(())
    }

    async fn measure(
        &self,
        prefix: &str,
        sizes: &[u64],
    ) -> Result<Ceiling, (&'static str, Trouble)> {
        let connecting = |trouble| ("connecting", trouble);
        let view = self.0.network.view().await.map_err(connecting)?;
        let node = view.primary(0).map_err(connecting)?;
        let stream = node.greeted().await.map_err(connecting)?;
        let (mut stream, progress) = Watched::new(stream);
        let timeout = self.0.options.timeout;
        let set = async {
            let value = incompressible(sizes.iter().copied().max().unwrap_or_default());
            set_all(&mut stream, prefix, sizes, &value).await
        };
        let set_seconds = tokio::select! {
            set = set => set.map_err(|error| Trouble::of(&node.name, error)),
            () = progress.stalled(timeout) => Err(Trouble::stalled(&node.name, timeout)),
        };
        let set_seconds = set_seconds.map_err(|trouble| ("SET", trouble))?;
        let get_seconds = tokio::select! {
            got = get_all(&mut stream, prefix, sizes) => {
                got.map_err(|error| Trouble::of(&node.name, error))
            }
            () = progress.stalled(timeout) => Err(Trouble::stalled(&node.name, timeout)),
        };
        let get_seconds = get_seconds.map_err(|trouble| ("GET", trouble))?;
        let bytes = sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(*size));
        Ok(Ceiling { bytes, set_seconds, get_seconds })
    }
}

fn key(prefix: &str, number: usize) -> String {
    format!("{prefix}:ceiling:{number}")
}

/// Bytes that no server and no line makes shorter.
fn incompressible(len: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    Xoshiro256PlusPlus::seed_from_u64(SEED).fill_bytes(&mut bytes);
    bytes
}

async fn set_all(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    prefix: &str,
    sizes: &[u64],
    value: &[u8],
) -> RedisResult<f64> {
    let life = KEY_LIFE.as_millis().to_string();
    let tail = format!("\r\n$2\r\nPX\r\n${}\r\n{life}\r\n", life.len());
    let started = Instant::now();
    let mut owed = 0;
    for (number, size) in sizes.iter().enumerate() {
        let key = key(prefix, number);
        let head = format!("*5\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${size}\r\n", key.len());
        let value = &value[..usize::try_from(*size).unwrap_or(usize::MAX)];
        let mut request = Buf::chain(Buf::chain(head.as_bytes(), value), tail.as_bytes());
        stream.write_all_buf(&mut request).await?;
        stream.flush().await?;
        owed += 1;
        if owed == WINDOW {
            receive(stream, STORED, &mut [0; STORED.len()]).await?;
            owed -= 1;
        }
    }
    for _ in 0..owed {
        receive(stream, STORED, &mut [0; STORED.len()]).await?;
    }
    Ok(started.elapsed().as_secs_f64())
}

async fn get_all(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    prefix: &str,
    sizes: &[u64],
) -> RedisResult<f64> {
    let started = Instant::now();
    let mut kept = Vec::with_capacity(sizes.len());
    let mut asked = 0;
    for (number, size) in sizes.iter().enumerate() {
        while asked < sizes.len().min(number + WINDOW) {
            let key = key(prefix, asked);
            let request = format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await?;
            asked += 1;
        }
        let head = format!("${size}\r\n");
        let len = usize::try_from(*size).unwrap_or(usize::MAX);
        let mut reply = Region::take(len.saturating_add(head.len() + LINE_END.len()))?;
        receive(stream, head.as_bytes(), &mut reply).await?;
        kept.push(reply);
    }
    let seconds = started.elapsed().as_secs_f64();
    // Giving the memory back is not part of what a reader waits for.
    drop(kept);
    Ok(seconds)
}

/// Fills a reply of which it is known how long it is and how it begins.
async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    head: &[u8],
    reply: &mut [u8],
) -> RedisResult<()> {
    let mut have = 0;
    while have < reply.len() {
        let read = stream.read(&mut reply[have..]).await?;
        if read == 0 {
            return Err(ended().into());
        }
        have += read;
        let known = have.min(head.len());
        if reply[..known] != head[..known] {
            return Err(another(stream, &reply[..have]).await);
        }
    }
    if reply.ends_with(LINE_END) { Ok(()) } else { Err(unexpected()) }
}

/// What a server means that answers something else.
async fn another(stream: &mut (impl AsyncRead + Unpin), begun: &[u8]) -> RedisError {
    let mut line = begun[..begun.len().min(LONGEST_ANSWER)].to_vec();
    while !line.contains(&b'\n') && line.len() < LONGEST_ANSWER {
        match stream.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(error) => return error.into(),
        }
    }
    match parse_redis_value(&line).and_then(|answer| answer.extract_error()) {
        Err(error) if error.code().is_some() => error,
        Err(_) | Ok(_) => unexpected(),
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

fn unexpected() -> RedisError {
    (ErrorKind::Parse, "the answer is not the value that was stored").into()
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Lets a server say something and listens for values of so many bytes.
    async fn heard(said: &'static [u8], sizes: &[u64]) -> RedisResult<f64> {
        let (mut near, mut far) = duplex(1 << 16);
        far.write_all(said).await.unwrap();
        far.shutdown().await.unwrap();
        // What is asked is not looked at here.
        let _listening = tokio::spawn(async move { far.read_to_end(&mut Vec::new()).await });
        get_all(&mut near, "p", sizes).await
    }

    #[tokio::test]
    async fn values_are_taken_as_they_come_and_nothing_else_is() {
        heard(b"$3\r\nabc\r\n$0\r\n\r\n", &[3, 0]).await.unwrap();
        heard(b"", &[]).await.unwrap();
        let refused = heard(b"-NOPERM no\r\n", &[100]).await.unwrap_err();
        assert_eq!(refused.code(), Some("NOPERM"));
        for (said, sizes) in [
            (&b"$-1\r\n"[..], &[3][..]),
            (b"$4\r\nabcd\r\n", &[3]),
            (b"$3\r\nabcd\r\n", &[3]),
            (b"+OK\r\n", &[3]),
        ] {
            assert_eq!(heard(said, sizes).await.unwrap_err().kind(), ErrorKind::Parse, "{said:?}");
        }
        assert!(heard(b"$3\r\nab", &[3]).await.unwrap_err().is_io_error());
    }

    #[tokio::test]
    async fn values_are_sent_mortal_and_a_few_ahead_of_their_answers() {
        let (mut near, mut far) = duplex(1 << 16);
        let sizes = [1, 2, 3, 4, 5];
        let setting =
            tokio::spawn(
                async move { set_all(&mut near, "p", &sizes, b"vwxyz").await.map(|_| near) },
            );
        let mut sent = Vec::new();
        while !sent.ends_with(b"$4\r\nvwxy\r\n$2\r\nPX\r\n$6\r\n900000\r\n") {
            sent.push(far.read_u8().await.unwrap());
        }
        let first = b"*5\r\n$3\r\nSET\r\n$11\r\np:ceiling:0\r\n$1\r\nv\r\n$2\r\nPX\r\n";
        assert!(sent.starts_with(first));
        assert!(futures::poll!(std::pin::pin!(far.read_u8())).is_pending());
        far.write_all(&STORED.repeat(5)).await.unwrap();
        setting.await.unwrap().unwrap();
    }
}
