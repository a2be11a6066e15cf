//! What was measured, as figures; pure. Bytes are bytes, times seconds, MB 10^6 bytes.

use std::path::PathBuf;

use arrowredis::store::Ceiling;
use serde::Serialize;

use super::environment::Environment;
use super::plan::{Plan, Shape};
use crate::exit::Failure;

/// Why a cluster has no ceiling.
const NO_CEILING: &str = "not measured: a cluster's servers together have no ceiling that one \
                          connection could show";

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) environment: Environment,
    /// How often each stage was measured.
    pub(super) repeat: u32,
    pub(super) benchmarks: Vec<Benchmark>,
    /// Why there is no ceiling, if there is none.
    pub(super) no_ceiling: Option<&'static str>,
    /// What was left because it was asked for.
    pub(super) kept: Option<Kept>,
    /// What could not be removed.
    pub(super) left_behind: Option<String>,
}

/// What stays.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Kept {
    /// Where the files are.
    pub(super) folder: PathBuf,
    pub(super) datasets: Vec<String>,
}

/// One shape's figures.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Benchmark {
    #[serde(flatten)]
    pub(super) shape: Shape,
    pub(super) rows: u64,
    pub(super) chunks: u64,
    /// Size of the generated file.
    pub(super) file_bytes: u64,
    pub(super) stages: Vec<Stage>,
    /// The sum of the stages' seconds.
    pub(super) total_seconds: f64,
    pub(super) ceiling: Option<CeilingFigures>,
    /// Whether `verify` found the dataset equal to its file each time, if it was asked.
    pub(super) equal: Option<bool>,
}

/// A stage's figures: medians of its runs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Stage {
    #[serde(rename = "stage")]
    pub(super) name: &'static str,
    pub(super) rows: u64,
    /// Of the file for gen, of all stored values for the others.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) mb_per_second: f64,
    pub(super) rows_per_second: f64,
    /// The ceiling's time by the stage's: 1 is as fast as the server. Noise may make it more.
    pub(super) share_of_ceiling: Option<f64>,
    /// Seconds of each run.
    pub(super) runs: Vec<f64>,
}

/// Raw SET and GET of values as long as the chunks.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CeilingFigures {
    pub(super) bytes: u64,
    pub(super) set: OneWay,
    pub(super) get: OneWay,
}

/// One direction of the ceiling: the best of its runs. What was reached once can be reached, and what
/// held up the others is no limit of the server.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OneWay {
    pub(super) seconds: f64,
    pub(super) mb_per_second: f64,
    /// Seconds of each run.
    pub(super) runs: Vec<f64>,
}

/// One run of a stage, as its verb reports it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
}

/// All runs for one shape.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) chunks: u64,
    pub(super) generate: Vec<Run>,
    pub(super) split: Vec<Run>,
    pub(super) read: Vec<Run>,
    pub(super) verify: Vec<Run>,
    pub(super) ceiling: Vec<Ceiling>,
    pub(super) equal: Option<bool>,
}

impl Report {
    pub(super) fn new(
        environment: Environment,
        plan: &Plan,
        benchmarks: Vec<Benchmark>,
        kept: Option<Kept>,
        tidied: &Result<(), Failure>,
    ) -> Self {
        let measured = benchmarks.iter().all(|benchmark| benchmark.ceiling.is_some());
        Self {
            environment,
            repeat: plan.repeat,
            benchmarks,
            no_ceiling: (!measured).then_some(NO_CEILING),
            kept,
            left_behind: tidied.as_ref().err().map(Failure::message),
        }
    }

    /// Whether nothing that was compared differs.
    pub(super) fn all_equal(&self) -> bool {
        self.benchmarks.iter().all(|benchmark| benchmark.equal != Some(false))
    }
}

impl Kept {
    pub(super) fn text(&self) -> String {
        let folder = self.folder.display();
        match self.datasets.as_slice() {
            [] => format!("Left the files in {folder}"),
            names => format!("Left the files in {folder} and the datasets {}", names.join(", ")),
        }
    }
}

impl Benchmark {
    pub(super) fn of(shape: Shape, runs: &Runs) -> Self {
        let all = [
            ("gen", &runs.generate),
            ("split", &runs.split),
            ("read", &runs.read),
            ("verify", &runs.verify),
        ];
        let ceiling = CeilingFigures::of(&runs.ceiling);
        let stages = all.iter().filter_map(|(name, runs)| Stage::of(name, runs, ceiling.as_ref()));
        let stages: Vec<_> = stages.collect();
        let first = runs.generate.first();
        Self {
            shape,
            rows: first.map_or(0, |run| run.rows),
            chunks: runs.chunks,
            file_bytes: first.map_or(0, |run| run.bytes),
            total_seconds: stages.iter().map(|stage| stage.seconds).sum(),
            stages,
            ceiling,
            equal: runs.equal,
        }
    }

    pub(super) fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }
}

impl Stage {
    fn of(name: &'static str, runs: &[Run], ceiling: Option<&CeilingFigures>) -> Option<Self> {
        // The same seed makes the same bytes each time.
        let Run { rows, bytes, .. } = *runs.first()?;
        let runs: Vec<_> = runs.iter().map(|run| run.seconds).collect();
        let seconds = median(&runs);
        let ceiling = ceiling.and_then(|ceiling| ceiling.of_stage(name));
        Some(Self {
            name,
            rows,
            bytes,
            seconds,
            mb_per_second: per_second(bytes, seconds) / 1e6,
            rows_per_second: per_second(rows, seconds),
            share_of_ceiling: ceiling.map(|ceiling| ceiling.seconds / seconds.max(SHORTEST)),
            runs,
        })
    }
}

impl CeilingFigures {
    fn of(runs: &[Ceiling]) -> Option<Self> {
        let bytes = runs.first()?.bytes;
        let one_way = |seconds: fn(&Ceiling) -> f64| {
            let runs: Vec<_> = runs.iter().map(seconds).collect();
            let seconds = runs.iter().copied().fold(f64::INFINITY, f64::min);
            OneWay { seconds, mb_per_second: per_second(bytes, seconds) / 1e6, runs }
        };
        let (set, get) = (one_way(|run| run.set_seconds), one_way(|run| run.get_seconds));
        Some(Self { bytes, set, get })
    }

    /// What a stage is held against.
    pub(super) fn of_stage(&self, name: &str) -> Option<&OneWay> {
        match name {
            "split" => Some(&self.set),
            "read" => Some(&self.get),
            _ => None,
        }
    }
}

/// A time that no clock here tells from none.
const SHORTEST: f64 = 1e-9;

fn per_second(amount: u64, seconds: f64) -> f64 {
    amount as f64 / seconds.max(SHORTEST)
}

/// The middle one, or halfway between the two that are.
fn median(runs: &[f64]) -> f64 {
    let mut runs = runs.to_vec();
    runs.sort_by(f64::total_cmp);
    let middle = runs.len() / 2;
    match runs.len() {
        0 => 0.0,
        len if len % 2 == 0 => f64::midpoint(runs[middle - 1], runs[middle]),
        _ => runs[middle],
    }
}

#[cfg(test)]
pub(super) mod tests {
    use arrowredis::ipc::Codec;

    use super::*;

    fn runs(seconds: &[f64]) -> Vec<Run> {
        seconds.iter().map(|s| Run { rows: 1_000, bytes: 2_000_000, seconds: *s }).collect()
    }

    /// A report of one small shape, measured three times.
    pub(in super::super) fn report() -> Report {
        let shape = Shape { size: "50MB", partitions: 1, batches: 2, rows_per_batch: 500 };
        let ceiling =
            |set_seconds, get_seconds| Ceiling { bytes: 2_000_000, set_seconds, get_seconds };
        let runs = Runs {
            chunks: 2,
            generate: runs(&[0.3004, 0.9, 0.1]),
            split: runs(&[0.2004, 0.1, 0.9]),
            read: runs(&[0.1, 0.1004, 0.9]),
            verify: Vec::new(),
            ceiling: vec![ceiling(0.1, 0.05), ceiling(0.1, 0.06), ceiling(0.9, 0.01)],
            equal: None,
        };
        let environment = Environment {
            cpu: Some("<CPU> & more".to_owned()),
            cores: Some(2),
            memory_bytes: None,
            os: "linux x86_64".to_owned(),
            kernel: None,
            server: None,
            address: "redis://h:1/0".to_owned(),
            arrowredis: "0.0.0",
            compression: Codec::Zstd,
        };
        let plan =
            Plan { shapes: vec![shape], codec: Codec::Zstd, verify: false, repeat: 3, keep: false };
        let benchmarks = vec![Benchmark::of(shape, &runs)];
        Report::new(environment, &plan, benchmarks, None, &Ok(()))
    }

    #[test]
    fn figures_are_medians_and_add_up() {
        let report = report();
        let benchmark = &report.benchmarks[0];
        let seconds: Vec<_> = benchmark.stages.iter().map(|stage| stage.seconds).collect();
        assert_eq!(seconds, [0.3004, 0.2004, 0.1004]);
        assert_eq!(benchmark.total_seconds, seconds.iter().sum::<f64>());
        let split = benchmark.stage("split").unwrap();
        assert_eq!(split.runs, [0.2004, 0.1, 0.9]);
        assert_eq!(split.mb_per_second, 2.0 / 0.2004);
        assert_eq!(split.share_of_ceiling, Some(0.1 / 0.2004));
        assert_eq!(benchmark.stage("read").unwrap().share_of_ceiling, Some(0.01 / 0.1004));
        assert_eq!(benchmark.stage("gen").unwrap().share_of_ceiling, None);
        assert!(benchmark.stage("verify").is_none());
        assert!(report.all_equal() && report.no_ceiling.is_none());
    }

    #[test]
    fn the_median_of_two_is_between_them() {
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}
