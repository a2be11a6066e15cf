//! `arrowredis demo`: the main job on a server of its own, from nothing to verified.

use std::path::Path;

use arrowredis::dataset::DatasetName;
use arrowredis::error::Error;
use arrowredis::generate::{GenerateOptions, Words, generate};
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, read_to_file};
use arrowredis::report::{GenerateReport, ReadReport, SplitReport, VerifyReport};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use arrowredis::verify::verify_files;
use arrowredis_throwaway::Server;
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::{self, compared, fetched, stored};

const PREFIX: &str = "demo:v1";

/// Small enough for a few seconds on any machine: 800,000 rows, about 30 MB.
const PARTITIONS: u32 = 4;
const BATCHES: u32 = 4;
const ROWS: u32 = 50_000;

#[derive(Serialize)]
struct DemoReport {
    server: String,
    rows: u64,
    chunks: u64,
    bytes: u64,
    seconds: f64,
    #[serde(rename = "gen")]
    generated: GenerateReport,
    split: SplitReport,
    read: ReadReport,
    verify: VerifyReport,
}

pub(super) async fn run(output: &Output) -> Result<Exit, Failure> {
    let folder = tempfile::Builder::new().prefix("arrowredis-demo-").tempdir()?;
    let server = Server::start()?;
    let (program, port) = (server.program().display().to_string(), server.port());
    output.say(&format!("Started {program} on port {port} for this demonstration only\n"))?;

    let store = RedisStore::connect(&server.url()).await?;
    let dataset = DatasetName::new(PREFIX).map_err(Error::from)?;
    // Inside the folder, so that what is shown can be typed as it stands.
    std::env::set_current_dir(folder.path())?;
    let (source, copy) = (Path::new("dataset.arrow"), Path::new("copy.arrow"));

    let generated = demo_gen(source, output).await?;
    let split = demo_split(&store, source, &dataset, output).await?;
    let read = demo_read(&store, &dataset, copy, output).await?;
    let verify = demo_verify(source, copy, output).await?;

    let exit = if verify.equal { Exit::Done } else { Exit::Different };
    let seconds = generated.seconds + split.seconds + read.seconds + verify.seconds;
    let report = DemoReport {
        server: program,
        rows: read.rows,
        chunks: read.chunks,
        bytes: read.bytes,
        seconds,
        generated,
        split,
        read,
        verify,
    };
    output.report("demo", &report, "\nThe server and all files are removed again", To::Stdout)?;
    Ok(exit)
}

async fn demo_gen(out: &Path, output: &Output) -> Result<GenerateReport, Failure> {
    output.say(&format!(
        "$ arrowredis gen --out dataset.arrow --partitions {PARTITIONS} --batches {BATCHES} \
         --rows {ROWS} --dict-strings"
    ))?;
    let options = GenerateOptions {
        partitions: PARTITIONS,
        batches: BATCHES,
        rows: ROWS,
        words: Words::Dictionary,
        ..GenerateOptions::default()
    };
    let report = generate(out, &options, &Unwatched).await?;
    output.say(&text::generated(&report))?;
    Ok(report)
}

async fn demo_split(
    store: &RedisStore,
    source: &Path,
    dataset: &DatasetName,
    output: &Output,
) -> Result<SplitReport, Failure> {
    output.say(&format!("\n$ arrowredis split --inp dataset.arrow --prefix {PREFIX}"))?;
    let report = split(store, source, dataset, &SplitOptions::default(), &Unwatched).await?;
    output.say(&stored(&report))?;
    Ok(report)
}

async fn demo_read(
    store: &RedisStore,
    dataset: &DatasetName,
    copy: &Path,
    output: &Output,
) -> Result<ReadReport, Failure> {
    output
        .say(&format!("\n$ arrowredis read --prefix {PREFIX} --partitions all --out copy.arrow"))?;
    let options = ReadOptions::default();
    let report = read_to_file(store, dataset, copy, None, &options, &Unwatched).await?;
    output.say(&fetched(&report))?;
    Ok(report)
}

async fn demo_verify(source: &Path, copy: &Path, output: &Output) -> Result<VerifyReport, Failure> {
    output.say("\n$ arrowredis verify --file1 dataset.arrow --file2 copy.arrow")?;
    let report = verify_files(source, copy, &Unwatched).await?;
    output.say(&compared(&report))?;
    Ok(report)
}
