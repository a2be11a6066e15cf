//! Two writers of one name, each with faults of its own, and a reader.

use std::path::Path;
use std::time::Duration;

use arrowredis::error::Error;
use arrowredis::progress::Unwatched;
use arrowredis::publish::{PublishError, PublishOptions, Replace};
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use arrowredis_faults::{Intensity, Proxy, Schedule};
use arrowredis_throwaway::Server;
use futures::future::join;
use futures::{StreamExt, stream};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::world::{Contents, HANGS, clear, dataset, hasty, told};

/// Pairs of schedules.
const PAIRS: u64 = 16;

/// Pairs that are run at the same time.
const AT_ONCE: usize = 16;

/// Replacements that each writer tries.
const TRIES: u64 = 3;

/// Between two reads: readers must not be what the writers wait for.
const PAUSE: Duration = Duration::from_millis(20);

/// Goal: whatever happens to two writers, a reader never sees a blend, and one of their datasets stands
/// whole at the end. Method: both replace the dataset a few times through proxies of their own; an
/// undisturbed reader reads all the time.
#[test]
fn of_two_writers_one_stands_whole_at_the_end() {
    let server = Server::start().expect("tests need a Redis server");
    let runtime = Runtime::new().unwrap();
    let contents = runtime.block_on(Contents::make());
    let mut published = 0;
    runtime.block_on(async {
        let direct = RedisStore::connect(&server.url()).await.unwrap();
        let run = |seed| pair(seed, server.port(), &contents, &direct);
        let mut runs = stream::iter(0..PAIRS).map(run).buffer_unordered(AT_ONCE);
        while let Some(some) = runs.next().await {
            published += some;
        }
    });
    let tries = 2 * TRIES * PAIRS;
    crate::account::note(&format!("Two writers at once published {published} of {tries} times"));
    assert!(published >= PAIRS, "{published}");
}

async fn pair(seed: u64, port: u16, contents: &Contents, direct: &RedisStore) -> u64 {
    let name = dataset(&format!("pair-{seed}"));
    let options = SplitOptions::default();
    split(direct, &contents.all[0].file, &name, &options, &Unwatched).await.unwrap();
    let writer = |number: usize| {
        let schedule = Schedule::random(2 * seed + number as u64, Intensity::LIGHT);
        let (file, name) = (&contents.all[number].file, name.clone());
        async move {
            let proxy = Proxy::start(port, schedule).unwrap();
            let store = RedisStore::connect_with(&proxy.url(), hasty()).await.unwrap();
            let mut published = 0;
            for _ in 0..TRIES {
                published += u64::from(replace(&store, file, &name, seed).await);
            }
            published
        }
    };
    let both = join(writer(1), writer(4));
    let mut both = std::pin::pin!(timeout(HANGS, both));
    let published = loop {
        let read_options = ReadOptions::default();
        let read = read_table(direct, &name, &read_options, &Unwatched);
        tokio::select! {
            published = &mut both => break published.unwrap_or_else(|_| panic!("pair {seed} hangs")),
            read = read => {
                let (table, _) = read.unwrap_or_else(|error| panic!("pair {seed}: {}", told(&error)));
                contents.which(&table).unwrap_or_else(|error| panic!("pair {seed}: {error}"));
                sleep(PAUSE).await;
            }
        }
    };
    let stands = contents.look(direct, name.as_str()).await;
    let expected: &[usize] = if published.0 + published.1 > 0 { &[1, 4] } else { &[0, 1, 4] };
    let right = matches!(&stands, Ok(Some(content)) if expected.contains(content));
    assert!(right, "pair {seed}: {stands:?}");
    let content = stands.unwrap();
    contents.check_keys(direct, name.as_str(), content, None).await.unwrap();
    clear(direct, name.as_str()).await;
    published.0 + published.1
}

/// Whether it published. Why not must be the other writer, or nobody's fault.
async fn replace(
    store: &RedisStore,
    file: &Path,
    name: &arrowredis::dataset::DatasetName,
    seed: u64,
) -> bool {
    let publish = PublishOptions { replace: Replace::WhenStored, ..PublishOptions::default() };
    let options = SplitOptions { publish, ..SplitOptions::default() };
    match split(store, file, name, &options, &Unwatched).await {
        Ok(_) => true,
        Err(Error::Publish(
            PublishError::Claimed { .. }
            | PublishError::ClaimLost { .. }
            | PublishError::Overtaken { .. },
        ))
        | Err(Error::Store(_) | Error::Upload { .. } | Error::Unknown { .. }) => false,
        Err(error) => panic!("pair {seed}: {}", told(&error)),
    }
}
