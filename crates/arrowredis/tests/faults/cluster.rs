//! A cluster, each of whose nodes is only found through a proxy.

use std::time::Duration;

use arrowredis::progress::Unwatched;
use arrowredis::split::{SplitOptions, split};
use arrowredis::store::{ConnectOptions, RedisStore};
use arrowredis_faults::{Injected, Intensity, Proxy, Schedule};
use arrowredis_worlds::Cluster;
use futures::{StreamExt, stream};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use tokio::runtime::Runtime;

use crate::account::Account;
use crate::run::Run;
use crate::schedules::setting;
use crate::verb::Verb;
use crate::world::{Contents, clear, dataset, hasty};

/// Rounds, each with a schedule for each proxy.
const ROUNDS: u64 = 6;

/// Verbs under each, one after the other on names of their own, all at once.
const VERBS: u64 = 6;

const MASTERS: usize = 3;

/// Goal: what holds on one server holds on a cluster. Method: the nodes announce proxies as
/// themselves, so that nobody finds them past those. For each seed every proxy gets a random
/// schedule, some verbs run at once on names of their own, and when no faults are left to come what
/// stands is looked at through the same proxies.
#[test]
fn a_cluster_survives_faults_at_each_of_its_nodes() {
    let runtime = Runtime::new().unwrap();
    let contents = runtime.block_on(Contents::make());
    let mut cluster = Cluster::start(MASTERS, 0).expect("tests need Redis servers");
    let mut proxies = Vec::new();
    for node in 0..MASTERS {
        let proxy = Proxy::start(cluster.server(node).port(), Schedule::none()).unwrap();
        cluster.announce(node, proxy.port()).unwrap();
        proxies.push(proxy);
    }
    let first = setting("ARROWREDIS_FAULT_SEED", 0_u64);
    let mut all = Account::default();
    runtime.block_on(async {
        let direct = RedisStore::connect(&proxies[0].url()).await.unwrap();
        for seed in first..first + ROUNDS {
            all = std::mem::take(&mut all).add(round(seed, &proxies, &contents, &direct).await);
        }
    });
    all.print("Random faults at the nodes of a cluster");
    all.check();
}

/// Nearly as patient as users are by default: three proxies have three times the faults.
fn patient() -> ConnectOptions {
    ConnectOptions { retries: 40, retry_budget: Duration::from_secs(100), ..hasty() }
}

fn injected(proxies: &[Proxy]) -> Injected {
    proxies.iter().map(Proxy::injected).fold(Injected::default(), |all, one| all + one)
}

async fn round(seed: u64, proxies: &[Proxy], contents: &Contents, direct: &RedisStore) -> Account {
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut runs = Vec::new();
    for number in 0..VERBS {
        let name = format!("round-{seed}-{number}");
        let (file, options) = (&contents.all[1].file, SplitOptions::default());
        split(direct, file, &dataset(&name), &options, &Unwatched).await.unwrap();
        let account = Account::default();
        let run = Run { contents, direct, name, stands: Some(1), account };
        runs.push((run, Verb::draw(&mut draw, contents)));
    }
    // Verbs that run at the same time share their faults.
    let before = injected(proxies);
    let intensity = if seed.is_multiple_of(2) { Intensity::LIGHT } else { Intensity::HEAVY };
    for (node, proxy) in (0..).zip(proxies) {
        proxy.reschedule(Schedule::random(seed * MASTERS as u64 + node, intensity));
    }
    let verbs = stream::iter(runs).map(async |(mut run, verb)| {
        let store = RedisStore::connect_with(&proxies[0].url(), patient()).await;
        let said = match store {
            Ok(store) => run.say(&store, verb, Injected::default).await,
            Err(error) => {
                run.account.wrong(format!("round {seed}: {error}"));
                None
            }
        };
        (run, verb, said)
    });
    let done: Vec<_> = verbs.buffer_unordered(usize::MAX).collect().await;
    for proxy in proxies {
        proxy.reschedule(Schedule::none());
    }
    let injected = injected(proxies).since(before);
    let mut all = Account::of(MASTERS as u64, injected);
    for (mut run, verb, said) in done {
        if let Some(said) = said {
            Box::pin(run.look(verb, said)).await;
        }
        clear(direct, &run.name).await;
        all = all.add(run.account);
    }
    all
}
