//! Requests that are carried out, whose answers are lost, and that are refused when they are asked again.

use arrowredis::progress::Unwatched;
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ConnectOptions, RedisStore};
use arrowredis_faults::{Answer, Fault, Injected, Proxy, Schedule};
use arrowredis_throwaway::Server;
use futures::{StreamExt, stream};
use tokio::runtime::Runtime;

use crate::account::Account;
use crate::run::Run;
use crate::verb::{Verb, Way};
use crate::world::{Contents, dataset, hasty};

/// Few retries, so that three faults in a row are too many.
const RETRIES: u32 = 2;

/// Verbs that run at the same time. They wait most of the time.
const AT_ONCE: usize = 32;

/// More commands than any verb here has.
const MOST: u64 = 200;

/// The content that stands before, and the one that is written.
const BEFORE: usize = 1;
const WRITTEN: usize = 4;

/// What follows a lost answer until the retries are used up, and no longer.
fn refusals() -> [Fault; 2] {
    let busy = Fault::Answer { answer: Answer::Busy, commands: u64::from(RETRIES) };
    [busy, Fault::Refuse { connections: 1 }]
}

fn options() -> ConnectOptions {
    ConnectOptions { retries: RETRIES, ..hasty() }
}

/// Goal: a request that was carried out, and whose verb then gave up because it was refused or nobody
/// was there, is not taken for one that was not: what was published is not removed. Method: for every
/// verb and each of its requests a proxy that loses the answer and lets the other attempts fail, each in
/// two ways; what stands afterwards is what stood before or what should stand.
#[test]
fn a_lost_answer_before_refusals_does_no_harm_at_any_request() {
    let server = Server::start().expect("tests need a Redis server");
    let runtime = Runtime::new().unwrap();
    let contents = runtime.block_on(Contents::make());
    let port = server.port();
    let account = runtime.block_on(async {
        let direct = RedisStore::connect(&server.url()).await.unwrap();
        let mut cases = Vec::new();
        for (number, verb) in Verb::all(WRITTEN).into_iter().enumerate() {
            let commands = commands(verb, number, port, &contents, &direct).await;
            assert!(commands < MOST, "{verb:?}");
            for (way, refusal) in refusals().into_iter().enumerate() {
                cases.extend((0..commands).map(|at| (verb, number, way, at, refusal.clone())));
            }
        }
        let run = |(verb, number, way, at, refusal): (Verb, usize, usize, u64, Fault)| {
            let name = format!("verb-{number}-{way}-{at}");
            let schedule = Schedule::once(at, Fault::LoseReply).then(at + 1, refusal);
            once(verb, name, port, schedule, &contents, &direct)
        };
        let accounts = stream::iter(cases).map(run).buffer_unordered(AT_ONCE);
        accounts.fold(Account::default(), async |all, one| all.add(one)).await
    });
    account.print("Lost answers, and no other");
    account.check_truth();
}

/// How many commands a verb has without any fault.
async fn commands(
    verb: Verb,
    number: usize,
    port: u16,
    contents: &Contents,
    direct: &RedisStore,
) -> u64 {
    let name = format!("verb-{number}");
    let account = once(verb, name, port, Schedule::none(), contents, direct).await;
    assert!(!account.is_wrong(), "{verb:?}");
    account.commands()
}

async fn once(
    verb: Verb,
    name: String,
    port: u16,
    schedule: Schedule,
    contents: &Contents,
    direct: &RedisStore,
) -> Account {
    let stands = (verb != Verb::Split(Way::IfThereIsNone, WRITTEN)).then_some(BEFORE);
    if let Some(stands) = stands {
        let (file, options) = (&contents.all[stands].file, SplitOptions::default());
        split(direct, file, &dataset(&name), &options, &Unwatched).await.unwrap();
    }
    let proxy = Proxy::start(port, schedule).unwrap();
    let store = RedisStore::connect_with(&proxy.url(), options()).await.unwrap();
    let account = Account::of(1, Injected::default());
    let mut run = Run { contents, direct, name, stands, account };
    run.verb(&store, verb, || proxy.injected()).await;
    run.account
}
