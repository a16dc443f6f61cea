//! Requests that no well-behaved client sends.

use http::{Method, Request, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::start;

const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";

async fn send(client: &Client, request: Request<Vec<u8>>) -> (StatusCode, String) {
    let response = client.send(request.map(Body::from)).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect_bytes().await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The code, reason and message of the Status that answers a request with this content type and body.
async fn refused(client: &Client, method: Method, path: &str, content_type: &str, body: &str) -> (u16, String, String) {
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    let (status, body) = send(client, request.body(body.as_bytes().to_vec()).unwrap()).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["kind"], &body["status"]), (&json!("Status"), &json!("Failure")), "{body}");
    assert_eq!(body["code"], status.as_u16());
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    (status.as_u16(), text("reason"), text("message"))
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_as_by_a_real_server() {
    let (_cluster, client) = start().await;
    let json_type = "application/json";
    let refused = async |method: Method, path: &str, content_type: &str, body: &str| {
        let (code, reason, message) = refused(&client, method, path, content_type, body).await;
        (code, reason, message)
    };
    let (code, reason, message) = refused(Method::POST, INGRESSES, json_type, "{").await;
    assert_eq!((code, reason.as_str()), (400, "BadRequest"));
    assert!(message.starts_with("the object provided is unrecognized (must be of type Ingress)"), "{message}");
    let wrong_kind = r#"{"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"a"}}"#;
    let (code, _, message) = refused(Method::POST, INGRESSES, json_type, wrong_kind).await;
    assert!(code == 400 && message.contains("cannot be handled as a Ingress"), "{message}");
    let wrong_version = r#"{"apiVersion":"v1","kind":"Ingress","metadata":{"name":"a"}}"#;
    let (code, _, message) = refused(Method::POST, INGRESSES, json_type, wrong_version).await;
    assert_eq!(code, 400);
    assert_eq!(
        message,
        "the API version in the data (v1) does not match the expected API version (networking.k8s.io/v1)"
    );
    let (code, _, message) = refused(Method::POST, INGRESSES, "text/plain", "a").await;
    assert!(code == 415 && message.contains("the body of the request was in an unknown format"), "{message}");
    let (code, _, message) = refused(Method::PATCH, &format!("{INGRESSES}/a"), json_type, "{}").await;
    assert!(code == 415 && message.contains("application/apply-patch+yaml"), "{message}");
    let elsewhere = r#"{"metadata":{"name":"a","namespace":"other"}}"#;
    let (code, _, message) = refused(Method::POST, INGRESSES, json_type, elsewhere).await;
    assert_eq!(code, 400);
    assert_eq!(message, "the namespace of the provided object does not match the namespace sent on the request");
    let renamed = r#"{"metadata":{"name":"b"}}"#;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases/a";
    let (code, _, message) = refused(Method::PUT, leases, json_type, renamed).await;
    assert_eq!((code, message.as_str()), (400, "the name of the object (b) does not match the name on the URL (a)"));
    for path in [INGRESSES, "/apis/networking.k8s.io/v1/ingresses"] {
        assert_eq!(refused(Method::PUT, path, json_type, "{}").await.1, "MethodNotAllowed");
    }
    let nothing = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
    let (code, reason, message) = refused(Method::GET, nothing, json_type, "").await;
    assert_eq!((code, reason.as_str()), (404, "NotFound"));
    assert_eq!(message, "the server could not find the requested resource");
    let huge = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "a".repeat(4 << 20));
    assert_eq!(refused(Method::POST, INGRESSES, json_type, &huge).await.0, 413);
    let forced = format!("{INGRESSES}/a?force=true");
    let (code, _, message) = refused(Method::PATCH, &forced, "application/merge-patch+json", "{}").await;
    assert!(code == 422 && message.contains("force: Forbidden: may not be specified for non-apply patch"), "{message}");
    let initial = format!("{INGRESSES}?watch=1&sendInitialEvents=true");
    assert_eq!(refused(Method::GET, &initial, json_type, "").await.0, 422);
}

#[tokio::test]
async fn unacceptable_and_unknown() {
    let (_cluster, client) = start().await;
    let get =
        |path: &str, accept: &str| Request::builder().uri(path).header("accept", accept).body(Vec::new()).unwrap();
    let (status, _) = send(&client, get(INGRESSES, "application/vnd.kubernetes.protobuf")).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    let (status, body) = send(&client, get("/apis/batch/v1/jobs", "*/*")).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, "404 page not found\n"));
    let (status, body) = send(&client, get("/healthz", "*/*")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
}

#[tokio::test]
async fn the_future_is_not_known() {
    let (cluster, _client) = start().await;
    // Not by the client: it would try again and again, as it should.
    let mut connection = tokio::net::TcpStream::connect(cluster.address()).await.unwrap();
    let request =
        format!("GET {INGRESSES}?resourceVersion={} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", u64::MAX);
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("Too large resource version: 18446744073709551615, current: "), "{answer}");
}
