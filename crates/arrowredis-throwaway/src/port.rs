//! Free ports. That one stays free until somebody listens on it is nobody's promise, so that whoever
//! takes one must be ready to try another.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the ports that systems hand out to outgoing connections (from 32768 on Linux, from 49152
/// elsewhere): otherwise one of those could sit on a killed server's port when it is to come back.
/// With 10000 added, which is where a cluster's nodes talk to each other, a port is still below them.
const PORTS: Range<u16> = 12_000..22_000;

/// How far a cluster node's second port is from its first, unless it is told otherwise.
const BUS_DISTANCE: u16 = 10_000;

/// Ports that are tried before none is said to be free.
const ATTEMPTS: usize = 200;

/// A loopback port that nobody listens on, nor on the one that a cluster node would take besides.
///
/// # Errors
/// The last reason why one could not be had.
pub fn free() -> io::Result<u16> {
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        // At random, so that tests in parallel processes rarely meet.
        let drawn = RandomState::new().hash_one(0) % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(drawn).unwrap_or(0);
        match is_free(port).and_then(|()| is_free(port + BUS_DISTANCE)) {
            Ok(()) => return Ok(port),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn is_free(port: u16) -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}
