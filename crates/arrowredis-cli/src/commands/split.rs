//! `arrowredis split`

use arrowredis::split::split;

use crate::args::Split;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::stored;

pub(super) async fn run(args: &Split, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let bar = output.bar("Storing");
    let report = split(&store, &args.inp, &args.prefix, &args.options(), &bar).await?;
    drop(bar);
    output.report("split", &report, &stored(&report), To::Stdout)?;
    Ok(Exit::Done)
}
