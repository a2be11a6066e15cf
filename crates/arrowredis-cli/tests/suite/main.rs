//! Tests of the command as a user runs it: processes, exit codes, what is printed where.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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
