//! `arrowredis rm`

use std::io::{IsTerminal, stdin};

use arrowredis::catalog::remove;
use arrowredis::store::RedisStore;

use crate::args::Rm;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To, removed};

pub(super) async fn run(args: &Rm, output: &Output) -> Result<Exit, Failure> {
    let store = RedisStore::connect(args.redis.url()?).await?;
    if !args.yes && stdin().is_terminal() && !confirmed(args, output).await? {
        return Err(Failure::Usage(format!("'{}' was not removed", args.prefix)));
    }
    let report = remove(&store, &args.prefix).await?;
    output.report("rm", &report, &removed(&report), To::Stdout)?;
    Ok(Exit::Done)
}

/// Asks, on another thread so that a signal still ends the command while nobody answers.
async fn confirmed(args: &Rm, output: &Output) -> Result<bool, Failure> {
    output.ask(&format!("Remove '{}', with all keys if it is a dataset? [y/N] ", args.prefix));
    let (sender, answered) = tokio::sync::oneshot::channel();
    // A thread of its own, which nobody waits for: reading cannot be called off.
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = stdin().read_line(&mut answer);
        let _ = sender.send(read.map(|_| answer));
    });
    match answered.await {
        Ok(answer) => Ok(matches!(answer?.trim(), "y" | "Y" | "yes" | "Yes")),
        Err(_) => Ok(false),
    }
}
