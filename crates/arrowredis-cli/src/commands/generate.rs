//! `arrowredis gen`

use std::path::Path;

use arrowredis::generate::generate;

use crate::args::Gen;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::generated;

pub(super) async fn run(args: &Gen, output: &Output) -> Result<Exit, Failure> {
    if args.out == Path::new("-") {
        return Err(Failure::Usage(
            "gen writes an Arrow file, which cannot go to stdout; expected --out FILE".to_owned(),
        ));
    }
    let bar = output.bar("Generating");
    let report = generate(&args.out, &args.options(), &bar).await?;
    drop(bar);
    output.report("gen", &report, &generated(&report), To::Stdout)?;
    Ok(Exit::Done)
}
