//! The measuring: the verbs' own functions, stage by stage, with the ceiling between them.

use std::path::{Path, PathBuf};

use arrowredis::dataset::{ChunkId, DatasetName};
use arrowredis::generate::generate;
use arrowredis::key::chunk_key;
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ChunkStore, RedisStore};
use arrowredis::verify::verify_dataset_with_file;

use super::plan::{Plan, Shape};
use super::report::{Benchmark, Run, Runs};
use super::traces::{Traces, remove_dataset};
use crate::exit::Failure;
use crate::output::Output;

/// Measures all shapes of a plan, one after the other.
pub(super) async fn measure(
    plan: &Plan,
    store: &RedisStore,
    folder: &Path,
    traces: &Traces,
    output: &Output,
) -> Result<Vec<Benchmark>, Failure> {
    let mut benchmarks = Vec::with_capacity(plan.shapes.len());
    for shape in &plan.shapes {
        let file = folder.join(format!("{}.arrow", shape.name()));
        let dataset = traces.dataset(shape)?;
        let bench = Bench { plan, shape, store, traces, output, file, dataset };
        benchmarks.push(Benchmark::of(*shape, &bench.runs().await?));
    }
    Ok(benchmarks)
}

/// One shape that is measured.
struct Bench<'a> {
    plan: &'a Plan,
    shape: &'a Shape,
    store: &'a RedisStore,
    traces: &'a Traces,
    output: &'a Output,
    file: PathBuf,
    dataset: DatasetName,
}

impl Bench<'_> {
    async fn runs(&self) -> Result<Runs, Failure> {
        let mut runs = Runs::default();
        let mut sizes = Vec::new();
        for round in 1..=self.plan.repeat {
            runs.generate.push(self.generate().await?);
            if round == 1 {
                sizes = self.warm_up().await?;
                runs.chunks = sizes.len() as u64;
            }
            self.ceiling(&sizes, &mut runs).await?;
            runs.split.push(self.split().await?);
            runs.read.push(self.read().await?);
            if self.plan.verify {
                self.verify(&mut runs).await?;
            }
            if !self.plan.keep || round < self.plan.repeat {
                self.remove().await?;
            }
        }
        if !self.plan.keep {
            std::fs::remove_file(&self.file)?;
        }
        Ok(runs)
    }

    async fn generate(&self) -> Result<Run, Failure> {
        let bar = self.output.bar("Generating");
        let report = generate(&self.file, &self.shape.options(self.plan.codec), &bar).await?;
        Ok(Run { rows: report.rows, bytes: report.bytes, seconds: report.seconds })
    }

    /// Stores it once without counting that, so that neither the ceiling nor the verbs pay for memory
    /// which the server takes for the first time; and looks how long the chunks are.
    async fn warm_up(&self) -> Result<Vec<u64>, Failure> {
        let options = SplitOptions::default();
        self.traces.begin(&self.dataset);
        split(self.store, &self.file, &self.dataset, &options, &Unwatched).await?;
        let Shape { partitions, batches, .. } = *self.shape;
        let ids = (0..u64::from(partitions))
            .flat_map(|partition| (0..batches).map(move |batch| ChunkId::new(partition, batch)));
        let keys = ids.map(|id| chunk_key(&self.dataset, id)).collect();
        let lengths = self.store.lengths(keys).await?;
        self.remove().await?;
        Ok(lengths.into_iter().flatten().collect())
    }

    async fn remove(&self) -> Result<(), Failure> {
        remove_dataset(self.store, &self.dataset).await?;
        self.traces.is_gone(&self.dataset);
        Ok(())
    }

    async fn ceiling(&self, sizes: &[u64], runs: &mut Runs) -> Result<(), Failure> {
        let prefix = self.traces.ceiling(sizes.len());
        let measured = self.store.ceiling(&prefix, sizes).await?;
        self.traces.ceiling_is_gone();
        runs.ceiling.extend(measured);
        Ok(())
    }

    async fn split(&self) -> Result<Run, Failure> {
        let bar = self.output.bar("Storing");
        let options = SplitOptions::default();
        self.traces.begin(&self.dataset);
        let report = split(self.store, &self.file, &self.dataset, &options, &bar).await?;
        Ok(Run { rows: report.rows, bytes: report.bytes, seconds: report.seconds })
    }

    async fn read(&self) -> Result<Run, Failure> {
        let bar = self.output.bar("Fetching");
        let options = ReadOptions::default();
        // Kept until it is counted, as whoever reads one would.
        let (_table, report) = read_table(self.store, &self.dataset, &options, &bar).await?;
        Ok(Run { rows: report.rows, bytes: report.bytes, seconds: report.seconds })
    }

    async fn verify(&self, runs: &mut Runs) -> Result<(), Failure> {
        let bar = self.output.bar("Comparing");
        let (dataset, file) = (&self.dataset, &self.file);
        let report = verify_dataset_with_file(self.store, dataset, file, None, &bar).await?;
        runs.equal = Some(runs.equal != Some(false) && report.equal);
        runs.verify.push(Run { rows: report.rows, bytes: report.bytes, seconds: report.seconds });
        Ok(())
    }
}
