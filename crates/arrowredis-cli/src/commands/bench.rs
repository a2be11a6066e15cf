//! `arrowredis bench`: the main job, measured beside what the server can do at best.

mod environment;
mod folder;
mod html;
mod page_style;
mod plan;
mod report;
mod result_file;
mod run;
mod table;
mod traces;

use std::time::Duration;

use crate::args::Bench;
use crate::exit::{Exit, Failure};
use crate::interrupt::Signals;
use crate::output::{Output, To};

use environment::Environment;
use folder::Folder;
use plan::Plan;
use report::{Benchmark, Kept, Report};
use result_file::ResultFile;
use run::measure;
use traces::Traces;

/// How long removing what was stored may take in the end.
const TIDYING: Duration = Duration::from_secs(10);

pub(super) async fn run(args: &Bench, output: &Output) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let plan = Plan::of(args);
    let results = Results::begin(args)?;
    let folder = Folder::create(&args.output_dir)?;
    let traces = Traces::of(folder.word());

    let work = all(args, &plan, &folder, &traces, output);
    let measured = signals.unless_one_comes(work).await;
    let tidied = tidy(args, &traces, &mut signals).await;
    let kept = traces.kept(&folder, args.no_cleanup);
    let tidied = tidied.and(folder.remove_unless(args.no_cleanup));

    let (environment, benchmarks) = measured.inspect_err(|_| complain(&kept, &tidied))?;
    let report = Report::new(environment, &plan, benchmarks, kept, &tidied);
    results.write(&report)?;
    output.report("bench", &report, &table::text(&report), To::Stdout)?;
    complain(&None, &tidied);
    Ok(match tidied {
        Err(failure) => failure.exit(),
        Ok(()) if report.all_equal() => Exit::Done,
        Ok(()) => Exit::Different,
    })
}

/// Connects, looks where it is, and measures.
async fn all(
    args: &Bench,
    plan: &Plan,
    folder: &Folder,
    traces: &Traces,
    output: &Output,
) -> Result<(Environment, Vec<Benchmark>), Failure> {
    let store = args.redis.connect().await?;
    let environment = Environment::look(&store, plan.codec).await?;
    let benchmarks = measure(plan, &store, folder.path(), traces, output).await?;
    Ok((environment, benchmarks))
}

/// Removes what the measuring has left in the store. Another signal ends it.
async fn tidy(args: &Bench, traces: &Traces, signals: &mut Signals) -> Result<(), Failure> {
    let tidying = async {
        let tidied = tokio::time::timeout(TIDYING, traces.remove(args)).await;
        tidied.unwrap_or_else(|_| Err(traces.too_late(TIDYING)))
    };
    signals.unless_one_comes(tidying).await.map_err(|failure| traces.left_behind(&failure))
}

/// Says what is left behind, meant or not, where no report does.
fn complain(kept: &Option<Kept>, tidied: &Result<(), Failure>) {
    if let Some(kept) = kept {
        tracing::warn!("{}", kept.text());
    }
    if let Err(failure) = tidied {
        tracing::error!("{}", failure.message());
    }
}

/// The files that were asked for.
struct Results {
    json: Option<ResultFile>,
    html: Option<ResultFile>,
}

impl Results {
    fn begin(args: &Bench) -> Result<Self, Failure> {
        if args.html.is_some() && args.html == args.output_json {
            return Err(Failure::Usage(
                "--output-json and --html name the same file; expected two".to_owned(),
            ));
        }
        let begin = |path: &Option<_>| path.as_deref().map(ResultFile::begin).transpose();
        Ok(Self { json: begin(&args.output_json)?, html: begin(&args.html)? })
    }

    fn write(self, report: &Report) -> Result<(), Failure> {
        if let Some(file) = self.json {
            file.write(&format!("{}\n", Output::json("bench", report)?))?;
        }
        if let Some(file) = self.html {
            file.write(&html::page(report))?;
        }
        Ok(())
    }
}
