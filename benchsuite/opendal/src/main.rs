//! Arrow batches through Apache OpenDAL's Redis service, as somebody would write it who knows both
//! libraries: every batch is one Arrow stream under one key, many are on their way at once, and all
//! cores encode and decode.
//!
//! - `opendal-peer split FILE HOST:PORT PREFIX CODEC`
//! - `opendal-peer read HOST:PORT PREFIX CHUNKS`, which keeps the batches in memory
//!
//! Prints one line of JSON. The clock runs from before the connection until all is done.

mod chunk;
mod file;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use futures::stream::{self, StreamExt, TryStreamExt};
use opendal::{Operator, services::Redis};
use tokio::task::spawn_blocking;

use chunk::Codec;
use file::ArrowFile;

/// Anything that goes wrong ends the measurement.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Connections that OpenDAL may keep; it sends one request at a time over each.
const CONNECTIONS: &str = "OPENDAL_CONNECTIONS";
const DEFAULT_CONNECTIONS: usize = 4;
/// Chunks that are fetched, decoded, encoded or stored at once.
const AT_ONCE: usize = 8;

/// What was stored or read.
struct Done {
    rows: usize,
    bytes: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let start = Instant::now();
    match run().await {
        Ok((done, kept)) => {
            let seconds = start.elapsed().as_secs_f64();
            drop(kept);
            println!(
                "{{\"seconds\": {seconds:.6}, \"rows\": {}, \"bytes\": {}}}",
                done.rows, done.bytes
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("opendal-peer: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(Done, Vec<RecordBatch>), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["split", file, address, prefix, codec] => {
            Ok((split(file, &connect(address)?, prefix, codec.parse()?).await?, Vec::new()))
        }
        ["read", address, prefix, chunks] => {
            read(&connect(address)?, prefix, chunks.parse()?).await
        }
        _ => Err("expected split or read and what it takes".into()),
    }
}

fn connect(address: &str) -> Result<Operator, Failure> {
    let connections = match std::env::var(CONNECTIONS) {
        Ok(connections) => connections.parse()?,
        Err(_) => DEFAULT_CONNECTIONS,
    };
    let service = Redis::default()
        .endpoint(&format!("redis://{address}"))
        .connection_pool_max_size(connections);
    Ok(Operator::new(service)?)
}

fn key(prefix: &str, chunk: usize) -> String {
    format!("{prefix}:batch={chunk:05}")
}

async fn split(path: &str, to: &Operator, prefix: &str, codec: Codec) -> Result<Done, Failure> {
    let file = Arc::new(ArrowFile::open(path)?);
    let stored = stream::iter(0..file.batches())
        .map(|index| {
            let file = Arc::clone(&file);
            async move {
                let (rows, bytes) = spawn_blocking(move || {
                    let batch = file.batch(index)?;
                    Ok::<_, Failure>((batch.num_rows(), chunk::encode(&batch, codec)?))
                })
                .await??;
                let length = bytes.len();
                to.write(&key(prefix, index), bytes).await?;
                Ok::<_, Failure>(Done { rows, bytes: length })
            }
        })
        .buffer_unordered(AT_ONCE);
    stored
        .try_fold(Done { rows: 0, bytes: 0 }, |sum, chunk| async move {
            Ok(Done { rows: sum.rows + chunk.rows, bytes: sum.bytes + chunk.bytes })
        })
        .await
}

async fn read(
    from: &Operator,
    prefix: &str,
    chunks: usize,
) -> Result<(Done, Vec<RecordBatch>), Failure> {
    let parts: Vec<(usize, Vec<RecordBatch>)> = stream::iter(0..chunks)
        .map(|index| async move {
            let value = from.read(&key(prefix, index)).await?.to_bytes();
            let length = value.len();
            let batches = spawn_blocking(move || chunk::decode(value)).await??;
            Ok::<_, Failure>((length, batches))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let bytes = parts.iter().map(|part| part.0).sum();
    let kept: Vec<RecordBatch> = parts.into_iter().flat_map(|part| part.1).collect();
    Ok((Done { rows: kept.iter().map(RecordBatch::num_rows).sum(), bytes }, kept))
}
