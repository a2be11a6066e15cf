//! Which program is started. How it is started is `launch`'s matter.

use std::env;
use std::path::PathBuf;

/// The programs that are looked for on PATH, in this order.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Names the program to start instead of the ones on PATH.
pub const PROGRAM_VARIABLE: &str = "ARROWREDIS_SERVER";

pub(crate) fn find_program() -> Option<PathBuf> {
    if let Some(named) = env::var_os(PROGRAM_VARIABLE).filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    PROGRAMS.iter().find_map(|program| {
        env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
    })
}
