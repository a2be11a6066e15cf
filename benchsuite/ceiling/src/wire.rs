//! GET and SET, pipelined over a few connections. Nothing is parsed but the replies' first lines.

use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::arena::Arena;
use crate::source::Source;
use crate::{Failure, Measured};

/// What is received at once before a reply's length is known. It is copied, so it is little.
const HEAD_BYTES: usize = 128;
/// Room for what one connection gets. Only what is used takes up memory.
const ARENA_BYTES: usize = 4 << 30;
/// What comes after a value.
const END: &[u8] = b"\r\n";

pub(crate) fn get(
    address: &str,
    connections: usize,
    window: usize,
    keys: &[String],
) -> Result<Measured, Failure> {
    over(address, connections, keys, |stream, part| {
        let mut arena = Arena::new(ARENA_BYTES)?;
        let mut replies = BufReader::with_capacity(HEAD_BYTES, stream.try_clone()?);
        let mut requests = stream;
        let (mut asked, mut bytes) = (0, 0);
        for answered in 0..part.len() {
            let mut request = Vec::new();
            while asked < part.len() && asked < answered + window {
                let key = &part[asked];
                write!(request, "*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len())?;
                asked += 1;
            }
            requests.write_all(&request)?;
            let line = first_line(&mut replies)?;
            let length = line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok());
            let length = length.ok_or_else(|| format!("expected a value, got {line}"))?;
            // With the line's end, which the arena can spare.
            replies.read_exact(arena.take(length + 2)?)?;
            bytes += length;
        }
        // Before the arena goes, which would take time, the clock is read by the caller.
        Ok((bytes, Some(arena)))
    })
}

pub(crate) fn set(
    address: &str,
    connections: usize,
    window: usize,
    values: &[(String, usize)],
) -> Result<Measured, Failure> {
    let longest = values.iter().map(|value| value.1).max().unwrap_or(0);
    let payload = &noise(longest);
    store(address, connections, window, values, || {
        Ok(move |requests: &mut TcpStream, head: &[u8], length: usize| {
            write_whole(requests, &mut [head, &payload[..length], END].map(IoSlice::new))
        })
    })
}

/// Over one connection, the bytes of a file, read and summed up by whoever sends them.
pub(crate) fn forward(
    address: &str,
    window: usize,
    values: &[(String, usize)],
    file: &str,
) -> Result<Measured, Failure> {
    store(address, 1, window, values, || {
        let mut source = Source::open(file)?;
        Ok(move |requests: &mut TcpStream, mut head: &[u8], length: usize| {
            let mut left = length;
            while left > 0 {
                let piece = source.next(left)?;
                left -= piece.len();
                let end = if left == 0 { END } else { &[] };
                write_whole(requests, &mut [head, piece, end].map(IoSlice::new))?;
                head = &[];
            }
            Ok(())
        })
    })
}

/// Stores values over every connection, each with what `begin` returns for it, which sends a value with
/// its head.
fn store<S: FnMut(&mut TcpStream, &[u8], usize) -> Result<(), Failure>>(
    address: &str,
    connections: usize,
    window: usize,
    values: &[(String, usize)],
    begin: impl Fn() -> Result<S, Failure> + Sync,
) -> Result<Measured, Failure> {
    over(address, connections, values, |stream, part| {
        let mut send = begin()?;
        let mut replies = BufReader::with_capacity(HEAD_BYTES, stream.try_clone()?);
        let mut requests = stream;
        let (mut answered, mut bytes) = (0, 0);
        for (sent, (key, length)) in part.iter().enumerate() {
            let head = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${length}\r\n", key.len());
            send(&mut requests, head.as_bytes(), *length)?;
            bytes += length;
            while sent + 1 >= answered + window {
                stored(&mut replies)?;
                answered += 1;
            }
        }
        while answered < part.len() {
            stored(&mut replies)?;
            answered += 1;
        }
        Ok((bytes, None))
    })
}

/// Runs `transfer` on every connection with its part of the items, and takes the time from when all
/// are connected until the last one is done.
fn over<T: Sync>(
    address: &str,
    connections: usize,
    items: &[T],
    transfer: impl Fn(TcpStream, &[T]) -> Result<(usize, Option<Arena>), Failure> + Sync,
) -> Result<Measured, Failure> {
    let parts: Vec<&[T]> = items.chunks(items.len().div_ceil(connections).max(1)).collect();
    let ready = Barrier::new(parts.len() + 1);
    let (seconds, bytes) = thread::scope(|scope| {
        let running: Vec<_> = parts
            .iter()
            .map(|part| {
                let (ready, transfer) = (&ready, &transfer);
                scope.spawn(move || {
                    let connected = connect(address);
                    ready.wait();
                    transfer(connected?, part)
                })
            })
            .collect();
        ready.wait();
        let start = Instant::now();
        let mut kept = Vec::new();
        for thread in running {
            kept.push(thread.join().map_err(|_| "a thread panicked")??);
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok::<_, Failure>((seconds, kept.iter().map(|part| part.0).sum()))
    })?;
    Ok(Measured { seconds, stored_bytes: bytes, raw_bytes: bytes })
}

fn connect(address: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(b"PING\r\n")?;
    let mut pong = [0; 7];
    stream.read_exact(&mut pong)?;
    if pong == *b"+PONG\r\n" { Ok(stream) } else { Err("the server does not answer PING".into()) }
}

fn first_line(replies: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    replies.read_line(&mut line)?;
    Ok(line.strip_suffix("\r\n").ok_or("the connection ended")?.to_owned())
}

fn stored(replies: &mut impl BufRead) -> Result<(), Failure> {
    match first_line(replies)?.as_str() {
        "+OK" => Ok(()),
        other => Err(format!("expected +OK, got {other}").into()),
    }
}

fn write_whole(stream: &mut TcpStream, mut pieces: &mut [IoSlice<'_>]) -> Result<(), Failure> {
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        let written = stream.write_vectored(pieces)?;
        if written == 0 {
            return Err("the connection ended".into());
        }
        IoSlice::advance_slices(&mut pieces, written);
    }
    Ok(())
}

/// Bytes that no kernel or server could take a short cut with.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    noise
}
