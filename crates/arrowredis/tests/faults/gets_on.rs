//! Many short requests over a connection that is cut again and again.

use arrowredis::store::{ChunkStore, ConnectOptions, RedisStore};
use arrowredis_faults::{Fault, Proxy, Schedule};
use arrowredis_throwaway::Server;
use tokio::runtime::Runtime;

use crate::world::hasty;

/// Goal: requests that travel together get on although the connection never lasts for all of them.
/// Method: twelve, the answer to every fifth of which is lost, and fewer retries than a pipeline that begins anew
/// each time would need, which is any number.
#[test]
fn requests_that_travel_together_get_on_from_cut_to_cut() {
    let server = Server::start().expect("tests need a Redis server");
    let cuts = (1..100)
        .fold(Schedule::none(), |schedule, number| schedule.then(5 * number, Fault::LoseReply));
    let proxy = Proxy::start(server.port(), cuts).unwrap();
    let options = ConnectOptions { retries: 6, ..hasty() };
    let lengths = Runtime::new().unwrap().block_on(async {
        let store = RedisStore::connect_with(&proxy.url(), options).await.unwrap();
        store.lives((0..12).map(|number| number.to_string()).collect()).await
    });
    assert_eq!(lengths.unwrap(), vec![None; 12]);
}
