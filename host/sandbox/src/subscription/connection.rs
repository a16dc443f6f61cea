//! One connection: made by the HTTP client as any request is, then upgraded to a websocket.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Client, Upgraded};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};
use url::Url;

use crate::{
    configuration::InvalidConfiguration,
    http::{Failure, HttpClient},
};

/// Where a subscription connects to, and how.
pub(super) struct Connector {
    grant: Arc<HttpClient>,
    client: Client,
    url: Url,
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the server answers {0} to the handshake: {hint}", hint = hint(*.0))]
    Status(StatusCode),
    #[error("the server answers the handshake wrongly: {0}")]
    Handshake(&'static str),
    #[error("no handshake in time (`timeout-ms`)")]
    Timeout,
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Refused {
    /// Whether somebody has to do something before it can work.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND))
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "check the `credentials` of the HTTP grant",
        StatusCode::FORBIDDEN => "the `credentials` of the HTTP grant may not subscribe; use others",
        StatusCode::NOT_FOUND => "check `base-url` of the HTTP grant and `path` of the subscription",
        _ => "no websocket was opened",
    }
}

impl Connector {
    pub(super) fn new(grant: Arc<HttpClient>, key: &str, path: &str) -> Result<Self, InvalidConfiguration> {
        let url = grant.url_of(path);
        let url = url.map_err(|refusal| InvalidConfiguration::new(format!("{key}.path"), refusal.to_string()))?;
        let client = grant.client_for_upgrades();
        let client = client.map_err(|error| InvalidConfiguration::new(key, error.to_string()))?;
        Ok(Self { grant, client, url })
    }

    /// Connects and shakes hands.
    pub(super) async fn open(&self) -> Result<WebSocketStream<Upgraded>, Refused> {
        let grant = self.grant.grant();
        let stream = timeout(grant.timeout(), self.upgrade()).await.unwrap_or(Err(Refused::Timeout))?;
        let most = usize::try_from(grant.response_max_bytes).unwrap_or(usize::MAX);
        let limits = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
        Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits)).await)
    }

    /// The opening handshake of RFC 6455.
    async fn upgrade(&self) -> Result<Upgraded, Refused> {
        let key = generate_key();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).expect("base64 may stand in a header"));
        self.grant.authenticate(&mut headers)?;
        let answer = self.client.get(self.url.clone()).headers(headers).send().await.map_err(Failure::from)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refused::Status(answer.status()));
        }
        let is = |name, expected: &str| {
            answer.headers().get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected.as_bytes()))
        };
        if !is(header::UPGRADE, "websocket") {
            return Err(Refused::Handshake("it upgrades to something else than a websocket"));
        }
        let accepted = answer.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|value| value.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(Refused::Handshake("its key is not the one that belongs to ours"));
        }
        Ok(answer.upgrade().await.map_err(Failure::from)?)
    }
}
