//! The proxy in front of a real server: each fault does what it says, and nothing else happens.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod passing;
mod seeds;
mod talk;
