//! One conversation with one repository of a registry.

mod challenge;
mod failure;
mod tls;
pub(crate) mod transfer;

use std::{path::PathBuf, sync::Mutex, sync::PoisonError, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use self::challenge::Challenge;
use crate::{Error, Reference, credentials::Credential, error::one_line};

const USER_AGENT: &str = concat!("lb-controller/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// As many as a registry needs to lead to the store behind it.
const MAX_REDIRECTS: usize = 5;

/// How registries are reached, and as whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// Registries that are spoken to without TLS, as they stand in references.
    pub(crate) plain_http: Vec<String>,
    pub(crate) docker_config: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Pull,
    Push,
}

/// Nothing is read or connected before the first request.
pub(crate) struct Session<'a> {
    access: &'a Access,
    reference: &'a Reference,
    scope: Scope,
    connection: OnceCell<Connection>,
}

struct Connection {
    client: Client,
    base: Url,
    credential: Option<Credential>,
    /// What the last challenge was answered with.
    authorization: Mutex<Option<HeaderValue>>,
}

/// A request that can be sent twice: again, once the registry has said whom it wants to hear it from.
pub(crate) struct Request {
    method: Method,
    url: Target,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Bytes>,
}

enum Target {
    /// Below `/v2/<repository>/`.
    Path(String),
    /// Where the registry says to go on.
    Url(Url),
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, url: Target::Path(path.into()), headers: Vec::new(), body: None }
    }

    pub(crate) fn to(method: Method, url: Url) -> Self {
        Self { method, url: Target::Url(url), headers: Vec::new(), body: None }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self
    }
}

impl<'a> Session<'a> {
    pub(crate) fn new(access: &'a Access, reference: &'a Reference, scope: Scope) -> Self {
        Self { access, reference, scope, connection: OnceCell::new() }
    }

    pub(crate) fn reference(&self) -> &Reference {
        self.reference
    }

    /// The registry as people know it.
    pub(crate) fn registry(&self) -> String {
        self.reference.registry().to_owned()
    }

    /// Sends a request and answers the registry's challenge. `action` names it in errors; every answer that is no
    /// success is an error, but for those in `also`.
    pub(crate) async fn send(&self, request: Request, action: &str, also: &[StatusCode]) -> Result<Response, Error> {
        let connection = self.connection.get_or_try_init(|| self.connect()).await?;
        let known = connection.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut response = self.attempt(connection, &request, known).await?;
        // A store elsewhere, which a redirect led to, may not choose who is told the password.
        let ours = response.url().origin() == connection.base.origin();
        if response.status() == StatusCode::UNAUTHORIZED
            && ours
            && let Some(authorization) = self.answer(connection, &response, action).await?
        {
            *connection.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization.clone());
            response = self.attempt(connection, &request, Some(authorization)).await?;
        }
        let status = response.status();
        if status.is_success() || also.contains(&status) {
            return Ok(response);
        }
        let credential = connection.credential.as_ref();
        Err(failure::of_answer(response, &self.registry(), action, credential, self.access.docker_config.is_some())
            .await)
    }

    async fn attempt(
        &self,
        connection: &Connection,
        request: &Request,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, Error> {
        let url = match &request.url {
            Target::Path(path) => {
                let path = format!("v2/{}/{path}", self.reference.repository());
                connection.base.join(&path).expect("a checked repository makes a path")
            }
            Target::Url(url) => url.clone(),
        };
        // The store that a registry sends us on to is not to see who we are.
        let ours = url.origin() == connection.base.origin();
        let mut sending = connection.client.request(request.method.clone(), url);
        for (name, value) in &request.headers {
            sending = sending.header(name, value);
        }
        if let Some(authorization) = authorization.filter(|_| ours) {
            sending = sending.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        sending.send().await.map_err(|error| failure::of_request(&error, &self.registry()))
    }

    /// What the registry wants to be told before it answers; none if we have nothing to tell.
    async fn answer(
        &self,
        connection: &Connection,
        response: &Response,
        action: &str,
    ) -> Result<Option<HeaderValue>, Error> {
        match Challenge::read(response.headers()) {
            Some(Challenge::Basic) => Ok(connection.credential.as_ref().map(Credential::basic)),
            Some(Challenge::Bearer(server)) => {
                let actions = if self.scope == Scope::Push { "pull,push" } else { "pull" };
                let scope = format!("repository:{}:{actions}", self.reference.repository());
                let url = server.url(&connection.base, &scope).map_err(|answer| Error::Unexpected {
                    registry: self.registry(),
                    action: action.to_owned(),
                    answer: one_line(&answer),
                })?;
                self.token(connection, url, action).await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn token(&self, connection: &Connection, url: Url, action: &str) -> Result<HeaderValue, Error> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(alias = "access_token")]
            token: String,
        }
        let mut sending = connection.client.get(url);
        if let Some(credential) = &connection.credential {
            sending = sending.header(AUTHORIZATION, credential.basic());
        }
        let response = sending.send().await.map_err(|error| failure::of_request(&error, &self.registry()))?;
        if !response.status().is_success() {
            let credential = connection.credential.as_ref();
            let knows_file = self.access.docker_config.is_some();
            return Err(failure::of_answer(response, &self.registry(), action, credential, knows_file).await);
        }
        let body = transfer::read_all(response, "a token", &self.registry(), transfer::SMALL).await?;
        let token = serde_json::from_slice(&body).ok().map(|Token { token }| format!("Bearer {token}"));
        let value = token.and_then(|token| HeaderValue::from_str(&token).ok());
        let mut value = value.ok_or_else(|| Error::Unexpected {
            registry: self.registry(),
            action: "a request for a token".to_owned(),
            answer: "no token".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let registry = self.reference.registry();
        let file = self.access.docker_config.as_deref();
        let credential = file.map(|path| Credential::find(path, registry)).transpose()?.flatten();
        let loopback = self.reference.is_loopback();
        let mut plain = self.access.plain_http.iter().any(|named| named.eq_ignore_ascii_case(registry));
        let client = self.client(loopback, !plain)?;
        if loopback && !plain {
            plain = !speaks_tls(&client, &self.base(false)).await;
        }
        Ok(Connection { client, base: self.base(plain), credential, authorization: Mutex::new(None) })
    }

    fn client(&self, loopback: bool, with_tls: bool) -> Result<Client, Error> {
        let tls = tls::client_config(self.access.ca_file.as_deref(), with_tls)?;
        let redirect = Policy::custom(|attempt| {
            let downgrade = |url: &Url| url.scheme() == "https" && attempt.url().scheme() != "https";
            if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error("it redirects too often")
            } else if attempt.previous().iter().any(downgrade) {
                attempt.error("it redirects from https to http")
            } else {
                attempt.follow()
            }
        });
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(redirect)
            .referer(false)
            .user_agent(USER_AGENT);
        let builder = if loopback { builder.no_proxy() } else { builder };
        builder.build().map_err(|error| failure::of_request(&error, &self.registry()))
    }

    fn base(&self, plain: bool) -> Url {
        let scheme = if plain { "http" } else { "https" };
        let url = format!("{scheme}://{}/", self.reference.authority());
        url.parse().expect("a checked registry makes a URL")
    }

    /// Where the registry says to go on, relative to itself.
    pub(crate) fn resolve(&self, location: Option<&HeaderValue>) -> Option<Url> {
        let base = &self.connection.get()?.base;
        base.join(location?.to_str().ok()?).ok().filter(|url| url.scheme() == base.scheme() || url.scheme() == "https")
    }
}

/// Whether a registry on this machine has TLS. Anything but a clear no is a yes, and then an error says what it is.
async fn speaks_tls(client: &Client, base: &Url) -> bool {
    match client.get(base.join("v2/").expect("a path can be joined")).send().await {
        Ok(_) => true,
        Err(error) => !failure::is_no_tls(&error),
    }
}
