//! `arrowredis info`

use arrowredis::catalog::info;

use crate::args::Named;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::described;

pub(super) async fn run(args: &Named, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let report = info(&store, &args.prefix).await?;
    output.report("info", &report, &described(&report), To::Stdout)?;
    Ok(Exit::Done)
}
