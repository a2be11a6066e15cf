//! The worlds themselves, on real servers. What runs in them is tested elsewhere.

mod certificates;
mod clusters;
mod sentinels;
mod servers;
