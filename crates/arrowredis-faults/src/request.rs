//! From the client to the server: commands are counted, meet their faults, and go on or not. What
//! happens to their replies is only decided here.

use std::io;
use std::ops::ControlFlow;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::fault::{Answer, Fault};
use crate::frame::Frame;
use crate::link::{Expected, Link};
use crate::proxy::Shared;

/// Commands that set up a connection: they are not counted and meet no fault, since a client sends
/// them as often as it connects.
const SETUP: [&str; 9] =
    ["AUTH", "HELLO", "CLIENT", "SELECT", "READONLY", "READWRITE", "ASKING", "QUIT", "RESET"];

/// Commands after which a connection has no replies that could be told apart.
const STREAMS: [&str; 6] = ["PSYNC", "SYNC", "REPLCONF", "MONITOR", "SUBSCRIBE", "PSUBSCRIBE"];

/// No command whose name matters has a longer one.
const LONGEST_NAME: usize = 16;

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// Ends when the client does, or when a fault cuts the connection.
pub(crate) async fn pump(
    mut client: ReadHalf<'_>,
    server: WriteHalf<'_>,
    link: &Link,
    shared: &Shared,
) -> io::Result<()> {
    let mut requests = Requests {
        server,
        link,
        shared,
        frame: Frame::of_requests(),
        current: Current::Unnamed,
        name: Vec::new(),
        held: Vec::new(),
        out: Vec::new(),
        transaction: Transaction::None,
    };
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if requests.take(&buffer[..read]).await?.is_break() {
            return Ok(());
        }
    }
}

struct Requests<'link> {
    server: WriteHalf<'link>,
    link: &'link Link,
    shared: &'link Shared,
    frame: Frame,
    current: Current,
    name: Vec<u8>,
    /// What came of a command before its name was whole.
    held: Vec<u8>,
    /// What goes to the server with the next sending.
    out: Vec<u8>,
    transaction: Transaction,
}

/// What becomes of the command whose bytes come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Current {
    /// Its name is not known yet.
    Unnamed,
    /// It goes on.
    Forwarded,
    /// It does not go on.
    Kept,
    /// So many bytes of it go on, and never the last one.
    Begun(u64),
    /// The connection carries no commands any more.
    Stream,
}

/// Between `MULTI` and `EXEC` a server that refuses one command refuses all: so must we.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    Refused,
}

impl Requests<'_> {
    async fn take(&mut self, mut bytes: &[u8]) -> io::Result<ControlFlow<()>> {
        while !bytes.is_empty() {
            if self.current == Current::Stream {
                self.out.extend_from_slice(bytes);
                break;
            }
            let piece = self.frame.next(bytes);
            let (taken, rest) = bytes.split_at(piece.length);
            bytes = rest;
            if self.current == Current::Unnamed {
                self.held.extend_from_slice(taken);
                if piece.value {
                    let room = LONGEST_NAME.saturating_sub(self.name.len()).min(taken.len());
                    self.name.extend_from_slice(&taken[..room]);
                }
                // The first piece after the first value, or the end of a command without any.
                let named = !piece.value && !self.name.is_empty();
                if named || piece.last {
                    self.begin().await?;
                    let held = std::mem::take(&mut self.held);
                    if self.part(&held, piece.last).await?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            } else if self.part(taken, piece.last).await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if piece.last && self.current != Current::Stream {
                self.current = Current::Unnamed;
                self.name.clear();
            }
        }
        self.flush().await?;
        Ok(ControlFlow::Continue(()))
    }

    /// Decides what becomes of the command, now that its name is known.
    async fn begin(&mut self) -> io::Result<()> {
        let name = String::from_utf8_lossy(&self.name).to_uppercase();
        if STREAMS.contains(&name.as_str()) {
            self.current = Current::Stream;
            return Ok(());
        }
        if name == "EXEC" && self.transaction == Transaction::Refused {
            self.discard();
            return Ok(());
        }
        let fault = if SETUP.contains(&name.as_str()) { None } else { self.shared.next_fault() };
        self.current = Current::Forwarded;
        let mut expected = Expected::Reply;
        match &fault {
            Some(Fault::CutBeforeRequest) => self.current = Current::Begun(0),
            Some(Fault::CutInRequest { after }) => self.current = Current::Begun((*after).max(1)),
            Some(Fault::LoseReply) => expected = Expected::Lost,
            Some(Fault::CutInReply { after }) => expected = Expected::Cut(*after),
            Some(Fault::Corrupt { bit }) => expected = Expected::Corrupt(*bit),
            Some(Fault::Stall { span }) => {
                self.flush().await?;
                self.link.pace.stall(*span);
            }
            Some(Fault::Hang) => {
                self.flush().await?;
                self.link.pace.hang();
            }
            Some(Fault::Slow { bytes_per_second, bytes }) => {
                self.link.pace.slow(*bytes_per_second, *bytes);
            }
            Some(Fault::Refuse { connections }) => {
                self.current = Current::Begun(0);
                self.shared.refuse(*connections);
            }
            Some(Fault::Outage { span }) => {
                self.current = Current::Begun(0);
                self.shared.outage(*span);
            }
            // A transaction's own commands are never refused, or the rest would run without it.
            Some(Fault::Answer { answer, .. })
                if !["MULTI", "EXEC", "DISCARD"].contains(&name.as_str()) =>
            {
                self.current = Current::Kept;
                if self.transaction == Transaction::Open {
                    self.transaction = Transaction::Refused;
                }
                self.shared.counts.change(|counts| counts.answers += 1);
                expected = Expected::Ours(error(answer));
            }
            Some(Fault::Answer { .. }) | None => {}
        }
        // What the reply has to do with is counted where the reply comes.
        if let Some(fault) = &fault
            && expected == Expected::Reply
        {
            self.shared.counts.count(fault);
        }
        match name.as_str() {
            "MULTI" => self.transaction = Transaction::Open,
            "EXEC" | "DISCARD" => self.transaction = Transaction::None,
            _ => {}
        }
        // Before any byte goes to the server, whose reply could come before we were ready for it.
        self.link.expect(expected);
        Ok(())
    }

    /// Ends a transaction of which a command was refused, as a server would.
    fn discard(&mut self) {
        self.transaction = Transaction::None;
        self.current = Current::Kept;
        let text = "EXECABORT Transaction discarded because of previous errors.";
        self.link.expect(Expected::Instead(error(&Answer::Other(text.to_owned()))));
        self.out.extend_from_slice(b"*1\r\n$7\r\nDISCARD\r\n");
    }

    /// Some bytes of the command.
    async fn part(&mut self, bytes: &[u8], last: bool) -> io::Result<ControlFlow<()>> {
        match self.current {
            Current::Forwarded | Current::Stream => self.out.extend_from_slice(bytes),
            Current::Begun(after) => {
                let most = bytes.len() - usize::from(last);
                let going = usize::try_from(after).unwrap_or(usize::MAX).min(most);
                self.out.extend_from_slice(&bytes[..going]);
                let left = after - going as u64;
                if left == 0 || last {
                    self.flush().await?;
                    return Ok(ControlFlow::Break(()));
                }
                self.current = Current::Begun(left);
            }
            Current::Kept | Current::Unnamed => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.link.pace.send(&mut self.server, &self.out).await?;
        self.out.clear();
        Ok(())
    }
}

fn error(answer: &Answer) -> Vec<u8> {
    format!("-{}\r\n", answer.text()).into_bytes()
}
