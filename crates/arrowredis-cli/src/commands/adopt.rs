//! `arrowredis adopt`

use arrowredis::catalog::adopt;

use crate::args::Named;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::adopted;

pub(super) async fn run(args: &Named, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let bar = output.bar("Reading");
    let report = adopt(&store, &args.prefix, &bar).await?;
    drop(bar);
    output.report("adopt", &report, &adopted(&report), To::Stdout)?;
    Ok(Exit::Done)
}
