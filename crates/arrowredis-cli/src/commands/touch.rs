//! `arrowredis touch`

use arrowredis::catalog::touch;

use crate::args::Touch;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::touched;

pub(super) async fn run(args: &Touch, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    let report = touch(&store, &args.prefix, args.ttl.unwrap_or_default()).await?;
    output.report("touch", &report, &touched(&report), To::Stdout)?;
    Ok(Exit::Done)
}
