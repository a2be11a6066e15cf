//! What is measured, and how often; pure.

use arrowredis::generate::{GenerateOptions, Words};
use arrowredis::ipc::Codec;
use serde::Serialize;

use crate::args::{Bench, SizeName};

/// Rows in each batch of every shape.
const ROWS: u32 = 50_000;

/// All that is measured.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) shapes: Vec<Shape>,
    pub(super) codec: Codec,
    pub(super) verify: bool,
    pub(super) repeat: u32,
    /// Whether files and datasets stay.
    pub(super) keep: bool,
}

/// A dataset's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Shape {
    /// What it is called.
    pub(super) size: &'static str,
    pub(super) partitions: u32,
    /// Batches in each partition.
    pub(super) batches: u32,
    /// Rows in each batch.
    pub(super) rows_per_batch: u32,
}

impl Plan {
    pub(super) fn of(args: &Bench) -> Self {
        let all = [SizeName::Mb50, SizeName::Mb250, SizeName::Mb512, SizeName::Gb1];
        // Each once, in the order of their sizes, however they were given.
        let asked = |size: &SizeName| args.sizes.is_empty() || args.sizes.contains(size);
        Self {
            shapes: all.into_iter().filter(asked).map(Shape::of).collect(),
            codec: args.codec(),
            verify: args.verify,
            repeat: args.repeat,
            keep: args.no_cleanup,
        }
    }
}

impl Shape {
    fn of(size: SizeName) -> Self {
        let (size, partitions, batches) = match size {
            SizeName::Mb50 => ("50MB", 4, 8),
            SizeName::Mb250 => ("250MB", 8, 16),
            SizeName::Mb512 => ("512MB", 16, 16),
            SizeName::Gb1 => ("1GB", 32, 16),
        };
        Self { size, partitions, batches, rows_per_batch: ROWS }
    }

    /// How it is generated: with the words in a dictionary, as the documentation recommends.
    pub(super) fn options(&self, codec: Codec) -> GenerateOptions {
        GenerateOptions {
            partitions: self.partitions,
            batches: self.batches,
            rows: self.rows_per_batch,
            compression: codec,
            words: Words::Dictionary,
            ..GenerateOptions::default()
        }
    }

    /// Its name in files and datasets.
    pub(super) fn name(&self) -> String {
        self.size.to_ascii_lowercase()
    }
}
