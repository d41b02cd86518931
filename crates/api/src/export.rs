//! Answers that are handed on elsewhere: NDJSON or CSV, written page by page while they are read.

use std::io;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, TryStreamExt};

use crate::problem::{Problem, ProblemCode};

/// What a spreadsheet takes for the beginning of a formula, in both widths, or skips before one.
const RUN: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object per line.
    Ndjson,
    /// RFC 4180, with the names in the first line.
    Csv,
}

impl Format {
    const ALL: [Self; 2] = [Self::Ndjson, Self::Csv];

    const fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// How precisely a media range means this format; 0 when it does not.
    fn matched_by(self, range: &str) -> u8 {
        let (names, group): (&[&str], &str) = match self {
            Self::Ndjson => (&["application/x-ndjson", "application/ndjson"], "application/*"),
            Self::Csv => (&["text/csv"], "text/*"),
        };
        if names.contains(&range) {
            return 3;
        }
        if range == group { 2 } else { u8::from(range == "*/*") }
    }

    /// How much `Accept` wants this format, in thousandths: the most precise range that means it decides (RFC 9110
    /// §12.5.1).
    fn wanted(self, accept: &str) -> u16 {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
            let precision = self.matched_by(&parts.next()?);
            let quality = parts.find_map(|part| part.strip_prefix("q=").map(thousandths)).unwrap_or(1_000);
            (precision > 0).then_some((precision, quality))
        });
        ranges.max().map_or(0, |(_, quality)| quality)
    }

    /// The format that the caller wants most, NDJSON where it is all the same.
    ///
    /// # Errors
    /// 406 where it wants neither.
    pub(crate) fn accepted(headers: &HeaderMap) -> Result<Self, Problem> {
        let values: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let accept = values.join(",");
        let accept = if accept.trim().is_empty() { "*/*" } else { &accept };
        // The last of several that are wanted as much.
        let best = Self::ALL.into_iter().rev().max_by_key(|format| format.wanted(accept));
        best.filter(|format| format.wanted(accept) > 0).ok_or_else(|| {
            let detail = "this operation answers `application/x-ndjson` or `text/csv`";
            Problem::new(ProblemCode::NotAcceptable, detail)
        })
    }
}

/// A weight such as `0.5`; one that cannot be read wants nothing.
fn thousandths(weight: &str) -> u16 {
    let weight: f32 = weight.parse().unwrap_or(0.0);
    // Few decimals between 0 and 1 are allowed; what is beyond is brought there.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1000")]
    let thousandths = (weight.clamp(0.0, 1.0) * 1_000.0).round() as u16;
    thousandths
}

/// The answer of these bytes. Where they end with an error the connection is cut off, so that what came does not look
/// like the whole; the cause is in the log.
pub(crate) fn answer<S>(format: Format, name: &str, bytes: S) -> Response
where
    S: Stream<Item = Result<Vec<u8>, Problem>> + Send + 'static,
{
    let file = format!("attachment; filename=\"{name}.{}\"", format.extension());
    let cut_off = bytes.map_err(|_: Problem| io::Error::other("the export could not be completed"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&file).unwrap_or(HeaderValue::from_static("attachment"))),
        (header::VARY, HeaderValue::from_static("Accept")),
    ];
    (headers, Body::from_stream(cut_off)).into_response()
}

/// Lines of CSV. A cell that a spreadsheet would run begins with an apostrophe.
pub(crate) fn csv<const N: usize>(lines: impl IntoIterator<Item = [String; N]>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        writer.write_record(line.map(harmless))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn harmless(cell: String) -> String {
    if cell.starts_with(RUN) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &[&'static str]) -> Option<Format> {
        let headers = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value))).collect();
        Format::accepted(&headers).ok()
    }

    #[test]
    fn accept_chooses_the_format() {
        for (accept, format) in [
            (&[][..], Some(Format::Ndjson)),
            (&[""], Some(Format::Ndjson)),
            (&["*/*"], Some(Format::Ndjson)),
            (&["application/x-ndjson"], Some(Format::Ndjson)),
            (&["application/*"], Some(Format::Ndjson)),
            (&["text/csv"], Some(Format::Csv)),
            (&["TEXT/CSV; charset=utf-8"], Some(Format::Csv)),
            (&["text/*;q=0.1"], Some(Format::Csv)),
            (&["text/csv, application/x-ndjson"], Some(Format::Ndjson)),
            (&["text/csv", "application/x-ndjson;q=0.9"], Some(Format::Csv)),
            (&["text/csv;q=0.5, */*;q=0.4"], Some(Format::Csv)),
            (&["application/x-ndjson;q=0, */*"], Some(Format::Csv)),
            (&["text/html, */*;q=0.1"], Some(Format::Ndjson)),
            (&["application/json"], None),
            (&["*/*;q=0"], None),
            (&["text/csv;q=x"], None),
            (&["nonsense"], None),
        ] {
            assert_eq!(accepted(accept), format, "{accept:?}");
        }
    }

    #[test]
    fn no_cell_is_run_by_a_spreadsheet_and_every_cell_is_one() {
        let cells = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", "a=1", "a,b", "a \"b\"", "a\nb", ""];
        let line: [String; 12] = cells.map(str::to_owned);
        let text = String::from_utf8(csv([line]).expect("written")).expect("text");
        let expected = "'=1+1,'+1,'-1,'@x,'\tx,\"'\rx\",'＝1,a=1,\"a,b\",\"a \"\"b\"\"\",\"a\nb\",\r\n";
        assert_eq!(text, expected);
    }
}
