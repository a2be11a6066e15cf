//! Datasets whose time is up before their writer, whose clock is late, has looked at them again.

use std::time::Duration;

use arrowredis::progress::Unwatched;
use arrowredis::publish::PublishOptions;
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::RedisStore;
use arrowredis_faults::{Fault, Proxy, Schedule};
use arrowredis_throwaway::Server;
use tokio::runtime::Runtime;

use crate::world::{Contents, dataset, hasty};

/// Seventeen bytes each 20 ms, in both directions: the question for the time goes at once, its answer
/// is late by 20 ms. The writer allows for five times as much.
const LATE: Fault = Fault::Slow { bytes_per_second: 850, bytes: 50 };

/// Less than that, and more than the writer takes to look again.
const LIFE: Duration = Duration::from_millis(10);

/// More commands than a split of one chunk has.
const MOST: u64 = 100;

/// Goal: who writes what lives for a moment does not take it for lost when it is gone. Method: each
/// answer in turn is late, that which tells the server's time among them; a clock set by it is late by
/// as much from then on.
#[test]
fn what_is_gone_in_time_is_not_taken_for_lost() {
    let server = Server::start().expect("tests need a Redis server");
    Runtime::new().unwrap().block_on(async {
        let contents = Contents::make().await;
        let file = &contents.all[0].file;
        let publish = PublishOptions { time_to_live: Some(LIFE), ..PublishOptions::default() };
        let options = SplitOptions { publish, ..SplitOptions::default() };
        let mut late = 0;
        while late < MOST {
            let schedule = Schedule::once(late, LATE);
            let proxy = Proxy::start(server.port(), schedule).unwrap();
            let store = RedisStore::connect_with(&proxy.url(), hasty()).await.unwrap();
            let said =
                split(&store, file, &dataset(&format!("late-{late}")), &options, &Unwatched).await;
            said.unwrap_or_else(|error| panic!("answer {late} was late: {error}"));
            if proxy.injected().total() == 0 {
                break;
            }
            late += 1;
        }
        assert!((5..MOST).contains(&late), "{late} answers were late");
    });
}
