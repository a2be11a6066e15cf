//! How often each fault was injected, for a test to print and to insist on.

use std::fmt;
use std::ops::Add;
use std::sync::{Mutex, PoisonError};

use crate::fault::Fault;

/// How often each fault was injected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Injected {
    /// Commands that the proxy saw, apart from those that set up a connection.
    pub commands: u64,
    /// Connections that it accepted, refused ones included.
    pub connections: u64,
    /// [`Fault::CutBeforeRequest`].
    pub cuts_before_requests: u64,
    /// [`Fault::CutInRequest`].
    pub cuts_in_requests: u64,
    /// [`Fault::LoseReply`].
    pub lost_replies: u64,
    /// [`Fault::CutInReply`].
    pub cuts_in_replies: u64,
    /// [`Fault::Stall`].
    pub stalls: u64,
    /// [`Fault::Hang`].
    pub hangs: u64,
    /// [`Fault::Slow`].
    pub slow_spells: u64,
    /// Connections that [`Fault::Refuse`] ended.
    pub refused_connections: u64,
    /// [`Fault::Outage`].
    pub outages: u64,
    /// Commands that [`Fault::Answer`] kept from the server.
    pub answers: u64,
    /// [`Fault::Corrupt`].
    pub corrupted: u64,
}

impl Injected {
    /// All faults together.
    pub fn total(&self) -> u64 {
        self.each().iter().map(|(_, count)| count).sum()
    }

    /// What came since an earlier count of the same proxy.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    fn with(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            commands: both(self.commands, other.commands),
            connections: both(self.connections, other.connections),
            cuts_before_requests: both(self.cuts_before_requests, other.cuts_before_requests),
            cuts_in_requests: both(self.cuts_in_requests, other.cuts_in_requests),
            lost_replies: both(self.lost_replies, other.lost_replies),
            cuts_in_replies: both(self.cuts_in_replies, other.cuts_in_replies),
            stalls: both(self.stalls, other.stalls),
            hangs: both(self.hangs, other.hangs),
            slow_spells: both(self.slow_spells, other.slow_spells),
            refused_connections: both(self.refused_connections, other.refused_connections),
            outages: both(self.outages, other.outages),
            answers: both(self.answers, other.answers),
            corrupted: both(self.corrupted, other.corrupted),
        }
    }

    /// Each fault by its name, and how often it was injected.
    pub fn each(&self) -> [(&'static str, u64); 11] {
        [
            ("cut before requests", self.cuts_before_requests),
            ("cut in requests", self.cuts_in_requests),
            ("lost replies", self.lost_replies),
            ("cut in replies", self.cuts_in_replies),
            ("stalls", self.stalls),
            ("hangs", self.hangs),
            ("slow spells", self.slow_spells),
            ("refused connections", self.refused_connections),
            ("outages", self.outages),
            ("error answers", self.answers),
            ("corrupted", self.corrupted),
        ]
    }
}

impl Add for Injected {
    type Output = Self;

    /// Those of two proxies, or of one at two times.
    fn add(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }
}

impl fmt::Display for Injected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} commands, {} connections", self.commands, self.connections)?;
        let happened = self.each().into_iter().filter(|(_, count)| *count > 0);
        happened.into_iter().try_for_each(|(name, count)| write!(out, ", {count} {name}"))
    }
}

/// The counts while they grow.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Injected>);

impl Counts {
    pub(crate) fn now(&self) -> Injected {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Injected)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Those that are counted one by one where they happen are not counted here.
    pub(crate) fn count(&self, fault: &Fault) {
        self.change(|counts| match fault {
            Fault::CutBeforeRequest => counts.cuts_before_requests += 1,
            Fault::CutInRequest { .. } => counts.cuts_in_requests += 1,
            Fault::LoseReply => counts.lost_replies += 1,
            Fault::CutInReply { .. } => counts.cuts_in_replies += 1,
            Fault::Stall { .. } => counts.stalls += 1,
            Fault::Hang => counts.hangs += 1,
            Fault::Slow { .. } => counts.slow_spells += 1,
            Fault::Outage { .. } => counts.outages += 1,
            Fault::Corrupt { .. } => counts.corrupted += 1,
            Fault::Refuse { .. } | Fault::Answer { .. } => {}
        });
    }
}
