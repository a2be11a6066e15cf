//! `arrowredis ls`

use arrowredis::catalog::list;

use crate::args::Ls;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::listed;

pub(super) async fn run(args: &Ls, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let report = list(&store, &args.pattern).await?;
    output.report("ls", &report, &listed(&report), To::Stdout)?;
    Ok(Exit::Done)
}
