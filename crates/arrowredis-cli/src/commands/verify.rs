//! `arrowredis verify`

use std::path::Path;

use arrowredis::dataset::DatasetName;
use arrowredis::report::VerifyReport;
use arrowredis::verify::{verify_dataset, verify_dataset_with_file, verify_files};

use crate::args::Verify;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::{checked, compared, compared_with_file};

pub(super) async fn run(args: &Verify, output: &Output) -> Result<Exit, Failure> {
    match (&args.prefix, &args.file, &args.file1, &args.file2) {
        (Some(prefix), None, ..) => check(args, prefix, output).await,
        (Some(prefix), Some(file), ..) => check_with_file(args, prefix, file, output).await,
        (None, _, Some(file1), Some(file2)) => compare(file1, file2, output).await,
        _ => Err(Failure::Usage("expected PREFIX, PREFIX FILE, or --file1 and --file2".to_owned())),
    }
}

async fn check(args: &Verify, prefix: &DatasetName, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let bar = output.bar("Checking");
    let report = verify_dataset(&store, prefix, &bar).await?;
    drop(bar);
    output.report("verify", &report, &checked(&report), To::Stdout)?;
    Ok(if report.whole { Exit::Done } else { Exit::Data })
}

async fn check_with_file(
    args: &Verify,
    prefix: &DatasetName,
    file: &Path,
    output: &Output,
) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let bar = output.bar("Comparing");
    let report = verify_dataset_with_file(&store, prefix, file, args.batches, &bar).await?;
    drop(bar);
    output.report("verify", &report, &compared_with_file(&report), To::Stdout)?;
    Ok(exit(&report))
}

async fn compare(file1: &Path, file2: &Path, output: &Output) -> Result<Exit, Failure> {
    let bar = output.bar("Comparing");
    let report = verify_files(file1, file2, &bar).await?;
    drop(bar);
    output.report("verify", &report, &compared(&report), To::Stdout)?;
    Ok(exit(&report))
}

fn exit(report: &VerifyReport) -> Exit {
    if report.equal { Exit::Done } else { Exit::Different }
}
