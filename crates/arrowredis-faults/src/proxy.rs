//! The proxy: listens, and lets connections be carried by `link` while no fault forbids it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arrowredis_throwaway::port;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use crate::fault::Fault;
use crate::injected::{Counts, Injected};
use crate::link::carry;
use crate::schedule::Schedule;

/// How often another port is tried when somebody else takes the free one first.
const PORT_ATTEMPTS: usize = 5;

/// Between two tries to listen again after an outage, while somebody else sits on the port.
const LISTEN_PAUSE: Duration = Duration::from_millis(20);

/// A proxy in front of a server on a loopback port. It runs on threads of its own, and dropping it
/// cuts all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Listens on a free loopback port and carries connections on to `upstream`, another one.
    ///
    /// # Errors
    /// The system's reason why it cannot listen.
    pub fn start(upstream: u16, schedule: Schedule) -> io::Result<Self> {
        Self::start_on(None, upstream, schedule)
    }

    /// Like [`Proxy::start`], on a given port, such as one that a cluster's node announces as its own.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn start_at(port: u16, upstream: u16, schedule: Schedule) -> io::Result<Self> {
        Self::start_on(Some(port), upstream, schedule)
    }

    fn start_on(given: Option<u16>, upstream: u16, schedule: Schedule) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("faults")
            .enable_all()
            .build()?;
        let (outages, planned) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            upstream: (Ipv4Addr::LOCALHOST, upstream).into(),
            plan: Mutex::new(Plan { schedule, next: 0, storm: None }),
            counts: Counts::default(),
            refusing: AtomicU64::new(0),
            cut_all: watch::Sender::new(()),
            outages,
        });
        // Not with the runtime, which cannot be waited for where another one runs already.
        let listener = listen(given)?;
        let port = listener.local_addr()?.port();
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(entered);
        runtime.spawn(accept(listener, Arc::clone(&shared), planned));
        Ok(Self { port, shared, runtime: Some(runtime) })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, as `redis://127.0.0.1:port/0`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// What was injected until now.
    pub fn injected(&self) -> Injected {
        self.shared.counts.now()
    }

    /// Begins another schedule, with the command that comes next as its first.
    pub fn reschedule(&self, schedule: Schedule) {
        *self.shared.plan() = Plan { schedule, next: 0, storm: None };
    }

    /// Cuts all connections at once.
    pub fn cut_all(&self) {
        self.shared.cut_all.send_replace(());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Not waited for, so that a proxy may also be dropped where nothing may block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) upstream: SocketAddr,
    plan: Mutex<Plan>,
    pub(crate) counts: Counts,
    refusing: AtomicU64,
    pub(crate) cut_all: watch::Sender<()>,
    outages: mpsc::UnboundedSender<Duration>,
}

/// Where we are in the schedule.
#[derive(Debug)]
struct Plan {
    schedule: Schedule,
    next: u64,
    /// An error that some more commands are answered with.
    storm: Option<(Fault, u64)>,
}

impl Shared {
    /// What the next command meets.
    pub(crate) fn next_fault(&self) -> Option<Fault> {
        self.counts.change(|counts| counts.commands += 1);
        let mut plan = self.plan();
        let number = plan.next;
        plan.next += 1;
        if let Some(fault) = plan.schedule.at(number).cloned() {
            if let Fault::Answer { commands, .. } = &fault {
                plan.storm = Some((fault.clone(), commands.saturating_sub(1)));
            }
            return Some(fault);
        }
        let (fault, left) = plan.storm.take().filter(|(_, left)| *left > 0)?;
        plan.storm = Some((fault.clone(), left - 1));
        Some(fault)
    }

    pub(crate) fn refuse(&self, connections: u64) {
        self.refusing.store(connections, Ordering::SeqCst);
        self.cut_all.send_replace(());
    }

    pub(crate) fn outage(&self, span: Duration) {
        // Nobody is there to hear it only when the proxy is being dropped.
        let _ = self.outages.send(span);
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(given: Option<u16>) -> io::Result<std::net::TcpListener> {
    let mut attempts = 0..PORT_ATTEMPTS;
    loop {
        let port = given.map_or_else(port::free, Ok)?;
        match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                return Ok(listener);
            }
            Err(error) if given.is_some() || attempts.next().is_none() => return Err(error),
            Err(_) => {}
        }
    }
}

async fn accept(
    mut listener: TcpListener,
    shared: Arc<Shared>,
    mut outages: mpsc::UnboundedReceiver<Duration>,
) {
    let Ok(address) = listener.local_addr() else { return };
    loop {
        tokio::select! {
            Some(span) = outages.recv() => {
                drop(listener);
                shared.cut_all.send_replace(());
                tokio::time::sleep(span).await;
                listener = loop {
                    match TcpListener::bind(address).await {
                        Ok(again) => break again,
                        Err(_) => tokio::time::sleep(LISTEN_PAUSE).await,
                    }
                };
            }
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                shared.counts.change(|counts| counts.connections += 1);
                let less = |left: u64| left.checked_sub(1);
                let order = Ordering::SeqCst;
                if shared.refusing.fetch_update(order, order, less).is_ok() {
                    shared.counts.change(|counts| counts.refused_connections += 1);
                    continue;
                }
                let shared = Arc::clone(&shared);
                // That a connection broke is what the client sees of it.
                tokio::spawn(async move { carry(client, &shared).await });
            }
        }
    }
}
