//! Values that are altered on their way to a reader.

use arrowredis::error::Error;
use arrowredis::progress::Unwatched;
use arrowredis::read::{ReadOptions, read_table};
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use arrowredis_faults::{Fault, Intensity, Proxy, Schedule};
use arrowredis_throwaway::Server;
use futures::{StreamExt, stream};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::world::{Contents, HANGS, dataset, hasty, told};

/// Schedules.
const SCHEDULES: u64 = 60;

/// Reads of each.
const READS: u64 = 8;

/// Schedules that are run at the same time.
const AT_ONCE: usize = 12;

/// Goal: a reader of a dataset with a manifest hands out no value that was altered on the way. Method:
/// random faults with flipped bits among them; every read gives the rows that stand there, or an error
/// that names a key of the dataset. Altered answers about something else may be any error.
#[test]
fn rows_are_right_or_an_error_names_the_key() {
    let server = Server::start().expect("tests need a Redis server");
    let runtime = Runtime::new().unwrap();
    let contents = runtime.block_on(Contents::make());
    let (mut right, mut named, mut corrupted) = (0, 0, 0);
    runtime.block_on(async {
        let direct = RedisStore::connect(&server.url()).await.unwrap();
        for (number, content) in contents.all.iter().enumerate() {
            let (name, options) = (dataset(&format!("d{number}")), SplitOptions::default());
            split(&direct, &content.file, &name, &options, &Unwatched).await.unwrap();
        }
        let run = |seed| reads(seed, server.port(), &contents);
        let mut runs = stream::iter(0..SCHEDULES).map(run).buffer_unordered(AT_ONCE);
        while let Some((some_right, some_named, some_corrupted)) = runs.next().await {
            right += some_right;
            named += some_named;
            corrupted += some_corrupted;
        }
    });
    crate::account::note(&format!(
        "{corrupted} values altered on the way: {right} reads were right, {named} named a key"
    ));
    assert!(corrupted >= SCHEDULES && right > 0 && named > 0);
}

/// How many reads gave the right rows, how many an error that names a key, and how many values were
/// altered.
async fn reads(seed: u64, port: u16, contents: &Contents) -> (u64, u64, u64) {
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut schedule = Schedule::random(seed, Intensity::LIGHT);
    let mut command = 0;
    for _ in 0..READS {
        command += 1 + draw.next_u64() % 6;
        schedule = schedule.then(command, Fault::Corrupt { bit: draw.next_u64() >> 40 });
    }
    let proxy = Proxy::start(port, schedule).unwrap();
    let store = RedisStore::connect_with(&proxy.url(), hasty()).await.unwrap();
    let (mut right, mut named) = (0, 0);
    for _ in 0..READS {
        let number = usize::try_from(draw.next_u64() % contents.all.len() as u64).unwrap();
        let (name, options) = (dataset(&format!("d{number}")), ReadOptions::default());
        let read = timeout(HANGS, read_table(&store, &name, &options, &Unwatched)).await;
        match read.unwrap_or_else(|_| panic!("seed {seed} hangs")) {
            Ok((table, _)) => {
                assert_eq!(contents.which(&table), Ok(number), "seed {seed}");
                right += 1;
            }
            Err(error) => {
                let text = told(&error);
                let names = text.contains(&format!("'d{number}:"));
                assert!(matches!(error, Error::Data(_)) && names, "seed {seed}: {text}");
                named += 1;
            }
        }
    }
    (right, named, proxy.injected().corrupted)
}
