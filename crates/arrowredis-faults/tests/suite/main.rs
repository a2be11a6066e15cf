//! The proxy in front of a real server: each fault does what it says, and nothing else happens.

mod faults;
mod passing;
mod seeds;
mod talk;
