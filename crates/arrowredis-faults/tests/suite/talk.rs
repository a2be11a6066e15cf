//! A server, a proxy in front of it, and bytes that go back and forth. What they mean is the tests'
//! matter.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use arrowredis_faults::{Proxy, Schedule};
use arrowredis_throwaway::Server;

/// A connection that is silent for so long is one that hangs.
const SILENCE: Duration = Duration::from_secs(20);

/// A server and a proxy in front of it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
}

impl World {
    pub(crate) fn new(schedule: Schedule) -> Self {
        let server = Server::start().unwrap();
        let proxy = Proxy::start(server.port(), schedule).unwrap();
        Self { server, proxy }
    }

    /// A connection through the proxy.
    pub(crate) fn talk(&self) -> Talk {
        Talk::with(self.proxy.port())
    }

    /// What the server itself answers, whatever the proxy does.
    pub(crate) fn ask(&self, words: &[&[u8]]) -> Vec<u8> {
        let mut direct = Talk::with(self.server.port());
        direct.say(words);
        direct.say(&[b"QUIT"]);
        let mut answer = direct.hear_all();
        answer.truncate(answer.len() - b"+OK\r\n".len());
        answer
    }
}

pub(crate) struct Talk(TcpStream);

impl Talk {
    fn with(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        Self(stream)
    }

    /// Sends a command. That it cannot be sent is seen in what comes back.
    pub(crate) fn say(&mut self, words: &[&[u8]]) {
        let _ = self.0.write_all(&command(words));
    }

    /// Sends several commands at once.
    pub(crate) fn say_all(&mut self, commands: &[&[&[u8]]]) {
        let all: Vec<_> = commands.iter().map(|words| command(words)).collect();
        self.0.write_all(&all.concat()).unwrap();
    }

    /// Exactly this comes back next.
    pub(crate) fn hear(&mut self, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        self.0.read_exact(&mut heard).unwrap();
        assert!(heard == expected, "{:?}", String::from_utf8_lossy(&heard));
    }

    /// All that comes back until the connection ends.
    pub(crate) fn hear_all(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        match self.0.read_to_end(&mut heard) {
            Ok(_) => {}
            // An end without ceremony is one, too.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
        heard
    }

    /// Whether nothing comes back, and no end, for a moment.
    pub(crate) fn is_silent(&mut self, moment: Duration) -> bool {
        self.0.set_read_timeout(Some(moment)).unwrap();
        let silent = self.0.read(&mut [0]).is_err_and(|error| {
            matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        });
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        silent
    }
}

pub(crate) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A value as a server sends it.
pub(crate) fn bulk(value: &[u8]) -> Vec<u8> {
    command(&[value])[4..].to_vec()
}

/// Bytes that look like the protocol and like anything else.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| b"*3\r\n$12\r\n-+:%|>\x00\xff"[(at * at + at / 7) % 17]).collect()
}
