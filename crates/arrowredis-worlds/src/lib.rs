//! The worlds that tests run in: clusters, sentinels, certificates, and a hand on each server.
//!
//! All are real servers of `arrowredis-throwaway` on loopback ports, ended when their handles are
//! dropped. Every wait is for a condition and has a deadline. Faults on the wire are
//! `arrowredis-faults`' matter; what is stored is the tests'.

mod certificates;
mod cluster;
mod control;
mod error;
mod migration;
mod patience;
mod sentinel;
mod view;

pub use certificates::{Certificates, Pair};
pub use cluster::Cluster;
pub use control::Control;
pub use error::WorldError;
pub use migration::Migration;
pub use patience::{PATIENCE, until};
pub use sentinel::Sentinels;
