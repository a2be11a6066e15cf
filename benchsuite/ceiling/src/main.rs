//! What the machine allows, with nothing of ArrowRedis in the way. One measurement a process:
//!
//! - `ceiling get HOST:PORT CONNECTIONS WINDOW`, with a key on each line of stdin
//! - `ceiling set HOST:PORT CONNECTIONS WINDOW`, with `KEY BYTES` on each line of stdin
//! - `ceiling forward HOST:PORT WINDOW FILE`, with the same
//! - `ceiling decompress FILE`
//! - `ceiling compress FILE LEVEL`
//!
//! Prints one line of JSON: the seconds and the bytes. Connections are made, and files read, before
//! the clock starts.

mod arena;
mod buffers;
mod codec;
mod source;
mod wire;

use std::io::{self, BufRead};
use std::process::ExitCode;

/// Anything that goes wrong ends the measurement.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What was measured.
struct Measured {
    seconds: f64,
    /// Over the wire, or in compressed form.
    stored_bytes: usize,
    /// Of values as they are in memory.
    raw_bytes: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(measured) => {
            println!(
                "{{\"seconds\": {:.6}, \"stored_bytes\": {}, \"raw_bytes\": {}}}",
                measured.seconds, measured.stored_bytes, measured.raw_bytes
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("ceiling: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Measured, Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["get", address, connections, window] => {
            let keys: Vec<String> = io::stdin().lock().lines().collect::<Result<_, _>>()?;
            wire::get(address, connections.parse()?, window.parse()?, &keys)
        }
        ["set", address, connections, window] => {
            wire::set(address, connections.parse()?, window.parse()?, &values()?)
        }
        ["forward", address, window, file] => {
            wire::forward(address, window.parse()?, &values()?, file)
        }
        ["decompress", file] => codec::decompress(file),
        ["compress", file, level] => codec::compress(file, level.parse()?),
        _ => Err("expected get, set, forward, decompress or compress and what it takes".into()),
    }
}

/// Keys and lengths, out of stdin.
fn values() -> Result<Vec<(String, usize)>, Failure> {
    let mut values = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (key, bytes) = line.rsplit_once(' ').ok_or("expected KEY BYTES")?;
        values.push((key.to_owned(), bytes.parse()?));
    }
    Ok(values)
}
