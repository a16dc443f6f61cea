//! Contents from and to a registry, never more than was announced.

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION},
};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{Request, Session, failure};
use crate::{
    Digest, Error,
    digest::Digesting,
    manifest::{DOCKER_MANIFEST, Descriptor, INDEX, MANIFEST, MAX_MANIFEST},
};

/// The most that is read of tokens and of errors, in bytes.
pub(super) const SMALL: u64 = 256 << 10;

impl Session<'_> {
    /// The manifest with a tag or a digest, as it is, and its digest. It is asked for as an index too, so that one can
    /// be told for what it is.
    pub(crate) async fn manifest(&self, tag_or_digest: &str, what: &str) -> Result<(Vec<u8>, Digest), Error> {
        let accept = HeaderValue::from_str(&[MANIFEST, INDEX, DOCKER_MANIFEST].join(", "));
        let request = Request::new(Method::GET, format!("manifests/{tag_or_digest}"))
            .header(ACCEPT, accept.expect("media types may stand in a header"));
        let response = self.send(request, what, &[]).await?;
        let told = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok()?.parse().ok());
        let content = read_all(response, what, &self.registry(), MAX_MANIFEST).await?;
        let found = Digest::of(&content);
        match tag_or_digest.parse().ok().or(told) {
            Some(expected) if expected != found => {
                Err(Error::Corrupt { registry: self.registry(), what: what.to_owned(), expected, found })
            }
            _ => Ok((content, found)),
        }
    }

    /// Writes a blob into `sink`. Its size and digest are those of the descriptor, or it is an error.
    pub(crate) async fn blob(
        &self,
        descriptor: &Descriptor,
        what: &str,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), BlobError> {
        let (registry, what) = (self.registry(), what.to_owned());
        let Descriptor { digest: expected, size, .. } = *descriptor;
        let request = Request::new(Method::GET, format!("blobs/{expected}"));
        let mut response = self.send(request, &what, &[]).await?;
        let mut digesting = Digesting::new();
        let mut received = 0;
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) if received > 0 && !error.is_timeout() => {
                    tracing::debug!(%registry, reason = failure::chain(&error), "the download broke off");
                    break;
                }
                Err(error) => return Err(failure::of_request(&error, &registry).into()),
            };
            received += chunk.len() as u64;
            if received > size {
                return Err(Error::Oversized { registry, what, limit: size }.into());
            }
            digesting.update(&chunk);
            sink.write_all(&chunk).await.map_err(BlobError::Sink)?;
        }
        sink.flush().await.map_err(BlobError::Sink)?;
        if received < size {
            return Err(Error::Truncated { registry, what, expected: size, received }.into());
        }
        let found = digesting.finish();
        if found == expected { Ok(()) } else { Err(Error::Corrupt { registry, what, expected, found }.into()) }
    }

    /// Brings a blob to the registry, unless it is there.
    pub(crate) async fn put_blob(&self, content: Bytes, what: &str) -> Result<(), Error> {
        let digest = Digest::of(&content);
        let here = Request::new(Method::HEAD, format!("blobs/{digest}"));
        if self.send(here, what, &[StatusCode::NOT_FOUND]).await?.status().is_success() {
            return Ok(());
        }
        let response = self.send(Request::new(Method::POST, "blobs/uploads/"), what, &[]).await?;
        let url = self.resolve(response.headers().get(LOCATION));
        let mut url = url.ok_or_else(|| Error::Unexpected {
            registry: self.registry(),
            action: what.to_owned(),
            answer: "no place to upload to".to_owned(),
        })?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let binary = HeaderValue::from_static("application/octet-stream");
        let upload = Request::to(Method::PUT, url).header(CONTENT_TYPE, binary).body(content);
        self.send(upload, what, &[]).await?;
        Ok(())
    }

    /// Names a manifest by a tag, or by its own digest.
    pub(crate) async fn put_manifest(&self, tag_or_digest: &str, content: Vec<u8>, what: &str) -> Result<(), Error> {
        let request = Request::new(Method::PUT, format!("manifests/{tag_or_digest}"))
            .header(CONTENT_TYPE, HeaderValue::from_static(MANIFEST))
            .body(content.into());
        self.send(request, what, &[]).await?;
        Ok(())
    }
}

/// Why a blob was not written.
pub(crate) enum BlobError {
    Source(Error),
    Sink(std::io::Error),
}

impl From<Error> for BlobError {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

/// A body of this many bytes at most.
pub(super) async fn read_all(mut response: Response, what: &str, registry: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure::of_request(&error, registry))? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Error::Oversized { registry: registry.to_owned(), what: what.to_owned(), limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
