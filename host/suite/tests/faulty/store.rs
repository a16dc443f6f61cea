//! An API that keeps documents: `GET`, `PUT` and `DELETE` of `/<collection>/<key>`, `GET /<collection>` lists.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::AbortHandle};
use url::Url;

/// What each answer takes, so that a call has points at which it can end.
const LATENCY: Duration = Duration::from_millis(5);

type Documents = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// Serves until it is dropped.
pub(crate) struct Store {
    url: Url,
    server: AbortHandle,
}

impl Store {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(answer).with_state(Documents::default());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }).abort_handle();
        Self { url, server }
    }

    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(documents): State<Documents>, method: Method, uri: Uri, body: Bytes) -> Response {
    tokio::time::sleep(LATENCY).await;
    let mut documents = documents.lock().unwrap();
    let path = uri.path();
    if path.matches('/').count() == 1 {
        let below = |known: &&String| known.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        let keys: Vec<_> = documents.keys().filter(below).cloned().collect();
        let all: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(&documents[key]).into_owned()).collect();
        return format!("[{}]", all.join(",")).into_response();
    }
    match method {
        Method::PUT => {
            documents.insert(path.to_owned(), body);
            StatusCode::NO_CONTENT.into_response()
        }
        Method::DELETE => {
            documents.remove(path).map_or(StatusCode::NOT_FOUND, |_| StatusCode::NO_CONTENT).into_response()
        }
        _ => documents.get(path).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |it| it.clone().into_response()),
    }
}
