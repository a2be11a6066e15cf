//! `arrowredis alias`

use arrowredis::catalog::alias;

use crate::args::Alias;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::aliased;

pub(super) async fn run(args: &Alias, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let report = alias(&store, &args.name, &args.prefix).await?;
    output.report("alias", &report, &aliased(&report), To::Stdout)?;
    Ok(Exit::Done)
}
