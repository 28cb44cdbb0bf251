//! The body of PostObject: a streaming parser for multipart/form-data (RFC 7578), as far as S3 reads it.
//!
//! Sans-I/O: bytes are pushed in, fields and then slices of the file come out. Belongs here: the form. Does not belong
//! here: signatures (`auth::post`), what fields mean to the operation. What a policy demands is in [`policy`].

pub mod policy;

use bytes::{Buf, Bytes};
use memchr::memmem;
use panthera_base::{ErrorCode, S3Error, S3Result, limits};

use crate::uri;

/// What a push gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FormEvent {
    /// A field before the file: lower-case name, value.
    Field(String, Vec<u8>),
    /// The file begins. Its name without directories; `None` when the part names none. Sent once, before any data.
    File {
        /// For `${filename}`.
        filename: Option<String>,
    },
    /// Bytes of the file: never empty, a slice of the input where possible.
    Data(Bytes),
    /// The input is used up.
    NeedMore,
    /// The closing boundary has been seen; what follows is ignored.
    End,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// Before the first boundary.
    First,
    /// Behind a boundary before the file.
    Boundary,
    /// Inside the headers of a part before the file.
    Headers,
    /// Inside the value of this field.
    Value(String),
    /// Inside the file.
    File,
    /// Behind a boundary after the file, with the first of the two bytes that say what follows.
    AfterFile(Option<u8>),
    /// Inside parts after the file, which are ignored.
    Ignored,
    /// After the closing boundary.
    End,
}

/// The parser. After an error it must not be used again.
#[derive(Debug)]
pub struct FormParser {
    /// CRLF `--` boundary.
    delimiter: Bytes,
    state: State,
    /// Everything before the file's data, behind a CRLF of our own, so that the first boundary is like the others.
    head: Vec<u8>,
    /// How much of `head` has been parsed, and from where to look for the next delimiter.
    parsed: usize,
    scanned: usize,
    /// Bytes of the file that were taken into `head`.
    pending: Bytes,
    /// How many bytes of the delimiter ended the last input.
    matched: usize,
    names: Vec<String>,
}

fn malformed(detail: &str) -> S3Error {
    S3Error::new(ErrorCode::MalformedPOSTRequest).detail(detail)
}

/// The boundary in a Content-Type of `multipart/form-data`. PreconditionFailed when it is another type, as AWS answers;
/// MalformedPOSTRequest when the boundary is missing or not one (RFC 2046: 1 to 70 characters of a small set).
pub fn boundary(content_type: &str) -> S3Result<String> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
        return Err(S3Error::new(ErrorCode::PreconditionFailed).field("Condition", condition));
    }
    let parameters = parse_parameters(parameters).ok_or_else(|| malformed("parameters of Content-Type"))?;
    let found = parameters.into_iter().find(|(name, _)| name == "boundary").map(|(_, value)| value);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    found
        .filter(|b| (1..=limits::FORM_BOUNDARY_BYTES).contains(&b.len()) && b.bytes().all(allowed) && !b.ends_with(' '))
        .ok_or_else(|| malformed("no boundary, or one that is not allowed"))
}

/// Replaces `${filename}`, as AWS does in the key.
pub fn substitute_filename(value: &[u8], filename: &str) -> Vec<u8> {
    const VARIABLE: &[u8] = b"${filename}";
    let mut out = Vec::with_capacity(value.len() + filename.len());
    let mut rest = value;
    while let Some(at) = memmem::find(rest, VARIABLE) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(filename.as_bytes());
        rest = &rest[at + VARIABLE.len()..];
    }
    out.extend_from_slice(rest);
    out
}

impl FormParser {
    /// A parser for a body with this boundary (see [`boundary`]).
    pub fn new(boundary: &str) -> Self {
        Self {
            delimiter: format!("\r\n--{boundary}").into(),
            state: State::First,
            head: b"\r\n".to_vec(),
            parsed: 0,
            scanned: 0,
            pending: Bytes::new(),
            matched: 0,
            names: Vec::new(),
        }
    }

    /// Takes from `input` what it can and gives the next event.
    pub fn push(&mut self, input: &mut Bytes) -> S3Result<FormEvent> {
        loop {
            match self.state {
                State::End => {
                    input.clear();
                    return Ok(FormEvent::End);
                }
                State::File | State::Ignored | State::AfterFile(_) => {
                    // What was read ahead comes first.
                    let mut pending = std::mem::take(&mut self.pending);
                    let source = if pending.is_empty() { &mut *input } else { &mut pending };
                    let event = if source.is_empty() { Some(FormEvent::NeedMore) } else { self.after_head(source)? };
                    self.pending = pending;
                    if let Some(event) = event {
                        return Ok(event);
                    }
                }
                _ => match self.head_step()? {
                    Step::Event(event) => return Ok(event),
                    Step::Again => {}
                    Step::Starved if input.is_empty() => return Ok(FormEvent::NeedMore),
                    Step::Starved => self.read_ahead(input)?,
                },
            }
        }
    }

    /// Call when the transport has ended: an error unless the closing boundary had been seen.
    pub fn finish(&self) -> S3Result<()> {
        match self.state {
            State::End => Ok(()),
            _ => Err(malformed("the body ended before the closing boundary")),
        }
    }

    /// Moves input into `head`, as much as may stand before the file.
    fn read_ahead(&mut self, input: &mut Bytes) -> S3Result<()> {
        let room = limits::FORM_FIELDS_BYTES + 2 - self.head.len();
        if room == 0 {
            return Err(ErrorCode::MaxPostPreDataLengthExceededError.into());
        }
        let taken = input.split_to(room.min(input.len()));
        self.head.extend_from_slice(&taken);
        Ok(())
    }

    fn head_step(&mut self) -> S3Result<Step> {
        match std::mem::replace(&mut self.state, State::First) {
            State::First => self.first(),
            State::Headers => self.headers(),
            State::Value(name) => self.value(name),
            state => {
                self.state = state;
                self.boundary_end()
            }
        }
    }

    /// The first boundary, which an empty line may precede.
    fn first(&mut self) -> S3Result<Step> {
        if self.parsed == 0 && self.head.get(2..4) == Some(b"\r\n") {
            self.parsed = 2;
        }
        let have = &self.head[self.parsed..];
        let common = have.len().min(self.delimiter.len());
        if have[..common] != self.delimiter[..common] && !(self.parsed == 0 && have == b"\r\n\r") {
            return Err(malformed("the body does not begin with the boundary"));
        }
        if have.len() < self.delimiter.len() {
            return Ok(Step::Starved);
        }
        self.parsed += self.delimiter.len();
        self.state = State::Boundary;
        Ok(Step::Again)
    }

    /// Behind a boundary: another part, or the end of a form without a file.
    fn boundary_end(&mut self) -> S3Result<Step> {
        match self.head.get(self.parsed..self.parsed + 2) {
            None => Ok(Step::Starved),
            Some(b"\r\n") => {
                self.parsed += 2;
                self.scanned = self.parsed;
                self.state = State::Headers;
                Ok(Step::Again)
            }
            Some(b"--") => Err(S3Error::with_message(
                ErrorCode::InvalidArgument,
                ErrorCode::IncorrectNumberOfFilesInPostRequest.message(),
            )
            .field("ArgumentName", "file")
            .field("ArgumentValue", "0")),
            Some(_) => Err(malformed("a boundary is not followed by CRLF")),
        }
    }

    /// Finds `needle` in what has not been parsed; remembers how far it looked.
    fn find(&mut self, needle: &[u8]) -> Option<usize> {
        let found = memmem::find(&self.head[self.scanned..], needle).map(|at| self.scanned + at);
        if found.is_none() {
            self.scanned = self.parsed.max((self.head.len() + 1).saturating_sub(needle.len()));
        }
        found
    }

    fn headers(&mut self) -> S3Result<Step> {
        let Some(end) = self.find(b"\r\n\r\n") else {
            self.state = State::Headers;
            return Ok(Step::Starved);
        };
        let part = Part::parse(&self.head[self.parsed..end])?;
        self.parsed = end + 4;
        self.scanned = self.parsed;
        if part.name == "file" {
            self.pending = Bytes::copy_from_slice(&self.head[self.parsed..]);
            self.head = Vec::new();
            self.state = State::File;
            return Ok(Step::Event(FormEvent::File { filename: part.filename }));
        }
        if self.names.contains(&part.name) && !part.name.starts_with("x-ignore-") {
            let message = format!("The form field '{}' must be given once.", part.name);
            return Err(S3Error::with_message(ErrorCode::InvalidArgument, message).field("ArgumentName", part.name));
        }
        self.names.push(part.name.clone());
        self.state = State::Value(part.name);
        Ok(Step::Again)
    }

    fn value(&mut self, name: String) -> S3Result<Step> {
        let delimiter = self.delimiter.clone();
        let Some(end) = self.find(&delimiter) else {
            self.state = State::Value(name);
            return Ok(Step::Starved);
        };
        let value = self.head[self.parsed..end].to_vec();
        self.parsed = end + delimiter.len();
        self.state = State::Boundary;
        Ok(Step::Event(FormEvent::Field(name, value)))
    }

    /// One step from the file on; `source` is not empty.
    fn after_head(&mut self, source: &mut Bytes) -> S3Result<Option<FormEvent>> {
        if let State::AfterFile(first) = self.state {
            let byte = source.get_u8();
            self.state = match (first, byte) {
                (None, b'-' | b'\r') => State::AfterFile(Some(byte)),
                (Some(b'-'), b'-') => State::End,
                (Some(b'\r'), b'\n') => State::Ignored,
                _ => return Err(malformed("a boundary is not followed by CRLF")),
            };
            return Ok(None);
        }
        let data = self.until_delimiter(source);
        Ok(data.filter(|_| self.state == State::File).map(FormEvent::Data))
    }

    /// Bytes up to the delimiter, if any; a delimiter cut in two is remembered by its length. A delimiter holds one CR
    /// only, its first byte, so that a failed match never hides the beginning of another.
    fn until_delimiter(&mut self, source: &mut Bytes) -> Option<Bytes> {
        if self.matched > 0 {
            let rest = &self.delimiter[self.matched..];
            let common = rest.len().min(source.len());
            if rest[..common] != source[..common] {
                return Some(self.delimiter.slice(..std::mem::take(&mut self.matched)));
            }
            source.advance(common);
            self.matched += common;
            self.close_when_matched();
            return None;
        }
        if let Some(at) = memmem::find(source, &self.delimiter) {
            let data = source.split_to(at);
            source.advance(self.delimiter.len());
            // The state still says whose bytes these are; it changes with the next call.
            if data.is_empty() {
                self.state = State::AfterFile(None);
                return None;
            }
            self.matched = self.delimiter.len();
            return Some(data);
        }
        let from = source.len().saturating_sub(self.delimiter.len() - 1);
        let cut = memchr::memrchr(b'\r', &source[from..]).map(|at| from + at);
        let cut = cut.filter(|at| self.delimiter.starts_with(&source[*at..])).unwrap_or(source.len());
        self.matched = source.len() - cut;
        let data = source.split_to(cut);
        source.clear();
        (!data.is_empty()).then_some(data)
    }

    fn close_when_matched(&mut self) {
        if self.matched == self.delimiter.len() {
            self.matched = 0;
            self.state = State::AfterFile(None);
        }
    }
}

/// What a step before the file gave.
enum Step {
    Event(FormEvent),
    Again,
    Starved,
}

/// The headers of a part, as far as S3 reads them: the Content-Type of the file's part is not the object's.
struct Part {
    name: String,
    filename: Option<String>,
}

impl Part {
    fn parse(block: &[u8]) -> S3Result<Self> {
        let text = std::str::from_utf8(block).map_err(|_| malformed("part headers are not UTF-8"))?;
        let disposition = text
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
            .map(|(_, value)| value)
            .ok_or_else(|| malformed("a part without Content-Disposition"))?;
        let (kind, parameters) = disposition.split_once(';').unwrap_or((disposition, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(malformed("a part that is not form-data"));
        }
        let parameters = parse_parameters(parameters).ok_or_else(|| malformed("parameters of Content-Disposition"))?;
        let get = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let name = get("name").filter(|name| !name.is_empty()).ok_or_else(|| malformed("a part without a name"))?;
        let extended = get("filename*").and_then(decode_extended);
        let filename = extended.or_else(|| get("filename").map(str::to_owned)).map(|f| base_name(&f).to_owned());
        Ok(Self { name: name.to_ascii_lowercase(), filename })
    }
}

/// Browsers of old sent whole paths: only what follows the last slash or backslash counts (AWS).
fn base_name(filename: &str) -> &str {
    filename.rsplit(['/', '\\']).next().unwrap_or(filename)
}

/// RFC 5987 as urllib3 sends it: `utf-8''na%C3%AFve.txt`.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    charset.eq_ignore_ascii_case("utf-8").then_some(())?;
    String::from_utf8(uri::percent_decode(encoded)?).ok()
}

/// `; a=b; c="d e"` with lower-case names. A backslash in quotes escapes only a quote: paths of Windows are not escaped.
fn parse_parameters(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';', '\r', '\n']);
        if rest.is_empty() {
            return Some(found);
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut value = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next()? {
                    (at, '"') => break at,
                    (_, '\\') if chars.peek().is_some_and(|(_, c)| *c == '"') => {
                        chars.next();
                        value.push('"');
                    }
                    (_, c) => value.push(c),
                }
            };
            rest = &quoted[end + 1..];
            found.push((name, value));
        } else {
            let (value, after) = after.split_at(after.find(';').unwrap_or(after.len()));
            found.push((name, value.trim().to_owned()));
            rest = after;
        }
    }
}
