//! How the bytes of an answer reach the client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

use super::listener::Connection;

pub(super) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Between the first half of an answer and the reset, for the first half to reach the client.
const BEFORE_CUT: Duration = Duration::from_millis(10);

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// The bytes in ten pieces a second.
pub(super) fn slow(bytes: &[u8], bytes_per_second: u32) -> Body {
    let piece = (bytes_per_second / 10).max(1);
    let pause = Duration::from_secs_f64(f64::from(piece) / f64::from(bytes_per_second.max(1)));
    let piece = usize::try_from(piece).unwrap_or(usize::MAX);
    let pieces: Vec<Bytes> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    let paced = stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok(Frame::data(piece))
    });
    StreamBody::new(paced).boxed_unsync()
}

/// The first half of the bytes, then a reset.
pub(super) fn cut(mut bytes: Vec<u8>, connection: Arc<Connection>) -> Body {
    bytes.truncate(bytes.len() / 2);
    let half = stream::iter([Ok(Frame::data(Bytes::from(bytes)))]);
    let reset = stream::once(async move {
        tokio::time::sleep(BEFORE_CUT).await;
        connection.reset();
        std::future::pending().await
    });
    StreamBody::new(half.chain(reset)).boxed_unsync()
}
