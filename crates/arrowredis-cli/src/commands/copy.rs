//! `arrowredis cp`

use arrowredis::catalog::copy;
use arrowredis::dataset::DatasetName;
use arrowredis::error::Error;

use crate::args::Cp;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::copied;

pub(super) async fn run(args: &Cp, output: &Output) -> Result<Exit, Failure> {
    let Destination { url, name } = destination(args)?;
    let from = args.redis.connect().await?;
    let to = match url {
        Some(url) => args.redis.connect_to(url).await?,
        None => from.clone(),
    };
    let bar = output.bar("Copying");
    let report = copy(&from, &args.prefix, &to, &name, &args.published.options(), &bar).await?;
    drop(bar);
    output.report("cp", &report, &copied(&report), To::Stdout)?;
    Ok(Exit::Done)
}

struct Destination<'a> {
    url: Option<&'a str>,
    name: DatasetName,
}

/// Where to: a name here, an address for the same name there, or both in either order.
fn destination(args: &Cp) -> Result<Destination<'_>, Failure> {
    let (urls, names): (Vec<_>, Vec<_>) =
        args.to.iter().map(String::as_str).partition(|to| to.contains("://"));
    let name = match names[..] {
        [] => args.prefix.clone(),
        [name] => name.parse().map_err(Error::from)?,
        _ => return Err(one_of_each("names")),
    };
    match urls[..] {
        [] => Ok(Destination { url: None, name }),
        [url] => Ok(Destination { url: Some(url), name }),
        _ => Err(one_of_each("addresses")),
    }
}

fn one_of_each(what: &str) -> Failure {
    Failure::Usage(format!(
        "found two {what} to copy to; expected a prefix, the address of a server, or one of each"
    ))
}
