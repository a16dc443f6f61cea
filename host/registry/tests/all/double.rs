//! What big registries do and `docker-registry` by itself does not: token servers, stores elsewhere, failures.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use lb_registry::{Digest, Reference};
use serde_json::json;

use crate::world::{Client, component, package, told};

/// How a registry behaves, and what it was told.
#[derive(Default)]
struct Double {
    /// Where the token server is; the registry asks for a token of it.
    realm: Option<String>,
    /// Where blobs are; the registry redirects there.
    store: Option<String>,
    /// Blobs have no end.
    endless: bool,
    /// What it answers instead.
    failure: Option<StatusCode>,
    /// The `Authorization` of each request, by path.
    seen: Mutex<Vec<(String, Option<String>)>>,
    /// The query of each request for a token, and of each upload.
    asked: Mutex<Vec<HashMap<String, String>>>,
}

type Shared = State<Arc<Double>>;

impl Double {
    async fn serve(self) -> (SocketAddr, Arc<Self>) {
        let double = Arc::new(self);
        let routes = Router::new()
            .route("/v2/", get(|| async {}))
            .route("/v2/team/nginx/manifests/{tag}", get(manifest))
            .route("/v2/team/nginx/blobs/{digest}", get(blob))
            .route("/token", get(token))
            .route("/upload", put(upload))
            .with_state(double.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (address, double)
    }

    fn see(&self, path: &str, headers: &HeaderMap) -> Option<String> {
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        self.seen.lock().unwrap().push((path.to_owned(), authorization.clone()));
        authorization
    }

    fn authorizations(&self, path: &str) -> Vec<Option<String>> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(seen, _)| seen == path).map(|(_, authorization)| authorization.clone()).collect()
    }

    /// Why a request is not answered yet.
    fn challenge(&self, authorization: Option<&str>) -> Option<Response> {
        if let Some(status) = self.failure {
            return Some(status.into_response());
        }
        let realm = self.realm.as_ref().filter(|_| authorization != Some("Bearer good"))?;
        let value = format!(r#"Bearer realm="{realm}",service="double",scope="repository:team/nginx:pull""#);
        Some((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, value)]).into_response())
    }
}

async fn manifest(State(double): Shared, headers: HeaderMap) -> Response {
    let authorization = double.see("manifest", &headers);
    if let Some(response) = double.challenge(authorization.as_deref()) {
        return response;
    }
    let layer = component("nginx");
    let manifest = json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}"), "size": 2
        },
        "layers": [{ "mediaType": "application/wasm", "digest": Digest::of(&layer), "size": layer.len() }],
    });
    manifest.to_string().into_response()
}

async fn blob(State(double): Shared, Path(digest): Path<String>, headers: HeaderMap) -> Response {
    let authorization = double.see("blob", &headers);
    if let Some(response) = double.challenge(authorization.as_deref()) {
        return response;
    }
    if double.endless {
        let chunk = Ok::<_, Infallible>(Bytes::from_static(&[0; 1024]));
        return Body::from_stream(futures::stream::repeat(chunk)).into_response();
    }
    match &double.store {
        Some(store) => {
            let location = format!("{store}/v2/team/nginx/blobs/{digest}?signature=letmein");
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
        }
        None => component("nginx").into_response(),
    }
}

async fn token(State(double): Shared, Query(query): Query<HashMap<String, String>>, headers: HeaderMap) -> Response {
    double.see("token", &headers);
    double.asked.lock().unwrap().push(query);
    r#"{"token": "good", "expires_in": 300}"#.into_response()
}

async fn upload(State(double): Shared, Query(query): Query<HashMap<String, String>>, headers: HeaderMap) -> StatusCode {
    double.see("upload", &headers);
    double.asked.lock().unwrap().push(query);
    StatusCode::CREATED
}

fn reference(registry: SocketAddr) -> Reference {
    Reference::parse(&format!("oci://{registry}/team/nginx:1")).unwrap()
}

fn with_login(registry: SocketAddr) -> Client {
    Client::in_directory(|directory, options| {
        let path = directory.join("config.json");
        let config = json!({"auths": {registry.to_string(): {"username": "robot", "password": "hunter2"}}});
        std::fs::write(&path, config.to_string()).unwrap();
        options.docker_config = Some(path);
    })
}

#[tokio::test]
async fn a_token_server_is_asked_once_for_all_of_a_pull() {
    let (tokens, token_server) = Double::default().serve().await;
    let realm = Some(format!("http://{tokens}/token"));
    let (address, double) = Double { realm, ..Double::default() }.serve().await;
    with_login(address).registry.pull(&reference(address), None).await.unwrap();
    // The password goes to the token server only, and nothing but the token to the registry.
    assert_eq!(token_server.authorizations("token"), [Some("Basic cm9ib3Q6aHVudGVyMg==".to_owned())]);
    assert_eq!(double.authorizations("manifest"), [None, Some("Bearer good".to_owned())]);
    assert_eq!(double.authorizations("blob"), [Some("Bearer good".to_owned())]);
    let asked = token_server.asked.lock().unwrap();
    assert_eq!(asked[0]["service"], "double");
    assert_eq!(asked[0]["scope"], "repository:team/nginx:pull");
}

#[tokio::test]
async fn public_artifacts_need_a_token_too() {
    let (tokens, token_server) = Double::default().serve().await;
    let realm = Some(format!("http://{tokens}/token"));
    let (address, _double) = Double { realm, ..Double::default() }.serve().await;
    Client::new().registry.pull(&reference(address), None).await.unwrap();
    assert_eq!(token_server.authorizations("token"), [None]);
}

#[tokio::test]
async fn a_store_elsewhere_is_not_told_who_asks() {
    let (tokens, _token_server) = Double::default().serve().await;
    let (elsewhere, store) = Double::default().serve().await;
    let realm = Some(format!("http://{tokens}/token"));
    let store_url = Some(format!("http://{elsewhere}"));
    let (address, _double) = Double { realm, store: store_url, ..Double::default() }.serve().await;
    with_login(address).registry.pull(&reference(address), None).await.unwrap();
    assert_eq!(store.authorizations("blob"), [None]);
}

#[tokio::test]
async fn a_store_elsewhere_cannot_ask_who_asks() {
    let (tokens, token_server) = Double::default().serve().await;
    let realm = Some(format!("http://{tokens}/token"));
    let (elsewhere, _store) = Double { realm, ..Double::default() }.serve().await;
    let store = Some(format!("http://{elsewhere}"));
    let (address, _double) = Double { store, ..Double::default() }.serve().await;
    let error = told(with_login(address).registry.pull(&reference(address), None).await);
    assert!(error.contains("401"), "{error}");
    assert_eq!(token_server.authorizations("token"), []);
}

#[tokio::test]
async fn a_component_without_end_is_read_as_far_as_it_should_go() {
    let (address, _double) = Double { endless: true, ..Double::default() }.serve().await;
    let client = Client::new();
    let error = told(client.registry.pull(&reference(address), None).await);
    assert!(error.contains(&format!("more than the {} bytes came", component("nginx").len())), "{error}");
    assert_eq!(client.partial(), 0);
}

#[tokio::test]
async fn a_registry_that_is_ill_is_not_one_that_says_no() {
    let (address, _double) =
        Double { failure: Some(StatusCode::SERVICE_UNAVAILABLE), ..Double::default() }.serve().await;
    let result = Client::new().registry.pull(&reference(address), None).await;
    assert!(result.as_ref().unwrap_err().is_transient());
    assert!(told(result).contains("503"));
    let (address, _double) = Double { failure: Some(StatusCode::IM_A_TEAPOT), ..Double::default() }.serve().await;
    let result = Client::new().registry.pull(&reference(address), None).await;
    assert!(!result.as_ref().unwrap_err().is_transient());
    assert!(told(result).contains("Is it a registry"));
}

#[tokio::test]
async fn a_redirect_without_end_is_not_followed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new()
        .route("/v2/", get(|| async {}))
        .fallback(|| async { (StatusCode::FOUND, [(header::LOCATION, "/again")]) });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let error = told(Client::new().registry.pull(&reference(address), None).await);
    assert!(error.contains("redirects too often"), "{error}");
}

/// A registry that asks for a password and has uploads sent elsewhere.
async fn uploads_elsewhere(elsewhere: SocketAddr) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |request: axum::extract::Request| async move {
        if request.headers().get(header::AUTHORIZATION).is_none() {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"double\"".to_owned())]);
        }
        let (status, location) = match *request.method() {
            Method::HEAD => (StatusCode::NOT_FOUND, String::new()),
            Method::POST => (StatusCode::ACCEPTED, format!("http://{elsewhere}/upload?session=1")),
            _ => (StatusCode::CREATED, String::new()),
        };
        (status, [(header::LOCATION, location)])
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    address
}

#[tokio::test]
async fn an_upload_elsewhere_is_not_told_who_pushes() {
    let (elsewhere, store) = Double::default().serve().await;
    let address = uploads_elsewhere(elsewhere).await;
    with_login(address).registry.push(&reference(address), &package("nginx"), None).await.unwrap();
    assert_eq!(store.authorizations("upload"), [None, None], "component and config");
    let asked = store.asked.lock().unwrap();
    let digests: Vec<_> = asked.iter().map(|query| (query["session"].as_str(), query["digest"].clone())).collect();
    assert_eq!(digests[0], ("1", Digest::of(&component("nginx")).to_string()));
}
