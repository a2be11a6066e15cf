//! The bytes of one connection: over TCP, TLS or a socket of this machine, and whether they move.

use std::io::{self, IoSlice};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::Host;

/// Bytes in both directions.
pub(super) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

/// Connects over TCP and, with a connector, TLS.
pub(super) async fn to_host(host: &Host, tls: Option<&TlsConnector>) -> io::Result<Box<dyn Both>> {
    let tcp = TcpStream::connect((host.name.as_str(), host.port)).await?;
    // A request is one write; waiting for more to send would only delay it.
    tcp.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(host.name.clone())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    Ok(Box::new(tls.connect(name, tcp).await?))
}

/// Connects to a socket of this machine.
#[cfg(unix)]
pub(super) async fn to_socket(path: &Path) -> io::Result<Box<dyn Both>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

/// There are none here.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
#[expect(clippy::unused_async, reason = "it stands for one that waits")]
pub(super) async fn to_socket(_: &Path) -> io::Result<Box<dyn Both>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets on this system"))
}

/// When bytes last moved.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    /// Milliseconds after that.
    last: AtomicU64,
    /// How many here keep bytes from moving, which says nothing of the other end.
    held_up: AtomicUsize,
}

/// Somebody who keeps bytes from moving as long as this is not dropped.
pub(super) struct HeldUp<'a>(&'a Progress);

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.moved();
        // Whoever sees that it is over sees when.
        self.0.held_up.fetch_sub(1, Ordering::Release);
    }
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0), held_up: AtomicUsize::new(0) }
    }

    fn moved(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Until what is returned is dropped, bytes do not move because of this end.
    pub(super) fn hold_up(&self) -> HeldUp<'_> {
        self.held_up.fetch_add(1, Ordering::Relaxed);
        HeldUp(self)
    }

    /// Waits until nothing has moved for so long, counted from now or later, although nobody here kept it
    /// from moving.
    pub(super) async fn stalled(&self, timeout: Duration) {
        let asked = Instant::now();
        loop {
            let is_held_up = self.held_up.load(Ordering::Acquire) > 0;
            let moved = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed));
            let idle = if is_held_up { Duration::ZERO } else { moved.max(asked).elapsed() };
            let Some(left) = timeout.checked_sub(idle).filter(|left| !left.is_zero()) else {
                return;
            };
            tokio::time::sleep(left).await;
        }
    }
}

/// A stream that says when bytes last moved.
pub(super) struct Watched {
    stream: Box<dyn Both>,
    progress: Arc<Progress>,
}

impl Watched {
    pub(super) fn new(stream: Box<dyn Both>) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::new());
        (Self { stream, progress: Arc::clone(&progress) }, progress)
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.moved();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.progress.moved();
        }
        unless_closed(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.progress.moved();
        }
        unless_closed(written, pieces.iter().map(|piece| piece.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_closed(Pin::new(&mut self.stream).poll_flush(context), ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A server that closes a connection may have said why: that it allows no more of them, that a value is
/// too long, that a certificate is not accepted. That is read before the connection's end is, if writing
/// does not fail first.
fn unless_closed<T>(written: Poll<io::Result<T>>, as_if: T) -> Poll<io::Result<T>> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    match written {
        Poll::Ready(Err(error))
            if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) =>
        {
            Poll::Ready(Ok(as_if))
        }
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Time is the test's own here: it passes when all wait.
    #[tokio::test(start_paused = true)]
    async fn bytes_in_either_direction_count_and_silence_does_not() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut watched, progress) = Watched::new(Box::new(near));
        watched.write_all(b"ask").await.unwrap();
        far.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        watched.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
        // `Instant` is the system's, so a paused clock stalls only when that says so.
        let stalled = tokio::time::timeout(Duration::from_millis(1), progress.stalled(TIMEOUT));
        assert!(stalled.await.is_err());
        progress.stalled(Duration::ZERO).await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_held_up_here_does_not_wait_for_the_other_end() {
        const SHORT: Duration = Duration::from_millis(1);
        let progress = Progress::new();
        let held_up = progress.hold_up();
        let stalled = tokio::time::timeout(TIMEOUT, progress.stalled(SHORT));
        assert!(stalled.await.is_err());
        drop(held_up);
        progress.stalled(SHORT).await;
    }

    /// Method: the server hangs up before it was asked anything, and every write after the first fails.
    #[tokio::test]
    async fn the_last_words_of_a_server_that_takes_nothing_are_read() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let near = TcpStream::connect(address).await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        far.write_all(b"-ERR full\r\n").await.unwrap();
        drop(far);
        let (mut watched, _) = Watched::new(Box::new(near));
        for _ in 0..100 {
            watched.write_all(b"ask").await.unwrap();
            watched.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut words = [0; 11];
        watched.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"-ERR full\r\n");
        assert!(!matches!(watched.read(&mut words).await, Ok(1..)), "and then its end");
    }
}
