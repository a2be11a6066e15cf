//! A master, a replica and three sentinels that watch them. Clusters, which do without, are
//! `cluster`'s matter.

use std::collections::HashMap;

use arrowredis_throwaway::{Launch, Server};

use crate::control::Control;
use crate::error::WorldError;
use crate::patience::until;

/// The name that sentinels know the master by.
const NAME: &str = "themaster";

/// How many there are. Fewer have no majority when one is lost.
const SENTINELS: usize = 3;

/// A master, a replica and three sentinels.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// Starts all five and waits until the sentinels know each other and the replica.
    ///
    /// # Errors
    /// [`WorldError`] when one does not start or they do not come together.
    pub fn start() -> Result<Self, WorldError> {
        Self::start_as(&Launch::new())
    }

    /// Like [`Sentinels::start`], with master and replica started as `launch` says.
    ///
    /// # Errors
    /// As [`Sentinels::start`].
    pub fn start_as(launch: &Launch) -> Result<Self, WorldError> {
        let quick = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
        let launch = launch.clone().arguments(&quick);
        let master = launch.clone().start()?;
        let replica = launch.replica_of(master.port()).start()?;
        // Sentinels look at a replica's link every ten seconds only: it must be up at the first look.
        replica.in_sync()?;
        let mut configuration = format!(
            "sentinel monitor {NAME} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 5000\n",
            master.port()
        );
        if let Some(password) = master.password() {
            configuration += &format!("sentinel auth-pass {NAME} {password}\n");
        }
        let sentinels = (0..SENTINELS).map(|_| Launch::new().sentinel(&configuration).start());
        let sentinels = sentinels.collect::<Result<Vec<_>, _>>()?;
        let world = Self { servers: vec![master, replica], sentinels };
        world.settled()?;
        Ok(world)
    }

    /// The name that sentinels know the master by.
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// The addresses of the sentinels.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::url).collect()
    }

    /// The sentinels.
    pub fn sentinels(&mut self) -> &mut [Server] {
        &mut self.sentinels
    }

    /// Master and replica, in the order of the start.
    pub fn servers(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// The number of the server that all sentinels which answer call the master, and which says so
    /// itself.
    ///
    /// # Errors
    /// [`WorldError::NotInTime`] if they do not agree.
    pub fn master(&self) -> Result<usize, WorldError> {
        until("sentinels that agree", || self.agreed())
    }

    /// Lets the sentinels promote the replica while the master lives, and returns its number.
    ///
    /// # Errors
    /// [`WorldError::NotInTime`] if they do not.
    pub fn failover(&self) -> Result<usize, WorldError> {
        let before = self.master()?;
        until("sentinels that begin a failover", || {
            self.sentinels[0].command::<()>(&["SENTINEL", "FAILOVER", NAME]).map(Some)
        })?;
        self.master_other_than(before)
    }

    /// Kills the master, waits until the replica took over, and returns the replica's number.
    ///
    /// # Errors
    /// [`WorldError::NotInTime`] if it does not.
    pub fn lose_master(&mut self) -> Result<usize, WorldError> {
        let before = self.master()?;
        let server = &mut self.servers[before];
        let port = server.port();
        server.kill().map_err(|source| WorldError::Process { port, source })?;
        self.master_other_than(before)
    }

    /// Waits until every sentinel knows the others and a replica that could take over.
    ///
    /// # Errors
    /// [`WorldError::NotInTime`].
    pub fn settled(&self) -> Result<(), WorldError> {
        until("sentinels that know each other and the replica", || {
            for sentinel in &self.sentinels {
                let fields =
                    [("num-other-sentinels", "2"), ("num-slaves", "1"), ("flags", "master")];
                let master: HashMap<String, String> =
                    sentinel.command(&["SENTINEL", "MASTER", NAME])?;
                if !fields.iter().all(|(field, value)| has(&master, field, value)) {
                    return Ok(None);
                }
                let replicas: Vec<HashMap<String, String>> =
                    sentinel.command(&["SENTINEL", "SLAVES", NAME])?;
                let fit = |replica| {
                    has(replica, "flags", "slave") && has(replica, "master-link-status", "ok")
                };
                if !replicas.iter().all(fit) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    fn master_other_than(&self, before: usize) -> Result<usize, WorldError> {
        until("another master", || Ok(self.agreed()?.filter(|master| *master != before)))
    }

    fn agreed(&self) -> Result<Option<usize>, WorldError> {
        let named = self.sentinels.iter().filter_map(|sentinel| {
            let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
            sentinel.command::<(String, u16)>(&command).ok().map(|(_, port)| port)
        });
        let mut named: Vec<_> = named.collect();
        named.dedup();
        let [port] = named[..] else { return Ok(None) };
        let Some(number) = self.servers.iter().position(|server| server.port() == port) else {
            return Ok(None);
        };
        let role = self.servers[number].info("role")?;
        Ok((role.as_deref() == Some("master")).then_some(number))
    }
}

fn has(fields: &HashMap<String, String>, field: &str, value: &str) -> bool {
    fields.get(field).is_some_and(|found| found == value)
}
