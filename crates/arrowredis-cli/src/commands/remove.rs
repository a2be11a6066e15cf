//! `arrowredis rm`

use std::io::{IsTerminal, stdin};

use arrowredis::catalog::{look, remove};
use arrowredis::dataset::DatasetName;
use arrowredis::report::{ListedEntry, ListedKind};
use arrowredis::store::RedisStore;

use crate::args::Rm;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To, removed};

pub(super) async fn run(args: &Rm, output: &Output) -> Result<Exit, Failure> {
    let store = RedisStore::connect(args.redis.url()?).await?;
    if !args.yes && stdin().is_terminal() && !confirmed(args, &store, output).await? {
        return Err(Failure::Usage(format!("'{}' was not removed", args.prefix)));
    }
    let report = remove(&store, &args.prefix).await?;
    output.report("rm", &report, &removed(&report), To::Stdout)?;
    Ok(Exit::Done)
}

/// Asks, on another thread so that a signal still ends the command while nobody answers.
async fn confirmed(args: &Rm, store: &RedisStore, output: &Output) -> Result<bool, Failure> {
    output.ask(&question(look(store, &args.prefix).await?, &args.prefix));
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

/// What is about to be removed.
fn question(entry: Option<ListedEntry>, name: &DatasetName) -> String {
    match entry.map(|entry| entry.kind) {
        Some(ListedKind::Dataset { chunks, rows, .. }) => {
            format!("Remove the dataset '{name}' with its {chunks} chunks and {rows} rows? [y/N] ")
        }
        Some(ListedKind::Alias { dataset }) => {
            format!("Remove the alias '{name}' of '{dataset}'? [y/N] ")
        }
        Some(ListedKind::Unreadable { .. }) | None => {
            format!("Remove all chunks that stand under '{name}'? [y/N] ")
        }
    }
}
