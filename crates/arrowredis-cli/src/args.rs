//! The command line: what can be typed, its defaults and its help.

use std::path::PathBuf;
use std::time::Duration;

use arrowredis::catalog::NewLife;
use arrowredis::dataset::DatasetName;
use arrowredis::generate::{GenerateOptions, Words};
use arrowredis::ipc::Codec;
use arrowredis::publish::{PublishOptions, Replace};
use arrowredis::read::{Partitions, ReadOptions};
use arrowredis::split::SplitOptions;
use bytesize::ByteSize;
use clap::{ArgAction, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;

use crate::connection::Redis;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 unexpected failure, 2 wrong usage or unusable input file, 3 Redis \
unreachable, refusing or full, 4 data missing or damaged, 5 verify found a difference, \
129, 130 and 143 ended by a signal.";

/// Keep Arrow tables in Redis, one record batch a key, and read any part of them back.
#[derive(Debug, Parser)]
#[command(name = "arrowredis", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) shown: Shown,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is shown, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Shown {
    /// Print one JSON report on stdout, and nothing else there
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print nothing but errors
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Log to stderr; twice for more, three times for all
    #[arg(long, short, global = true, help_heading = "Output", action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Generate a synthetic partitioned dataset as an Arrow file
    Gen(Gen),
    /// Store an Arrow file or stream in Redis, one record batch a key
    Split(Split),
    /// Read partitions back from Redis: into memory, a file or stdout
    Read(Read),
    /// Check a stored dataset against its manifest or a file, or compare two files
    Verify(Verify),
    /// List the datasets and aliases of a server
    Ls(Ls),
    /// Show what is known of a dataset: schema, partitions, sizes, state
    Info(Named),
    /// Remove a dataset with all its keys, or an alias
    Rm(Rm),
    /// Let a name stand for a dataset, switched in one step
    Alias(Alias),
    /// Copy a dataset to another prefix or another server, without decoding it
    Cp(Cp),
    /// Renew a dataset's time to live, of all its keys at once
    Touch(Touch),
    /// Write the manifest of a dataset that another program stored
    Adopt(Named),
    /// Run gen, split, read and verify on a Redis server of its own
    Demo,
    /// Measure gen, split and read, and what share of the server's ceiling they reach
    Bench(Bench),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Command {
    /// The command's name in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Gen(_) => "gen",
            Self::Split(_) => "split",
            Self::Read(_) => "read",
            Self::Verify(_) => "verify",
            Self::Ls(_) => "ls",
            Self::Info(_) => "info",
            Self::Rm(_) => "rm",
            Self::Alias(_) => "alias",
            Self::Cp(_) => "cp",
            Self::Touch(_) => "touch",
            Self::Adopt(_) => "adopt",
            Self::Demo => "demo",
            Self::Bench(_) => "bench",
            Self::Completions { .. } => "completions",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Gen {
    /// The file to write; it appears when it is whole, in place of one that is there
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Partitions
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    partitions: u32,
    /// Batches in each partition
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    batches: u32,
    /// Rows in each batch
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    rows: u32,
    /// How the file's buffers are compressed
    #[arg(long, value_name = "CODEC", default_value = "zstd")]
    compression: CodecName,
    /// Store the words as keys into a dictionary
    #[arg(long)]
    dict_strings: bool,
    /// How many different words there are
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    string_cardinality: u32,
    /// What all values derive from: the same seed gives the same file
    #[arg(long, value_name = "N", default_value_t = 123)]
    seed: u64,
    /// Threads that make and compress batches [default: all cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl Gen {
    pub(crate) fn options(&self) -> GenerateOptions {
        GenerateOptions {
            partitions: self.partitions,
            batches: self.batches,
            rows: self.rows,
            compression: self.compression.into(),
            words: if self.dict_strings { Words::Dictionary } else { Words::Plain },
            string_cardinality: self.string_cardinality,
            seed: self.seed,
            workers: self.workers,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Split {
    /// The Arrow IPC file or stream to store
    #[arg(long, value_name = "FILE")]
    pub(crate) inp: PathBuf,
    #[command(flatten)]
    pub(crate) redis: Redis,
    /// The dataset's name, with which all its keys begin
    #[arg(long)]
    pub(crate) prefix: DatasetName,
    /// Batches to a partition, for a file without an integer column "partition" [default: all]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    batches: Option<u32>,
    /// Keep the file's own compression and forward its messages, or encode them anew
    #[arg(long, value_name = "CODEC", default_value = "keep")]
    compression: KeptOrCodec,
    /// Longest chunk as it is stored, such as 1000000, 64MB (10^6 bytes) or 64MiB (2^20); a batch
    /// that would be longer is divided into several [default: any]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_chunk_bytes: Option<u64>,
    /// Chunks that may be on their way at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    max_inflight: usize,
    #[command(flatten)]
    published: Published,
}

/// How a dataset appears.
#[derive(Debug, clap::Args)]
pub(crate) struct Published {
    /// Replace a dataset of that name, once the new one is stored whole
    #[arg(long)]
    replace: bool,
    /// Remove a dataset of that name before anything is stored, when memory cannot hold both
    #[arg(long, conflicts_with = "replace")]
    drop_first: bool,
    /// How long the dataset lives, such as 90s, 15m, 1h or 7d [default: for ever, and for a copy as
    /// long as what was copied]
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    ttl: Option<Duration>,
    /// How long a replaced dataset's chunks stay for reads that began before [default: not at all]
    #[arg(
        long,
        value_name = "TIME",
        value_parser = lifetime,
        requires = "replace",
        conflicts_with = "drop_first"
    )]
    keep_old: Option<Duration>,
}

impl Published {
    pub(crate) fn options(&self) -> PublishOptions {
        PublishOptions {
            replace: match (self.replace, self.drop_first) {
                (_, true) => Replace::DropFirst,
                (true, false) => Replace::WhenStored,
                (false, false) => Replace::Refuse,
            },
            time_to_live: self.ttl,
            keep_replaced: self.keep_old.unwrap_or_default(),
        }
    }
}

impl Split {
    pub(crate) fn options(&self) -> SplitOptions {
        SplitOptions {
            batches: self.batches,
            compression: self.compression.codec(),
            max_chunk_bytes: self.max_chunk_bytes,
            max_inflight: self.max_inflight,
            publish: self.published.options(),
            ..SplitOptions::default()
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Read {
    #[command(flatten)]
    pub(crate) redis: Redis,
    /// The dataset's name, with which all its keys begin
    #[arg(long)]
    pub(crate) prefix: DatasetName,
    /// The partitions to read: all, or numbers and ranges such as 0,1,2 or 0-7
    #[arg(long, value_name = "LIST", default_value = "all")]
    partitions: Partitions,
    /// Batches that each partition must have [default: those that are there]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    batches: Option<u32>,
    /// Most chunks in one request
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pipeline: usize,
    /// Most requests at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    concurrency: usize,
    /// Leave out chunks that are absent or not as they were written, and report them, instead of
    /// failing
    #[arg(long)]
    allow_missing: bool,
    /// Write an Arrow IPC file, or with "-" an Arrow IPC stream to stdout, instead of building
    /// the table in memory
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Compression of what --out writes: as stored, or encoded anew
    #[arg(long, value_name = "CODEC", default_value = "keep", requires = "out")]
    compression: KeptOrCodec,
}

impl Read {
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            partitions: self.partitions.clone(),
            batches: self.batches,
            pipeline: self.pipeline,
            concurrency: self.concurrency,
            allow_missing: self.allow_missing,
            ..ReadOptions::default()
        }
    }

    pub(crate) fn codec(&self) -> Option<Codec> {
        self.compression.codec()
    }
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["prefix", "file1"]))]
pub(crate) struct Verify {
    /// The dataset to check, chunk by chunk, against its manifest
    #[arg(value_name = "PREFIX")]
    pub(crate) prefix: Option<DatasetName>,
    /// Check it against what a split of this Arrow IPC file or stream would store, instead, with
    /// whatever --max-chunk-bytes
    #[arg(value_name = "FILE", requires = "prefix")]
    pub(crate) file: Option<PathBuf>,
    /// As given to that split
    #[arg(long, value_name = "N", requires = "file", value_parser = value_parser!(u32).range(1..))]
    pub(crate) batches: Option<u32>,
    #[command(flatten)]
    pub(crate) redis: Redis,
    /// One of two Arrow IPC files or streams to compare
    #[arg(long, value_name = "FILE", requires = "file2", conflicts_with = "prefix")]
    pub(crate) file1: Option<PathBuf>,
    /// The other one
    #[arg(long, value_name = "FILE", requires = "file1")]
    pub(crate) file2: Option<PathBuf>,
}

/// A command that takes one dataset.
#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    /// The dataset's name
    pub(crate) prefix: DatasetName,
    #[command(flatten)]
    pub(crate) redis: Redis,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// Names to list: * stands for any characters, ? for one, [ab] for one of some
    #[arg(default_value = "*")]
    pub(crate) pattern: String,
    #[command(flatten)]
    pub(crate) redis: Redis,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// The dataset's or the alias' name
    pub(crate) prefix: DatasetName,
    /// Do not ask, as is done on a terminal
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) redis: Redis,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Alias {
    /// The name that is to stand for a dataset
    pub(crate) name: DatasetName,
    /// The dataset
    pub(crate) prefix: DatasetName,
    #[command(flatten)]
    pub(crate) redis: Redis,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Cp {
    /// The dataset to copy
    pub(crate) prefix: DatasetName,
    /// The copy's name, or the address of the server to copy to, or both
    #[arg(required = true, num_args = 1..=2, value_name = "PREFIX2|URL")]
    pub(crate) to: Vec<String>,
    #[command(flatten)]
    pub(crate) redis: Redis,
    #[command(flatten)]
    pub(crate) published: Published,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Touch {
    /// The dataset's name
    pub(crate) prefix: DatasetName,
    /// How long it lives from now on, such as 90s, 15m, 1h or 7d, or "never" to end that [default:
    /// as long as it was given when it was stored]
    #[arg(long, value_name = "TIME", value_parser = new_life)]
    pub(crate) ttl: Option<NewLife>,
    #[command(flatten)]
    pub(crate) redis: Redis,
}

const BENCH: &str = "\
Each size is generated with dictionary strings, stored once without being counted, and then measured: \
gen, the ceiling (raw SET and GET of values as long as the chunks), split, read into memory, verify. \
Bytes are those of the file for gen and of the stored values for the others; MB are 10^6 bytes. All \
keys begin with 'arrowredis-bench:' and a random word. Files and keys are removed afterwards, also when \
it fails or is interrupted.";

#[derive(Debug, clap::Args)]
#[command(after_help = BENCH)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) redis: Redis,
    /// A size to measure; may be given several times [default: all]
    #[arg(long = "size", value_name = "SIZE")]
    pub(crate) sizes: Vec<SizeName>,
    /// How buffers are compressed
    #[arg(long, value_name = "CODEC", default_value = "zstd")]
    compression: CodecName,
    /// Compare each stored dataset with its file, too
    #[arg(long)]
    pub(crate) verify: bool,
    /// How often each stage is measured; medians are shown, and the ceiling's best
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,
    /// Where the generated files go, in a folder of their own; it is made if it is not there
    #[arg(long, value_name = "DIR", default_value = "./benchmark_data")]
    pub(crate) output_dir: PathBuf,
    /// Write the JSON report to a file, in place of one that is there
    #[arg(long, value_name = "FILE")]
    pub(crate) output_json: Option<PathBuf>,
    /// Write a page with charts, in place of one that is there
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Leave files and datasets, and say where they are
    #[arg(long)]
    pub(crate) no_cleanup: bool,
}

impl Bench {
    pub(crate) fn codec(&self) -> Codec {
        self.compression.into()
    }
}

/// A dataset of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SizeName {
    /// 4 × 8 batches of 50,000 rows
    #[value(name = "50mb")]
    Mb50,
    /// 8 × 16 batches
    #[value(name = "250mb")]
    Mb250,
    /// 16 × 16 batches
    #[value(name = "512mb")]
    Mb512,
    /// 32 × 16 batches
    #[value(name = "1gb")]
    Gb1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CodecName {
    Zstd,
    Lz4,
    Uncompressed,
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Zstd => Self::Zstd,
            CodecName::Lz4 => Self::Lz4,
            CodecName::Uncompressed => Self::Uncompressed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeptOrCodec {
    Keep,
    Zstd,
    Lz4,
    Uncompressed,
}

impl KeptOrCodec {
    fn codec(self) -> Option<Codec> {
        match self {
            Self::Keep => None,
            Self::Zstd => Some(Codec::Zstd),
            Self::Lz4 => Some(Codec::Lz4),
            Self::Uncompressed => Some(Codec::Uncompressed),
        }
    }
}

/// Longest time to live: 100 years. Redis counts milliseconds in 63 bits and refuses more.
const LONGEST_LIFE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn lifetime(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(life) if life < Duration::from_millis(1) => Err("expected 1ms or more".to_owned()),
        Ok(life) if life > LONGEST_LIFE => Err("expected at most 100 years".to_owned()),
        Ok(life) => Ok(life),
        Err(error) => Err(format!("{error}; expected a time such as 90s, 15m, 1h or 7d")),
    }
}

fn new_life(text: &str) -> Result<NewLife, String> {
    if text == "never" { Ok(NewLife::Forever) } else { lifetime(text).map(NewLife::For) }
}

fn bytes(text: &str) -> Result<u64, String> {
    match text.parse::<ByteSize>() {
        Ok(ByteSize(0)) => Err("expected 1 byte or more".to_owned()),
        Ok(ByteSize(bytes)) => Ok(bytes),
        Err(_) => Err("expected a number of bytes such as 1000000, 64MB or 64MiB".to_owned()),
    }
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("expected a whole number of 1 or more".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
