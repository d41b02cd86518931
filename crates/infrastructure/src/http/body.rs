//! Reading an answer within limits (OUT). The body is a stream that stops at the first byte too many, so that neither
//! ten gigabytes nor a gzip bomb costs more memory than an honest answer.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// The most bytes of a body, after decompression.
pub(super) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The most bytes of a header section, names and values with their separators.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// How many bytes one compressed byte may become, over the whole body.
const MAX_RATIO: u64 = 100;

/// Up to this size no ratio is judged: a page of equal readings compresses better than 100:1 and bombs nobody.
const RATIO_FREE_BYTES: u64 = 64 * 1024;

/// What is wrong with a body, or with the head before it.
#[derive(Debug)]
pub(super) enum BodyFault {
    /// It is over a limit; which one.
    TooLarge(&'static str),
    /// It is not what its headers say; why.
    Malformed(String),
    /// It did not come to its end.
    Transport(reqwest::Error),
}

/// Takes in one body, chunk by chunk. What was read stays readable after a fault.
pub(super) struct BodyReader {
    sink: Sink,
    received: u64,
}

enum Sink {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl BodyReader {
    /// A reader for an answer with this head.
    ///
    /// # Errors
    /// A head that is too large, or a content coding that was not offered.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, BodyFault> {
        // Four bytes a line for `: ` and the line's end.
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > MAX_HEADER_BYTES {
            return Err(BodyFault::TooLarge("its headers exceed 64 KiB"));
        }
        let sink = if is_gzip(headers)? {
            Sink::Gzip(Box::new(MultiGzDecoder::new(Bounded::default())))
        } else {
            Sink::Plain(Bounded::default())
        };
        Ok(Self { sink, received: 0 })
    }

    /// Whether the content differs from what came over the wire.
    pub(super) const fn has_decoded(&self) -> bool {
        matches!(self.sink, Sink::Gzip(_)) && self.received > 0
    }

    /// Reads to the end. It can be dropped half way without losing what was read.
    pub(super) async fn read(&mut self, response: &mut reqwest::Response) -> Result<(), BodyFault> {
        while let Some(chunk) = response.chunk().await.map_err(BodyFault::Transport)? {
            self.received += chunk.len() as u64;
            self.write(&chunk)?;
        }
        self.finish()
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), BodyFault> {
        let written = match &mut self.sink {
            Sink::Plain(bytes) => bytes.write_all(chunk),
            Sink::Gzip(decoder) => decoder.write_all(chunk),
        };
        written.map_err(|error| self.fault(&error))
    }

    fn finish(&mut self) -> Result<(), BodyFault> {
        // An empty body is empty in every coding: HEAD, 204 and 304 name one and send nothing.
        if let Sink::Gzip(decoder) = &mut self.sink
            && self.received > 0
        {
            decoder.try_finish().map_err(|error| self.fault(&error))?;
        }
        let size = self.content().len() as u64;
        if size > RATIO_FREE_BYTES && size > self.received.saturating_mul(MAX_RATIO) {
            return Err(BodyFault::TooLarge("it is compressed more than 100:1"));
        }
        Ok(())
    }

    fn fault(&self, error: &io::Error) -> BodyFault {
        if self.bounded().full {
            BodyFault::TooLarge("its body exceeds 10 MiB")
        } else {
            BodyFault::Malformed(format!("its gzip coding is broken: {error}"))
        }
    }

    fn bounded(&self) -> &Bounded {
        match &self.sink {
            Sink::Plain(bytes) => bytes,
            Sink::Gzip(decoder) => decoder.get_ref(),
        }
    }

    fn content(&self) -> &[u8] {
        &self.bounded().bytes
    }

    /// What was read so far.
    pub(super) fn into_content(mut self) -> Vec<u8> {
        let bounded = match &mut self.sink {
            Sink::Plain(bytes) => bytes,
            Sink::Gzip(decoder) => decoder.get_mut(),
        };
        std::mem::take(&mut bounded.bytes)
    }
}

/// Whether the body is gzip; a coding that was not offered cannot be read.
fn is_gzip(headers: &HeaderMap) -> Result<bool, BodyFault> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let named = value.split(',').map(|coding| coding.trim().to_owned());
        codings.extend(named.filter(|coding| !coding.is_empty() && coding != "identity"));
    }
    match codings.as_slice() {
        [] => Ok(false),
        [coding] if coding == "gzip" || coding == "x-gzip" => Ok(true),
        _ => Err(BodyFault::Malformed("it uses a content coding that was not offered".to_owned())),
    }
}

/// Bytes up to [`MAX_BODY_BYTES`]; the write that would exceed them fails.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_BODY_BYTES {
            self.full = true;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
