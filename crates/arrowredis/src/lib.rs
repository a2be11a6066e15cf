//! Arrow tables in Redis: one record batch, one key, and back at the speed of the wire.
//!
//! A *dataset* is a prefix. It is divided into *partitions*, those into *batches*; each batch is
//! one *chunk*: a self-contained Arrow IPC stream under the key
//! `{prefix}:{part=00000}:batch=00000`, which any Arrow library can read by itself.
//!
//! ```text
//! generate   options --columns--> RecordBatch... --ipc--> dataset.arrow
//! split      dataset.arrow --ipc--> blocks --partition--> chunks --publish--> Redis
//! read       Redis --manifest, plan, within a byte budget--> chunks --decode--> batches in order
//! verify     two files, or a stored dataset and its manifest or file --> the first difference
//! catalog    list, describe, remove, alias, copy, touch, adopt
//! ```
//!
//! A dataset has a *manifest* that lists its chunks with their checksums. It appears as a whole, in
//! place of the one before, and a reader gets all of one or all of the other.
//!
//! The verbs are async functions on a tokio runtime. They compute on threads of their own, one a core, wait
//! for files on the runtime's blocking threads, and print nothing; each returns a [`report`]. What is sent as it
//! lies in a file, or used as it comes, is copied and summed up where it is sent and received.
//!
//! # Example
//! Generates a dataset, stores it and reads part of it back:
//!
//! ```
//! use arrowredis::dataset::DatasetName;
//! use arrowredis::generate::{GenerateOptions, generate};
//! use arrowredis::progress::Unwatched;
//! use arrowredis::read::{Partitions, ReadOptions, read_table};
//! use arrowredis::split::{SplitOptions, split};
//! use arrowredis::store::RedisStore;
//!
//! # async fn example(url: &str, folder: &std::path::Path) -> Result<(), arrowredis::error::Error> {
//! let file = folder.join("dataset.arrow");
//! let small = GenerateOptions { partitions: 4, batches: 2, rows: 1_000, ..Default::default() };
//! generate(&file, &small, &Unwatched).await?;
//!
//! let store = RedisStore::connect(url).await?;
//! let dataset = DatasetName::new("demo:v1")?;
//! split(&store, &file, &dataset, &SplitOptions::default(), &Unwatched).await?;
//!
//! let two = ReadOptions { partitions: Partitions::of([0, 3]), ..Default::default() };
//! let (table, report) = read_table(&store, &dataset, &two, &Unwatched).await?;
//! assert_eq!(table.batches.len(), 4);
//! assert_eq!(report.rows, 4_000);
//! # Ok(())
//! # }
//! # let server = arrowredis_throwaway::Server::start().unwrap();
//! # let folder = tempfile::tempdir().unwrap();
//! # tokio::runtime::Runtime::new().unwrap().block_on(example(&server.url(), folder.path())).unwrap();
//! ```
//!
//! [`read::read_batches`] gives the same rows as a `Stream` that holds no more than a byte budget.

pub mod dataset;

pub mod key;

pub mod clock;

pub mod ipc;

pub mod checksum;

pub mod chunk;

pub mod manifest;

pub mod store;

pub mod catalog;

pub mod publish;

pub mod generate;

pub mod split;

pub mod read;

pub mod verify;

pub mod report;

pub mod progress;

pub mod error;

#[cfg(fuzzing)]
pub mod fuzzing;

mod budget;

mod glob;

mod nested;

mod output_file;

mod pipeline;

mod region;

mod schema_difference;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
