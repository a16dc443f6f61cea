use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderName;
use lb_model::bindings::lb_controller::provider::http::Response;

use super::{Failure, headers};

/// How many bytes the answers to one call of the host may have together.
#[derive(Debug)]
pub(crate) struct Room {
    most: u64,
    left: AtomicU64,
}

impl Room {
    pub(crate) fn new(most: u64) -> Self {
        Self { most, left: AtomicU64::new(most) }
    }

    fn take(&self, bytes: u64) -> Result<(), Failure> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::TooLarge(format!(
                "the answers have more than {} bytes together (`limits.bytes`); ask for less at once",
                self.most
            ))),
        }
    }
}

/// Reads an answer and stops where it becomes too large.
pub(crate) async fn read(
    mut answer: reqwest::Response,
    own: Option<&HeaderName>,
    most: u64,
    room: &Room,
) -> Result<Response, Failure> {
    let too_large = || Failure::TooLarge(format!("the answer has more than {most} bytes (`response-max-bytes`)"));
    let status = answer.status().as_u16();
    let headers = headers::incoming(answer.headers(), own);
    let announced = answer.content_length().unwrap_or_default();
    if announced > most {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let length = chunk.len() as u64;
        if body.len() as u64 + length > most {
            return Err(too_large());
        }
        room.take(length)?;
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body })
}
