//! Every verb on a real cluster, and what a cluster does to itself meanwhile: failovers, lost primaries,
//! slots on their way from node to node.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

/// A cluster, files, and datasets to compare.
mod support;

/// Every verb, as on one server.
mod verbs;

/// Uploads and reads while the cluster changes under them.
mod upheaval;

/// Writers that die or are held up on the way.
mod dying;

/// A store that stops a program before any of its steps.
#[path = "../suite/support/stepping.rs"]
mod stepping;
