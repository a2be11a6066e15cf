//! From an address to a store: what kind of server is there, and does it take us.

use std::sync::Arc;

use ::redis::{RedisConnectionInfo, cmd};

use crate::store::StoreError;

use super::RedisStore;
use super::address::{Address, Host, Place};
use super::info::Mode;
use super::network::{Network, View};
use super::node::{Door, Node, Setup};
use super::options::{ClusterMode, ConnectOptions, ReadFrom};
use super::patience::{FIRST_CONTACT, Notes, Patience};
use super::tls;
use super::trouble::Trouble;

/// Finds the server, or servers, and looks at what kind they are.
pub(super) async fn connect(url: &str, options: ConnectOptions) -> Result<RedisStore, StoreError> {
    let address = Address::parse(url, options.password.as_ref())?;
    let tls = address.tls.then(|| tls::connector(&options.tls)).transpose()?;
    let setup = Arc::new(Setup {
        options: options.clone(),
        tls: tls.clone(),
        login: address.login.clone(),
    });
    let network = match (&address.place, options.cluster) {
        (Place::Sentinel { hosts, service }, _) => {
            let anonymous = RedisConnectionInfo::default();
            let anonymous = Arc::new(Setup { options: options.clone(), tls, login: anonymous });
            let login = without_database(&address.login);
            let known = Arc::new(Setup { login, ..Setup::clone(&anonymous) });
            Network::sentinel(setup, [&anonymous, &known], hosts, service)
        }
        (Place::Socket(_), ClusterMode::On) => return Err(wrong(&address, NO_HOST)),
        (Place::Socket(path), _) => Network::single(setup, Door::Socket(path.clone())),
        (Place::Hosts(hosts), ClusterMode::On) => Network::cluster(setup, hosts.clone()),
        (Place::Hosts(hosts), mode) => {
            let (first, kind) = first_that_answers(&setup, hosts, &options, &address).await?;
            match (kind, mode) {
                (Mode::Cluster, ClusterMode::Auto) => {
                    tracing::info!(%address, "it is a node of a cluster");
                    Network::cluster(setup, hosts.clone())
                }
                (_, _) if hosts.len() > 1 => return Err(wrong(&address, SEVERAL)),
                (Mode::Sentinel, _) => return Err(wrong(&address, SENTINEL)),
                (Mode::Standalone | Mode::Cluster, _) => first,
            }
        }
    };
    if options.read_from == ReadFrom::Replica && !network.is_cluster() {
        return Err(wrong(&address, NO_REPLICAS));
    }
    if let Place::Sentinel { .. } | Place::Socket(_) = address.place {
        let mode = greet(&network, &options, &address).await?;
        if (mode, options.cluster) == (Mode::Cluster, ClusterMode::Auto) {
            return Err(wrong(&address, NO_HOST));
        }
    } else if network.is_cluster() {
        find_all(&network, &options, &address).await?;
    }
    tracing::info!(%address, "connected");
    Ok(RedisStore::new(network, options, address.to_string()))
}

fn without_database(login: &RedisConnectionInfo) -> RedisConnectionInfo {
    login.clone().set_db(0)
}

const SEVERAL: [&str; 2] =
    ["several servers that are no cluster", "expected one host, or the nodes of a cluster"];

const NO_HOST: [&str; 2] = [
    "no address of a cluster's node",
    "a cluster's nodes name each other by host and port: give redis://host:port of one of them",
];

const SENTINEL: [&str; 2] = [
    "a Sentinel, which holds no data",
    "give the service that it watches: redis+sentinel://host1,host2/service/database",
];

const NO_REPLICAS: [&str; 2] = [
    "no cluster, so its replicas are not known",
    "leave out --read-from replica, or give the address of a replica",
];

fn wrong(address: &Address, [found, advice]: [&'static str; 2]) -> StoreError {
    StoreError::Kind { address: address.to_string(), found, advice }
}

/// Of several hosts only a cluster's make sense, so the first that answers will do.
async fn first_that_answers(
    setup: &Arc<Setup>,
    hosts: &[Host],
    options: &ConnectOptions,
    address: &Address,
) -> Result<(Network, Mode), StoreError> {
    let mut nobody = None;
    for host in hosts {
        let network = Network::single(Arc::clone(setup), Door::Host(host.clone()));
        match greet(&network, options, address).await {
            Ok(mode) => return Ok((network, mode)),
            Err(error @ StoreError::Connect { .. }) => nobody = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(nobody.unwrap_or_else(|| wrong(address, SEVERAL)))
}

/// Asks a server that is not a cluster what kind it is.
async fn greet(
    network: &Network,
    options: &ConnectOptions,
    address: &Address,
) -> Result<Mode, StoreError> {
    let ask = async || {
        let node = match network.view().await? {
            View::One(node) => node,
            // Not reached: this is asked before anything is known to be a cluster.
            View::Cluster { .. } => return Ok(Mode::Cluster),
        };
        mode_of(&node).await
    };
    first_contact(network, options, address, ask).await
}

async fn mode_of(node: &Node) -> Result<Mode, Trouble> {
    let wire = node.wire().await?;
    match wire.ask(&cmd("HELLO")).await {
        Ok(answer) => Ok(Mode::read(&answer)),
        // One that does not know the question, or does not let it be asked, is taken as it comes.
        Err(trouble) if trouble.was_answered() => match trouble.code() {
            Some("NOAUTH" | "WRONGPASS" | "LOADING") => Err(trouble),
            _ => Ok(Mode::Standalone),
        },
        Err(trouble) => Err(trouble),
    }
}

/// Looks up a cluster's nodes, and talks to one.
async fn find_all(
    network: &Network,
    options: &ConnectOptions,
    address: &Address,
) -> Result<(), StoreError> {
    let ask = async || {
        let mut connected = Ok(());
        for node in network.view().await?.primaries()? {
            connected = node.wire().await.map(drop);
            if connected.is_ok() {
                break;
            }
        }
        connected
    };
    first_contact(network, options, address, ask).await
}

/// Asks until there is an answer. Where nobody is found at all, that is for about a second.
async fn first_contact<T>(
    network: &Network,
    options: &ConnectOptions,
    address: &Address,
    ask: impl AsyncFn() -> Result<T, Trouble>,
) -> Result<T, StoreError> {
    let (mut patience, notes) = (Patience::new(options), Notes::default());
    loop {
        let trouble = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(trouble) => trouble,
        };
        let nobody = (trouble.was_unreachable() || trouble.is_out_of_connections())
            && !network.is_known()
            && patience.tried().attempts > FIRST_CONTACT;
        if nobody || !patience.another(&trouble, &notes).await {
            return Err(refused(address, trouble, &patience));
        }
        network.look_again(&trouble).await;
    }
}

fn refused(address: &Address, trouble: Trouble, patience: &Patience) -> StoreError {
    let (address, tried, advice) = (address.to_string(), patience.tried(), trouble.advice());
    match trouble.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => {
            let (command, key) = ("the connection", String::new());
            StoreError::Denied { address, command, key, advice, trouble }
        }
        Some(_) => StoreError::Refused { address, tried, advice, trouble },
        None => StoreError::Connect { address, tried, advice, trouble },
    }
}
