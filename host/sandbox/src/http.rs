//! Requests to the APIs that the operator granted: what is refused, and what the host adds.

mod address;
mod body;
mod credentials;
mod failure;
mod headers;
mod rate;
pub(crate) mod refusal;
pub(crate) mod target;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use lb_model::bindings::lb_controller::provider::http::{Request, Response};
use reqwest::{Client, ClientBuilder, redirect::Policy};
use rustls::ClientConfig;
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url};

use self::address::Resolver;
pub(crate) use self::{body::Room, failure::Failure};
use self::{
    credentials::Authentication,
    rate::Rate,
    refusal::{Reason, Refusal},
    target::Base,
};
use crate::configuration::{HttpGrant, InvalidConfiguration};

const USER_AGENT: &str = concat!("lb-controller/", env!("CARGO_PKG_VERSION"));

/// One grant, ready for use: connections are pooled, and concurrency and rate hold over all calls of the provider.
pub(crate) struct HttpClient {
    grant: HttpGrant,
    base: Base,
    authentication: Option<Authentication>,
    client: Client,
    resolver: Resolver,
    tls: ClientConfig,
    permits: Semaphore,
    rate: Rate,
}

/// A request that may be sent.
struct Permitted {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl HttpClient {
    /// Reads what the configuration refers to, and sets the client up. Nothing is connected yet.
    pub(crate) fn new(name: &str, grant: HttpGrant) -> Result<Self, InvalidConfiguration> {
        let key = format!("grants.http.{name}");
        let base = Base::read(&key, &grant)?;
        let resolver = Resolver::new(grant.allow_addresses.clone());
        let literal = match base.url().host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(Err(refusal)) = literal.map(|address| resolver.check(address)) {
            return Err(InvalidConfiguration::new(format!("{key}.base-url"), format!("names {refusal}")));
        }
        let credentials_key = format!("{key}.credentials");
        let authentication =
            grant.credentials.as_ref().map(|from| Authentication::read(&credentials_key, from)).transpose()?;
        let tls = tls::client_config(&key, grant.ca_file.as_deref(), base.url().scheme() == "https")?;
        let mut negotiating = tls.clone();
        negotiating.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = client(&grant, negotiating, resolver.clone())
            .build()
            .map_err(|error| InvalidConfiguration::new(&key, error.to_string()))?;
        Ok(Self {
            permits: Semaphore::new(grant.concurrency as usize),
            rate: Rate::new(grant.requests_per_second, grant.burst),
            grant,
            base,
            authentication,
            client,
            resolver,
            tls,
        })
    }

    /// Sends a request and reads the whole answer. Dropping the future ends the exchange.
    pub(crate) async fn exchange(&self, request: Request, room: &Room) -> Result<Response, Failure> {
        let limit = self.time_for(&request);
        let permitted = self.permit(request)?;
        match timeout(limit, self.follow(permitted, room)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Failure::Timeout(format!("no complete answer within {} ms", limit.as_millis()))),
        }
    }

    fn time_for(&self, request: &Request) -> Duration {
        let wanted = request.timeout.map_or(Duration::MAX, |milliseconds| Duration::from_millis(milliseconds.into()));
        wanted.min(self.grant.timeout())
    }

    fn permit(&self, request: Request) -> Result<Permitted, Refusal> {
        let Request { method, target, headers, body, timeout: _ } = request;
        if !self.grant.methods.contains(&method) {
            let methods: Vec<_> = self.grant.methods.iter().map(String::as_str).collect();
            let message = format!("the method is not among those granted: {}", methods.join(", "));
            return Err(Refusal::new(Reason::Method, message));
        }
        let url = self.base.resolve(&target)?;
        let headers = headers::outgoing(&headers, self.own_header())?;
        let most = self.grant.request_max_bytes;
        if body.len() as u64 > most {
            let message = format!("the body has {} bytes, of {most} at most (`request-max-bytes`)", body.len());
            return Err(Refusal::new(Reason::Size, message));
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a granted method is a known one");
        Ok(Permitted { method, url, headers, body: body.into() })
    }

    /// Sends, and goes where the answer says as often as is granted.
    async fn follow(&self, mut request: Permitted, room: &Room) -> Result<Response, Failure> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let may_follow = matches!(request.method, Method::GET | Method::HEAD);
        for redirects in 0_u32.. {
            let answer = self.send(&request).await?;
            let location = answer.headers().get(header::LOCATION).filter(|_| answer.status().is_redirection());
            let Some(location) = location.filter(|_| may_follow && redirects < self.grant.redirects) else {
                return body::read(answer, self.own_header(), self.grant.response_max_bytes, room).await;
            };
            request.url = self.redirected(&request.url, location)?;
        }
        unreachable!("the last redirect was answered above")
    }

    async fn send(&self, request: &Permitted) -> Result<reqwest::Response, Failure> {
        self.rate.take().await;
        let mut headers = request.headers.clone();
        self.authenticate(&mut headers)?;
        let sending = self.client.request(request.method.clone(), request.url.clone()).headers(headers);
        let sending = if request.body.is_empty() { sending } else { sending.body(request.body.clone()) };
        sending.send().await.map_err(Failure::from)
    }

    /// Where a redirect leads, by the same rules as a request.
    fn redirected(&self, from: &Url, location: &HeaderValue) -> Result<Url, Refusal> {
        let refuse = |message: String| Refusal::new(Reason::Redirect, message);
        let mut url = location
            .to_str()
            .ok()
            .and_then(|location| from.join(location).ok())
            .ok_or_else(|| refuse("the server redirects to what is no URL".to_owned()))?;
        url.set_fragment(None);
        let host = url.origin().ascii_serialization();
        let rebased = self
            .base
            .resolve(url.as_str())
            .map_err(|refusal| refuse(format!("the server redirects to {host}, outside the grant: {refusal}")))?;
        if rebased == *from {
            return Err(refuse(format!(
                "the server redirects to {host} where a request is rebased onto the base URL again; set `base-url` to it"
            )));
        }
        Ok(rebased)
    }

    fn own_header(&self) -> Option<&HeaderName> {
        self.authentication.as_ref().map(Authentication::header)
    }

    fn authentication(&self) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
        let Some(authentication) = &self.authentication else { return Ok(None) };
        let value = authentication
            .value()
            .map_err(|reason| Failure::Connect(format!("cannot connect: the host has no credentials: {reason}")))?;
        Ok(Some((authentication.header().clone(), value)))
    }
}

/// What a subscription uses of its grant.
impl HttpClient {
    /// The URL of a path that the operator configured.
    pub(crate) fn url_of(&self, path: &str) -> Result<Url, Refusal> {
        self.base.join(path)
    }

    /// A client that only opens what is then upgraded, which HTTP/2 has no way to.
    pub(crate) fn client_for_upgrades(&self) -> reqwest::Result<Client> {
        let builder = client(&self.grant, self.tls.clone(), self.resolver.clone());
        builder.http1_only().pool_max_idle_per_host(0).build()
    }

    /// Adds who asks.
    pub(crate) fn authenticate(&self, headers: &mut HeaderMap) -> Result<(), Failure> {
        if let Some((name, value)) = self.authentication()? {
            headers.insert(name, value);
        }
        Ok(())
    }

    pub(crate) fn grant(&self) -> &HttpGrant {
        &self.grant
    }
}

/// What all clients have in common: checked addresses, our TLS, and nothing done unasked.
fn client(grant: &HttpGrant, tls: ClientConfig, resolver: Resolver) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(resolver)
        .connect_timeout(grant.connect_timeout())
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(USER_AGENT)
}

#[cfg(test)]
pub(crate) mod test_authority;
#[cfg(test)]
mod tests;
