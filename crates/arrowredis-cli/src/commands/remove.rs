//! `arrowredis rm`

use std::io::{IsTerminal, stdin};

use arrowredis::catalog::{look, remove};
use arrowredis::dataset::DatasetName;
use arrowredis::key::chunk_pattern;
use arrowredis::report::ListedKind;
use arrowredis::store::{ChunkStore, RedisStore};

use crate::args::Rm;
use crate::exit::{Exit, Failure};
use crate::output::{Output, To};
use crate::text::removed;

pub(super) async fn run(args: &Rm, output: &Output) -> Result<Exit, Failure> {
    let store = args.redis.connect().await?;
    if !args.yes && stdin().is_terminal() && !confirmed(args, &store, output).await? {
        return Err(Failure::Usage(format!("'{}' was not removed", args.prefix)));
    }
    let report = remove(&store, &args.prefix).await?;
    output.report("rm", &report, &removed(&report), To::Stdout)?;
    Ok(Exit::Done)
}

/// Asks, on another thread so that a signal still ends the command while nobody answers.
async fn confirmed(args: &Rm, store: &RedisStore, output: &Output) -> Result<bool, Failure> {
    let Some(question) = question(store, &args.prefix).await? else {
        // The removal says that there is nothing.
        return Ok(true);
    };
    output.ask(&question);
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

/// What is about to be removed; nothing if there is nothing.
async fn question(store: &RedisStore, name: &DatasetName) -> Result<Option<String>, Failure> {
    let what = match look(store, name).await?.map(|entry| entry.kind) {
        Some(ListedKind::Dataset { chunks, rows, .. }) => {
            format!("the dataset '{name}' with its {chunks} chunks and {rows} rows")
        }
        Some(ListedKind::Alias { dataset }) => format!("the alias '{name}' of '{dataset}'"),
        Some(ListedKind::Unreadable { .. }) => {
            format!("all chunks under '{name}', whose manifest cannot be read")
        }
        None => match store.keys(&chunk_pattern(name)).await?.len() {
            0 => return Ok(None),
            keys => format!("{keys} keys under '{name}', which has no manifest"),
        },
    };
    Ok(Some(format!("Remove {what}? [y/N] ")))
}
