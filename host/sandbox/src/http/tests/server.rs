use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use tokio::net::TcpListener;

/// A server on the loopback that ends with its test.
pub(super) struct Server {
    pub(super) url: String,
    requests: Arc<AtomicUsize>,
    authorizations: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request by `answer`.
    pub(super) async fn start<F, R>(answer: F) -> Self
    where
        F: Fn(Request) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response> + Send + 'static,
    {
        let requests = Arc::<AtomicUsize>::default();
        let authorizations = Arc::<Mutex<Vec<String>>>::default();
        let (counted, seen) = (requests.clone(), authorizations.clone());
        let router = Router::new().fallback(move |request: Request| {
            counted.fetch_add(1, Ordering::SeqCst);
            let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
            seen.lock().unwrap().push(authorization.unwrap_or_default());
            answer(request)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, requests, authorizations }
    }

    /// Tells what it was asked: method, path and query, headers in order, body length.
    pub(super) async fn echo() -> Self {
        Self::start(|request| async move {
            let line = format!("{} {}", request.method(), request.uri());
            let key = request.headers().get("x-api-key").map(|value| value.to_str().unwrap().to_owned());
            let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
            answer(200, &[("x-api-key", &key.unwrap_or_default())], format!("{line} {}", body.len()))
        })
        .await
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(super) fn authorizations(&self) -> Vec<String> {
        self.authorizations.lock().unwrap().clone()
    }
}

pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}
