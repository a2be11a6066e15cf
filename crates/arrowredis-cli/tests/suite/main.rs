//! Tests of the command as a user runs it: processes, exit codes, what is printed where.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

/// Running the command and looking at what it did.
mod support;

/// The main job from end to end, and what the reports say.
mod main_job;

/// Everything that can be typed or given wrongly.
mod mistakes;

/// Signals, closed pipes and full disks.
mod interruptions;

/// Splits that are killed.
mod crashes;

/// The commands that look after datasets.
mod looking_after;

/// A run of the command in some state of the server, with its time.
mod scenario;

/// States of a server that stand: full, evicting, loading, a replica, frozen and more.
mod server_states;

/// What happens to a server in the middle of an upload or a read.
mod server_events;

/// Users, passwords and what users may do.
mod permissions;

/// TLS with good and bad certificates.
mod secure_connections;

/// Where passwords come from, and that they are shown nowhere.
mod passwords;

/// A primary that Sentinels name, and another one after it.
mod sentinel;

/// Sockets, protocols, databases, and how long what is waited for.
mod connecting;

/// Values that a server does not take.
mod value_limits;

/// The benchmark: true figures, and nothing left behind.
mod benchmark;
