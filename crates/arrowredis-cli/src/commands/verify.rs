//! `arrowredis verify`

use arrowredis::verify::verify_files;

use crate::args::Verify;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To, compared};

pub(super) async fn run(args: &Verify, output: &Output) -> Result<Exit, Failure> {
    let bar = output.bar("Comparing");
    let report = verify_files(&args.file1, &args.file2, &bar).await?;
    drop(bar);
    output.report("verify", &report, &compared(&report), To::Stdout)?;
    Ok(if report.equal { Exit::Done } else { Exit::Different })
}
