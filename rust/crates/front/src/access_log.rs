//! The access log: one line a request in the format of S3 server access logs, written by a thread of its own.
//!
//! Belongs here: the line, the bounded ring, the file. Does not belong here: delivery to a target bucket (a Python
//! job reads these files), metrics.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use panthera_base::{ErrorCode, Timestamp};
use panthera_wire::uri::encode_path;

use crate::settings::{ACCESS_LOG_LINES, ACCESS_LOG_PAUSE, ACCESS_LOG_ROTATION};

/// What a line says. Strings hold what the client sent; writing escapes them.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Line {
    pub owner: Option<u32>,
    pub bucket: String,
    pub time: Timestamp,
    pub remote: Option<IpAddr>,
    pub requester: String,
    pub request_id: String,
    pub operation: String,
    pub key: Vec<u8>,
    pub request_uri: String,
    pub status: u16,
    pub error: Option<ErrorCode>,
    pub sent: u64,
    pub object_size: Option<u64>,
    pub total: Duration,
    pub turnaround: Duration,
    pub referer: Option<String>,
    pub user_agent: Option<String>,
    pub version_id: Option<String>,
    pub host_id: String,
    pub signature_version: Option<&'static str>,
    pub auth_type: Option<&'static str>,
    pub host: String,
    pub cipher: Option<String>,
    pub tls_version: Option<&'static str>,
}

/// The way to the log's thread. Pushing never waits: a full ring drops the line and counts it.
pub struct AccessLog {
    ring: SyncSender<Option<Box<Line>>>,
    dropped: Arc<AtomicU64>,
}

/// The log's thread; joined after [`AccessLog::close`], when everything has been handed to the kernel.
pub struct Writer(JoinHandle<()>);

impl AccessLog {
    /// Opens (appends to) the file and starts the thread.
    pub fn open(path: &Path) -> io::Result<(Self, Writer)> {
        let file = append(path)?;
        let (ring, lines) = sync_channel(ACCESS_LOG_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let (path, count) = (path.to_owned(), dropped.clone());
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_lines(&lines, &path, BufWriter::new(file), &count))?;
        Ok((Self { ring, dropped }, Writer(thread)))
    }

    /// Hands in a line.
    pub fn push(&self, line: Box<Line>) {
        if self.ring.try_send(Some(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends the thread after everything pushed so far has been written.
    pub fn close(&self) {
        // Fails only when the thread has ended already.
        let _ = self.ring.send(None);
    }

    /// Lines lost: the ring was full, or the disk refused them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Waits for the thread.
    pub fn join(self) {
        // The thread does not panic; if it did, the lines are lost and there is nobody to tell.
        let _ = self.0.join();
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Looks for lines at intervals and does not wait for each: a waiting reader would have to be woken by every request.
fn write_lines(lines: &Receiver<Option<Box<Line>>>, path: &Path, mut out: BufWriter<File>, dropped: &AtomicU64) {
    let mut text = Vec::with_capacity(1024);
    let mut looked = Instant::now();
    loop {
        match lines.try_recv() {
            Ok(Some(line)) => {
                text.clear();
                format(&line, &mut text);
                if out.write_all(&text).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(TryRecvError::Empty) => {
                let _ = out.flush();
                // A rotated file is left to whoever moved it; the next line goes to a new one.
                if looked.elapsed() >= ACCESS_LOG_ROTATION {
                    looked = Instant::now();
                    out = if path.exists() { out } else { append(path).map_or(out, BufWriter::new) };
                }
                std::thread::sleep(ACCESS_LOG_PAUSE);
            }
            Ok(None) | Err(TryRecvError::Disconnected) => {
                let _ = out.flush();
                return;
            }
        }
    }
}

/// Appends the line with its newline.
pub fn format(line: &Line, out: &mut Vec<u8>) {
    let start = out.len();
    display(out, line.owner);
    word(out, &line.bucket);
    out.push(b'[');
    time(out, line.time);
    out.extend_from_slice(b"] ");
    display(out, line.remote);
    word(out, &line.requester);
    word(out, &line.request_id);
    word(out, &line.operation);
    // Encoded twice, as AWS does: a key can then hold anything and stay one word.
    word(out, &encode_path(encode_path(&line.key).as_bytes()));
    quoted(out, Some(&line.request_uri).filter(|uri| !uri.is_empty()).map(String::as_str));
    display(out, (line.status > 0).then_some(line.status));
    word(out, line.error.map_or("", ErrorCode::as_str));
    display(out, (line.sent > 0).then_some(line.sent));
    display(out, line.object_size);
    display(out, Some(line.total.as_millis()));
    display(out, Some(line.turnaround.as_millis()));
    quoted(out, line.referer.as_deref());
    quoted(out, line.user_agent.as_deref());
    word(out, line.version_id.as_deref().unwrap_or_default());
    word(out, &line.host_id);
    word(out, line.signature_version.unwrap_or_default());
    word(out, line.cipher.as_deref().unwrap_or_default());
    word(out, line.auth_type.unwrap_or_default());
    word(out, &line.host);
    word(out, line.tls_version.unwrap_or_default());
    // Access point, aclRequired: we have neither.
    out.extend_from_slice(b"- -\n");
    debug_assert!(!out[start..out.len() - 1].contains(&b'\n'));
}

fn word(out: &mut Vec<u8>, text: &str) {
    if text.is_empty() {
        out.push(b'-');
    }
    for &byte in text.as_bytes() {
        push_plain(out, byte, b' ');
    }
    out.push(b' ');
}

/// A number or an address: nothing that needs escaping.
fn display(out: &mut Vec<u8>, value: Option<impl std::fmt::Display>) {
    // Writing into memory does not fail.
    let _ = match value {
        Some(value) => write!(out, "{value} "),
        None => write!(out, "- "),
    };
}

fn quoted(out: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        out.extend_from_slice(b"\"-\" ");
        return;
    };
    out.push(b'"');
    for &byte in text.as_bytes() {
        push_plain(out, byte, b'"');
    }
    out.extend_from_slice(b"\" ");
}

/// Bytes that would break the line are written as `%XX`: a client must not be able to forge one.
fn push_plain(out: &mut Vec<u8>, byte: u8, fence: u8) {
    if byte < b' ' || byte == 0x7f || byte == fence {
        out.push(b'%');
        for digit in [byte >> 4, byte & 15] {
            out.push(b"0123456789ABCDEF"[usize::from(digit)]);
        }
    } else {
        out.push(byte);
    }
}

/// `21/Nov/2026:07:00:00 +0000`, from the HTTP date (`Sat, 21 Nov 2026 07:00:00 GMT`).
fn time(out: &mut Vec<u8>, at: Timestamp) {
    let date = panthera_wire::date::http_date_bytes(at);
    for (part, end) in [(&date[5..7], b'/'), (&date[8..11], b'/'), (&date[12..16], b':'), (&date[17..25], b' ')] {
        out.extend_from_slice(part);
        out.push(end);
    }
    out.extend_from_slice(b"+0000");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_of_aws_in_their_order() {
        let line = Line {
            owner: Some(7),
            bucket: "photos".into(),
            time: Timestamp::from_secs(1_795_244_400),
            remote: Some(IpAddr::from([192, 0, 2, 3])),
            requester: "79a5".into(),
            request_id: "0000000000000001".into(),
            operation: "REST.GET.OBJECT".into(),
            key: b"a b%".to_vec(),
            request_uri: "GET /photos/a%20b%25 HTTP/1.1".into(),
            status: 200,
            sent: 5,
            total: Duration::from_millis(12),
            turnaround: Duration::from_millis(3),
            user_agent: Some("evil\"\r\n\x1b".into()),
            host_id: "id2".into(),
            signature_version: Some("SigV4"),
            auth_type: Some("AuthHeader"),
            host: "localhost:9000".into(),
            ..Line::default()
        };
        let mut out = Vec::new();
        format(&line, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "7 photos [21/Nov/2026:07:00:00 +0000] 192.0.2.3 79a5 0000000000000001 REST.GET.OBJECT a%2520b%2525 \
             \"GET /photos/a%20b%25 HTTP/1.1\" 200 - 5 - 12 3 \"-\" \"evil%22%0D%0A%1B\" - id2 SigV4 - AuthHeader \
             localhost:9000 - - -\n"
        );
    }

    #[test]
    fn what_is_pushed_is_written_before_the_writer_is_joined() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let (log, writer) = AccessLog::open(&path).unwrap();
        for _ in 0..1000 {
            log.push(Box::default());
        }
        log.close();
        writer.join();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1000);
    }

    #[test]
    fn a_full_ring_drops_and_counts() {
        let (ring, lines) = sync_channel(1);
        let log = AccessLog { ring, dropped: Arc::default() };
        log.push(Box::default());
        log.push(Box::default());
        assert_eq!(log.dropped(), 1);
        drop(lines);
    }
}
