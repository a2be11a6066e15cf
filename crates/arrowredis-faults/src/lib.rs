//! A proxy for tests that injects faults on the way to a Redis server, the same ones for the same seed.
//!
//! It reads just enough of the protocol to know where a command or a reply ends, whatever its size.
//! Places are counted in commands and bytes, never in time, so that a schedule repeats as far as the
//! order in which connections are served allows. It changes no byte unless it is told to. Servers
//! are `arrowredis-throwaway`'s matter, and what a client makes of the faults is the tests'.

mod fault;
mod frame;
mod injected;
mod link;
mod pace;
mod proxy;
mod reply;
mod request;
mod schedule;

pub use fault::{Answer, Fault};
pub use injected::Injected;
pub use proxy::Proxy;
pub use schedule::{Intensity, Schedule};
