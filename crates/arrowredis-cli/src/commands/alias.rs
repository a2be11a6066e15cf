//! `arrowredis alias`

use arrowredis::catalog::alias;
use arrowredis::store::RedisStore;

use crate::args::Alias;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::aliased;

pub(super) async fn run(args: &Alias, output: &Output) -> Result<Exit, Failure> {
    let store = RedisStore::connect(args.redis.url()?).await?;
    let report = alias(&store, &args.name, &args.prefix).await?;
    output.report("alias", &report, &aliased(&report), To::Stdout)?;
    Ok(Exit::Done)
}
