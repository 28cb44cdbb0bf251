//! An HTTP/1.1 response taken from the socket piece by piece: status, length, chunked framing, body to a sink. Only
//! what servers of S3 send; everything else is an error with a name.

/// Longest head we take; the longest of ours has 64 KiB of headers less what a request adds.
const HEAD_BYTES: usize = 64 << 10;
/// Longest line between two chunks.
const LINE_BYTES: usize = 1024;

/// Where we are in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    Length(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailer,
}

/// What is known once the head was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// `Content-Length`, when it was there.
    pub length: Option<u64>,
    /// The server will close the connection.
    pub close: bool,
}

/// A reader for one connection; ready for the next response when one is done.
#[derive(Debug)]
pub struct Reader {
    at: At,
    partial: Vec<u8>,
    head: Head,
    bodiless: bool,
}

/// What a call of [`Reader::feed`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// Everything was consumed and the response goes on.
    More,
    /// The response ended after so many of the given bytes.
    Done(usize),
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

/// Whether the head says the body is chunked comes beside it.
fn parse(bytes: &[u8]) -> Result<(Head, bool), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the head is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let code = status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let mut head = Head { status: code.ok_or_else(|| format!("status line {status:?}"))?, length: None, close: false };
    let mut chunked = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        // The first letter and the length decide for nearly every header; this loop runs for each answer.
        match name.len() {
            14 if name.eq_ignore_ascii_case("content-length") => {
                head.length = Some(value.parse().map_err(|_| format!("content-length {value:?}"))?);
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => chunked = value.eq_ignore_ascii_case("chunked"),
            10 if name.eq_ignore_ascii_case("connection") => head.close = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    Ok((head, chunked))
}

impl Default for Reader {
    fn default() -> Self {
        Self { at: At::Head, partial: Vec::new(), head: Head::default(), bodiless: false }
    }
}

impl Reader {
    /// Says whether the next response has no body whatever its head says (HEAD).
    pub fn expect(&mut self, bodiless: bool) {
        self.bodiless = bodiless;
        self.at = At::Head;
        self.partial.clear();
    }

    /// The head of the response being read.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes bytes from the socket; `sink` gets the body's bytes in order, with the status.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(u16, &[u8])) -> Result<Fed, String> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            match self.at {
                At::Head => match self.take_until(rest, b"\r\n\r\n", HEAD_BYTES)? {
                    None => return Ok(Fed::More),
                    Some(used) => {
                        taken += used;
                        if self.start()? {
                            return Ok(Fed::Done(taken));
                        }
                    }
                },
                At::Length(left) | At::Chunk(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    if take > 0 {
                        sink(self.head.status, &rest[..take]);
                    }
                    taken += take;
                    let left = left - take as u64;
                    let plain = matches!(self.at, At::Length(_));
                    self.at = if plain { At::Length(left) } else { At::Chunk(left) };
                    if left > 0 {
                        return Ok(Fed::More);
                    }
                    if plain {
                        self.at = At::Head;
                        return Ok(Fed::Done(taken));
                    }
                    self.at = At::ChunkEnd;
                }
                At::ChunkLine | At::ChunkEnd | At::Trailer => match self.take_until(rest, b"\r\n", LINE_BYTES)? {
                    None => return Ok(Fed::More),
                    Some(used) => {
                        taken += used;
                        if self.line()? {
                            return Ok(Fed::Done(taken));
                        }
                    }
                },
            }
        }
    }

    /// Moves bytes into `partial` up to and with `end`; how many were used, or nothing when `end` is not there yet.
    fn take_until(&mut self, bytes: &[u8], end: &[u8], limit: usize) -> Result<Option<usize>, String> {
        let before = self.partial.len();
        let overlap = before.min(end.len() - 1);
        let from = before - overlap;
        // Copy no more than could belong to it: a body of megabytes may follow in the same piece.
        let copied = bytes.len().min(limit);
        self.partial.extend_from_slice(&bytes[..copied]);
        match find(&self.partial[from..], end) {
            Some(position) => {
                let length = from + position + end.len();
                self.partial.truncate(length);
                Ok(Some(length - before))
            }
            None if self.partial.len() >= limit => Err(format!("no end of line or head in {limit} bytes")),
            None => Ok(None),
        }
    }

    /// The head is complete; true when there is no body.
    fn start(&mut self) -> Result<bool, String> {
        let (head, chunked) = parse(&self.partial)?;
        self.partial.clear();
        self.head = head;
        if (100..200).contains(&head.status) {
            return Ok(false);
        }
        let none = self.bodiless || head.status == 204 || head.status == 304;
        self.at = match (none, chunked, head.length) {
            (true, ..) | (_, false, Some(0)) => return Ok(true),
            (_, true, _) => At::ChunkLine,
            (_, false, Some(length)) => At::Length(length),
            (_, false, None) => return Err("neither a length nor chunks".into()),
        };
        Ok(false)
    }

    /// A line of the chunked framing is complete; true when it was the last.
    fn line(&mut self) -> Result<bool, String> {
        let line = self.partial.strip_suffix(b"\r\n").unwrap_or(&self.partial);
        let mut done = false;
        self.at = match self.at {
            At::ChunkEnd if line.is_empty() => At::ChunkLine,
            At::ChunkEnd => return Err("a chunk is longer than it said".into()),
            At::Trailer if line.is_empty() => {
                done = true;
                At::Head
            }
            At::Trailer => At::Trailer,
            _ => {
                let text = std::str::from_utf8(line).unwrap_or_default();
                let size = text.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).map_err(|_| format!("chunk size {text:?}"))? {
                    0 => At::Trailer,
                    size => At::Chunk(size),
                }
            }
        };
        self.partial.clear();
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds in pieces of `step` bytes; the bodies of all responses, and their statuses.
    fn read(wire: &[u8], step: usize) -> Result<Vec<(u16, Vec<u8>)>, String> {
        let (mut reader, mut body, mut all) = (Reader::default(), Vec::new(), Vec::new());
        for piece in wire.chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                match reader.feed(rest, |_, bytes| body.extend_from_slice(bytes))? {
                    Fed::More => break,
                    Fed::Done(used) => {
                        all.push((reader.head().status, std::mem::take(&mut body)));
                        rest = &rest[used..];
                    }
                }
            }
        }
        Ok(all)
    }

    const WIRE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y\r\n\r\nhello\
        HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: u\r\n\r\n\
        HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    proptest! {
        #[test]
        fn however_it_is_cut(step in 1usize..300) {
            let all = read(WIRE, step).unwrap();
            let want: [(u16, &[u8]); 4] = [(200, b"hello"), (404, b"abc0123456789"), (204, b""), (200, b"")];
            prop_assert_eq!(all.len(), want.len());
            for (got, want) in all.iter().zip(want) {
                prop_assert_eq!((got.0, &*got.1), want);
            }
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            let _ = read(&bytes, 7);
        }
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for wire in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert!(read(wire.as_bytes(), 1000).is_err(), "{wire}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES));
        assert!(read(endless.as_bytes(), 1000).is_err());
    }

    #[test]
    fn a_head_request_has_no_body() {
        let mut reader = Reader::default();
        reader.expect(true);
        let wire = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: close\r\n\r\n";
        assert_eq!(reader.feed(wire, |_, _| {}), Ok(Fed::Done(wire.len())));
        assert_eq!(reader.head(), Head { status: 200, length: Some(5), close: true });
    }
}
