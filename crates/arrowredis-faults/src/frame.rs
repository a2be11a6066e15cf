//! Where a command or a reply ends, found piece by piece without keeping any of it. What its words
//! mean is `request`'s and `reply`'s matter.

/// A piece of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// How many bytes it has.
    pub(crate) length: usize,
    /// Whether it is part of a value, and not of what stands around one.
    pub(crate) value: bool,
    /// Whether it is the message's last.
    pub(crate) last: bool,
}

/// Walks along messages of either protocol version.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Values and lists that are still to come before the message ends.
    wanted: u64,
    at: At,
    /// Whether a line that begins with no sign is a command.
    inline: bool,
}

#[derive(Debug)]
enum At {
    /// A line, of which so much is known. The longest one that matters is a sign and a number.
    Line(Vec<u8>),
    /// A line that has no more to say than where it ends.
    Text,
    /// A value of which so many bytes are missing.
    Value(u64),
    /// The line end after a value, of which so many bytes are missing.
    ValueEnd(u8),
}

/// A sign and a number are no longer than that.
const LINE: usize = 24;

impl Frame {
    /// For what a client says.
    pub(crate) fn of_requests() -> Self {
        Self { wanted: 1, at: At::Line(Vec::new()), inline: true }
    }

    /// For what a server says.
    pub(crate) fn of_replies() -> Self {
        Self { inline: false, ..Self::of_requests() }
    }

    /// The next piece of `bytes`, which must not be empty.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Piece {
        match &mut self.at {
            At::Value(missing) => {
                let length = usize::try_from(*missing).unwrap_or(usize::MAX).min(bytes.len());
                *missing -= length as u64;
                if *missing == 0 {
                    self.at = At::ValueEnd(2);
                }
                Piece { length, value: true, last: false }
            }
            At::ValueEnd(missing) => {
                *missing -= 1;
                let last = *missing == 0 && self.one_less();
                Piece { length: 1, value: false, last }
            }
            At::Text | At::Line(_) => self.line(bytes),
        }
    }

    fn line(&mut self, bytes: &[u8]) -> Piece {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(bytes.len(), |end| end + 1);
        if let At::Line(known) = &mut self.at {
            let more = (LINE - known.len()).min(length);
            known.extend_from_slice(&bytes[..more]);
        }
        let last = end.is_some() && self.line_ended();
        Piece { length, value: false, last }
    }

    fn line_ended(&mut self) -> bool {
        let At::Line(line) = std::mem::replace(&mut self.at, At::Text) else {
            return self.one_less();
        };
        let sign = line.first().copied().unwrap_or(0);
        let number = || std::str::from_utf8(&line[1..]).ok()?.trim_end().parse::<u64>().ok();
        match sign {
            // Absent ones have a length below zero, which is no u64.
            b'$' | b'!' | b'=' => {
                if let Some(length) = number() {
                    self.at = if length == 0 { At::ValueEnd(2) } else { At::Value(length) };
                    return false;
                }
            }
            b'*' | b'~' | b'>' if !self.inline || sign == b'*' => {
                self.want(number(), 1);
            }
            b'%' => self.want(number(), 2),
            // It stands before the value that it is about.
            b'|' => {
                self.want(number(), 2);
                self.want(Some(1), 1);
            }
            _ => {}
        }
        self.one_less()
    }

    /// Some more entries of a list are to come. What is not a protocol may say any number.
    fn want(&mut self, entries: Option<u64>, each: u64) {
        let more = entries.unwrap_or(0).saturating_mul(each);
        self.wanted = self.wanted.saturating_add(more);
    }

    /// One of the wanted has come. Says whether it was the last.
    fn one_less(&mut self) -> bool {
        self.at = At::Line(Vec::new());
        self.wanted -= 1;
        let last = self.wanted == 0;
        if last {
            self.wanted = 1;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a text that is handed over in pieces of a size.
    fn messages(mut frame: Frame, text: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut messages = vec![Vec::new()];
        for mut bytes in text.chunks(size) {
            while !bytes.is_empty() {
                let piece = frame.next(bytes);
                messages.last_mut().unwrap().extend_from_slice(&bytes[..piece.length]);
                if piece.last {
                    messages.push(Vec::new());
                }
                bytes = &bytes[piece.length..];
            }
        }
        messages
    }

    #[test]
    fn replies_end_where_they_end() {
        let replies = [
            "+OK\r\n",
            "-ERR no such key, and a long line behind the sign\r\n",
            ":12\r\n",
            "$-1\r\n",
            "$0\r\n\r\n",
            "$7\r\na\r\n$b+c\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*3\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n$-1\r\n",
            "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n",
            "|1\r\n+ttl\r\n:5\r\n$2\r\nab\r\n",
            ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
            "=8\r\ntxt:abcd\r\n",
            ",1.5\r\n",
            "#t\r\n",
        ];
        let text = replies.concat();
        for size in 1..text.len() {
            let mut found = messages(Frame::of_replies(), text.as_bytes(), size);
            assert_eq!(found.pop(), Some(Vec::new()));
            assert_eq!(found, replies.map(|reply| reply.as_bytes().to_vec()), "{size}");
        }
    }

    #[test]
    fn commands_end_where_they_end() {
        let commands =
            ["*1\r\n$4\r\nPING\r\n", "PING now\r\n", "*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n"];
        let text = commands.concat();
        for size in 1..text.len() {
            let mut found = messages(Frame::of_requests(), text.as_bytes(), size);
            assert_eq!(found.pop(), Some(Vec::new()));
            assert_eq!(found, commands.map(|command| command.as_bytes().to_vec()), "{size}");
        }
    }
}
