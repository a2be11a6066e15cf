//! `arrowredis read`

use std::io;
use std::path::Path;

use arrowredis::read::{read_table, read_to_file, read_to_writer};
use arrowredis::report::ReadReport;
use arrowredis::store::RedisStore;

use crate::args::Read;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::fetched;

/// What `--out` takes for an Arrow stream to stdout.
const STDOUT: &str = "-";

pub(super) async fn run(args: &Read, output: &Output) -> Result<Exit, Failure> {
    let to = if args.out.as_deref() == Some(Path::new(STDOUT)) { To::Stderr } else { To::Stdout };
    if to == To::Stderr && output.is_json() {
        return Err(Failure::Usage(
            "--out - and --json both write to stdout; expected one of them".to_owned(),
        ));
    }
    let store = args.redis.connect().await?;
    let report = read(args, &store, output).await?;
    warn(&report);
    output.report("read", &report, &fetched(&report), to)?;
    Ok(Exit::Done)
}

async fn read(args: &Read, store: &RedisStore, output: &Output) -> Result<ReadReport, Failure> {
    let (name, options, codec) = (&args.prefix, args.options(), args.codec());
    let bar = output.bar("Fetching");
    match args.out.as_deref() {
        None => {
            // The table is what a user of the library would hold; it is kept until it is counted.
            let (_table, report) = read_table(store, name, &options, &bar).await?;
            Ok(report)
        }
        Some(path) if path == Path::new(STDOUT) => {
            let stdout = Box::new(io::BufWriter::new(io::stdout()));
            Ok(read_to_writer(store, name, stdout, codec, &options, &bar).await?)
        }
        Some(path) => Ok(read_to_file(store, name, path, codec, &options, &bar).await?),
    }
}

/// What a reader of the report could overlook.
fn warn(report: &ReadReport) {
    if let Some(first) = report.beyond.first() {
        tracing::warn!(
            "'{first}' is there and was not read: partitions have more batches than --batches says"
        );
    }
}
