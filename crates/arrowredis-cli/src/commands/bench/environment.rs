//! Where the measuring was done: the machine, the server and the program.

use std::fs;
use std::thread::available_parallelism;

use arrowredis::ipc::Codec;
use arrowredis::store::{ChunkStore, RedisStore, Server};
use serde::Serialize;

use crate::exit::Failure;

/// The machine that measured, and the server. What a system does not tell is `None`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Environment {
    /// The processor's model.
    pub(super) cpu: Option<String>,
    /// Cores that the process may use.
    pub(super) cores: Option<usize>,
    /// Bytes of memory.
    pub(super) memory_bytes: Option<u64>,
    /// The operating system and the processor's kind.
    pub(super) os: String,
    /// The kernel's release.
    pub(super) kernel: Option<String>,
    /// The server's program.
    pub(super) server: Option<Server>,
    /// The server's address, without secrets.
    pub(super) address: String,
    /// This program's version.
    pub(super) arrowredis: &'static str,
    /// How buffers are compressed.
    pub(super) compression: Codec,
}

impl Environment {
    pub(super) async fn look(store: &RedisStore, compression: Codec) -> Result<Self, Failure> {
        let read = |path| fs::read_to_string(path).ok();
        Ok(Self {
            cpu: read("/proc/cpuinfo").and_then(|text| cpu(&text)),
            cores: available_parallelism().ok().map(usize::from),
            memory_bytes: read("/proc/meminfo").and_then(|text| memory(&text)),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            server: store.server().await?,
            address: store.address().to_owned(),
            arrowredis: env!("CARGO_PKG_VERSION"),
            compression,
        })
    }

    /// What there is to show, by name.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let server = self.server.as_ref();
        let server = server.map(|server| format!("{} {}", server.name, server.version));
        let cores = self.cores.map_or(String::new(), |cores| format!(", {cores} cores"));
        let memory = self.memory_bytes.map(|bytes| format!("{:.1} GB", bytes as f64 / 1e9));
        let kernel = self.kernel.as_ref().map_or(String::new(), |kernel| format!(", {kernel}"));
        let unknown = || "unknown".to_owned();
        vec![
            ("Processor", format!("{}{cores}", self.cpu.clone().unwrap_or_else(unknown))),
            ("Memory", memory.unwrap_or_else(unknown)),
            ("System", format!("{}{kernel}", self.os)),
            ("Server", format!("{} at {}", server.unwrap_or_else(unknown), self.address)),
            ("arrowredis", self.arrowredis.to_owned()),
            ("Compression", self.compression.to_string()),
        ]
    }
}

fn cpu(cpuinfo: &str) -> Option<String> {
    let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.trim() == "model name").map(|(_, model)| model.trim().to_owned())
}

fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n\nmodel name\t: Other\n";
        assert_eq!(cpu(text).as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(cpu("processor\t: 0\n"), None);
        assert_eq!(memory("MemTotal:       16 kB\nMemFree: 1 kB\n"), Some(16_384));
        assert_eq!(memory("MemTotal: many\n"), None);
    }
}
