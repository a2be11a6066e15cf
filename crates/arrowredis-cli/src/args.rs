//! The command line: what can be typed, its defaults and its help.

use std::path::PathBuf;

use arrowredis::dataset::DatasetName;
use arrowredis::generate::{GenerateOptions, Words};
use arrowredis::ipc::Codec;
use arrowredis::read::{Partitions, ReadOptions};
use arrowredis::split::SplitOptions;
use clap::{ArgAction, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;

use crate::exit::Failure;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 unexpected failure, 2 wrong usage or unusable input file, 3 Redis \
unreachable, refusing or full, 4 data missing or damaged, 5 verify found a difference, \
129, 130 and 143 ended by a signal.";

const DEFAULT_URL: &str = "redis://127.0.0.1:6379/0";

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
    /// Compare two Arrow files: schema, rows and values, however they are encoded
    Verify(Verify),
    /// Run gen, split, read and verify on a Redis server of its own
    Demo,
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
            Self::Demo => "demo",
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

/// Where Redis is.
#[derive(Debug, clap::Args)]
pub(crate) struct Redis {
    #[arg(
        long,
        value_name = "URL",
        env = "REDIS_URL",
        hide_env_values = true,
        help = "redis://[user:password@]host[:port][/database] [default: redis://127.0.0.1:6379/0]"
    )]
    redis_url: Option<String>,
    /// Whether the server is a node of a Redis Cluster
    #[arg(long, default_value = "off")]
    cluster: OnOff,
}

impl Redis {
    /// The address; an empty one, as an unset variable often is, counts as none.
    pub(crate) fn url(&self) -> Result<&str, Failure> {
        if self.cluster == OnOff::On {
            return Err(Failure::Usage(
                "--cluster on is not supported by this version; expected --cluster off and the \
                 address of a single server"
                    .to_owned(),
            ));
        }
        Ok(self.redis_url.as_deref().filter(|url| !url.is_empty()).unwrap_or(DEFAULT_URL))
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
    /// Chunks that may be on their way at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    max_inflight: usize,
}

impl Split {
    pub(crate) fn options(&self) -> SplitOptions {
        SplitOptions {
            batches: self.batches,
            compression: self.compression.codec(),
            max_inflight: self.max_inflight,
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
    /// Leave out chunks that are absent, and report them, instead of failing
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
pub(crate) struct Verify {
    /// One Arrow IPC file or stream
    #[arg(long, value_name = "FILE")]
    pub(crate) file1: PathBuf,
    /// The other one
    #[arg(long, value_name = "FILE")]
    pub(crate) file2: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnOff {
    On,
    Off,
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

fn at_least_one(text: &str) -> Result<usize, String> {
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
