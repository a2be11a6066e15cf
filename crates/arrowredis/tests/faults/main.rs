//! Every verb through proxies that inject faults by a seed: what a verb says is true, what it leaves
//! behind is whole, and nothing hangs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

/// What was injected and what came of it, counted.
mod account;

/// On a cluster, each of whose nodes stands behind a proxy.
mod cluster;

/// Values that are altered on the way.
mod corrupted;

/// Requests that travel together.
mod gets_on;

/// Datasets that live for a moment.
mod late;

/// One verb after the other while faults are injected.
mod run;

/// Hundreds of schedules.
mod schedules;

/// Answers that are lost, and no others after them.
mod unanswered;

/// What a verb may leave behind.
mod verb;

/// Servers, contents, and what stands under a name.
mod world;

/// Two writers of one name.
mod writers;
