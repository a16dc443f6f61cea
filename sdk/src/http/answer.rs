use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Error;
use crate::Response;

/// How long an excerpt is at most, in bytes.
const EXCERPT: usize = 512;
/// How much of an API's own words an error shows, in bytes.
const WORDS: usize = 200;

/// What an API answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    request: String,
    response: Response,
    retry_after: Option<Duration>,
}

impl Answer {
    pub(super) fn new(request: &str, response: Response, now: u64) -> Self {
        let mut answer = Self { request: request.to_owned(), response, retry_after: None };
        answer.retry_after = answer.header("retry-after").and_then(|value| pause(value, now));
        answer
    }

    pub(super) fn succeeded(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status()) { Ok(self) } else { Err(Error::Status(Box::new(self))) }
    }

    /// What it is the answer to: method and path.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// The status code with its name, for example `503 Service Unavailable`; a code of an API's own has none.
    pub fn status_line(&self) -> String {
        match reason(self.status()) {
            "" => self.status().to_string(),
            reason => format!("{} {reason}", self.status()),
        }
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.response.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.response.body
    }

    /// The body as JSON; an empty one is `null`. The error names the place in the document.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let body = self.response.body.trim_ascii();
        let body = if body.is_empty() { b"null" } else { body };
        let error = |path: String, message: String| Error::Decode {
            request: self.request.clone(),
            path,
            message,
            excerpt: excerpt(&self.response.body, WORDS),
        };
        let mut json = serde_json::Deserializer::from_slice(body);
        let decoded = serde_path_to_error::deserialize(&mut json)
            .map_err(|failed| error(failed.path().to_string(), failed.inner().to_string()))?;
        json.end().map_err(|trailing| error(".".to_owned(), trailing.to_string()))?;
        Ok(decoded)
    }

    /// The beginning of the body, in one printable line of at most 512 bytes.
    pub fn excerpt(&self) -> String {
        excerpt(&self.response.body, EXCERPT)
    }

    /// What the API says of an error, in one printable line of at most 200 bytes: the message in its JSON, else the beginning
    /// of the body.
    pub fn words(&self) -> String {
        let json: Value = serde_json::from_slice(&self.response.body).unwrap_or_default();
        let text = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let said = ["message", "detail", "error_description", "error", "title"]
            .iter()
            .find_map(|key| text(&json[key]).or_else(|| text(&json[key]["message"])));
        said.map_or_else(|| excerpt(&self.response.body, WORDS), |said| excerpt(said.as_bytes(), WORDS))
    }

    /// How long the API asks to wait, by its `retry-after`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Shows no body: it may hold secrets.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("request", &self.request)
            .field("status", &self.response.status)
            .field("body bytes", &self.response.body.len())
            .finish_non_exhaustive()
    }
}

/// The name of a status that APIs answer with, by RFC 9110 and RFC 6585.
fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        423 => "Locked",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

/// Seconds, or the date until which to wait.
fn pause(retry_after: &str, now: u64) -> Option<Duration> {
    let value = retry_after.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(until.saturating_sub(Duration::from_millis(now)))
}

/// The beginning of a text as one printable line of at most so many bytes.
pub(super) fn excerpt(text: &[u8], most: usize) -> String {
    const CUT: &str = "...";
    let text = String::from_utf8_lossy(text);
    let mut line = String::new();
    for character in text.chars().map(|character| if character.is_control() { ' ' } else { character }) {
        if line.len() + character.len_utf8() > most {
            while line.len() + CUT.len() > most {
                line.pop();
            }
            line.push_str(CUT);
            break;
        }
        if character != ' ' || !line.ends_with(' ') {
            line.push(character);
        }
    }
    line.trim().to_owned()
}
