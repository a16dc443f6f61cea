//! Discovery, version, health and OpenAPI.

use http::{Method, StatusCode};

use super::target::Document;
use super::{Answer, Api, Call, json, json_bytes, text};
use crate::status::Status;
use crate::{discovery, object, openapi};

impl Api {
    pub(super) fn document(&self, call: &Call, document: Document) -> Answer {
        if call.method != Method::GET {
            return Err(Status::method_not_allowed());
        }
        let not_found = || Ok(text(StatusCode::NOT_FOUND, "404 page not found\n"));
        match document {
            Document::Health => Ok(text(StatusCode::OK, "ok")),
            Document::Version => Ok(json(&discovery::version())),
            Document::CoreVersions => match call.discovery_version()? {
                Some(version) => Ok(aggregated(true, version)),
                None => Ok(json(&discovery::core_versions(&self.address))),
            },
            Document::Groups => match call.discovery_version()? {
                Some(version) => Ok(aggregated(false, version)),
                None => Ok(json(&discovery::group_list())),
            },
            Document::Group(group) => match discovery::group(&group) {
                Some(document) => Ok(json(&document)),
                None => not_found(),
            },
            Document::Resources(group) => match discovery::resource_list(&group) {
                Some(document) => Ok(json(&document)),
                None => not_found(),
            },
            Document::OpenApiIndex => Ok(json(&openapi::index())),
            Document::OpenApi(group) => match openapi::document(&group) {
                Some(document) => Ok(json(&document)),
                None => not_found(),
            },
        }
    }
}

fn aggregated(core: bool, version: &str) -> http::Response<super::Body> {
    let body = object::serialize(&discovery::aggregated(core, version));
    let mut response = json_bytes(StatusCode::OK, body);
    let media_type = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    let media_type = media_type.parse().expect("a media type is a valid header value");
    response.headers_mut().insert(http::header::CONTENT_TYPE, media_type);
    response
}
