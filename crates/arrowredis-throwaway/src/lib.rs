//! A Redis or Valkey server for one test or one demonstration.
//!
//! It is a real server from PATH, started on a free loopback port in a folder of its own, and ended
//! when its handle is dropped. A server that is already running is never touched. Several servers
//! that know each other, and talking to one, are matters of `arrowredis-worlds`, so that this crate
//! stays light enough for the command; what is stored in a server is nobody's matter here.

mod error;
mod launch;
mod log;
pub mod port;
mod program;
mod server;

pub use error::StartError;
pub use launch::{Launch, Tls};
pub use program::PROGRAM_VARIABLE;
pub use server::Server;
