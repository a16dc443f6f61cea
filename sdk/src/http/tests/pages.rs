use std::cell::Cell;

use serde::Deserialize;
use serde_json::json;

use super::{Client, Error, TestHost, json_response, sent};

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<u32>,
    next: Option<String>,
}

/// An API with so many pages; the list starts at `/list?page=0`.
fn paged(pages: u32) -> TestHost {
    let host = TestHost::default();
    host.serve_http(move |_, request| {
        let page: u32 = request.target.rsplit('=').next().unwrap().parse().unwrap();
        let next = (page + 1 < pages).then(|| format!("https://api/list?page={}", page + 1));
        Ok(json_response(200, &json!({ "data": [page * 10, page * 10 + 1], "next": next })))
    });
    host
}

fn next(page: &Page) -> Option<String> {
    page.next.clone()
}

#[test]
fn pages_are_followed_to_the_last() {
    let host = paged(3);
    let api = Client::new(&host, "api");
    let pages: Vec<_> = api.pages("/list?page=0", next).collect::<Result<_, _>>().unwrap();
    assert_eq!(pages.into_iter().flat_map(|page| page.data).collect::<Vec<_>>(), [0, 1, 10, 11, 20, 21]);
    assert_eq!(sent(&host), ["GET /list?page=0", "GET https://api/list?page=1", "GET https://api/list?page=2"]);
}

#[test]
fn a_page_is_read_when_it_is_asked_for() {
    let host = paged(3);
    let api = Client::new(&host, "api");
    let found = api.pages("/list?page=0", next).position(|page| page.unwrap().data.contains(&11));
    assert_eq!(found, Some(1));
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn a_list_without_end_is_an_error() {
    let host = paged(u32::MAX);
    let api = Client::new(&host, "api").most_pages(4);
    let mut pages = api.pages("/list?page=0", next);
    assert!(pages.by_ref().take(4).all(|page| page.is_ok()));
    let error = pages.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "GET /list: the list has more than 4 pages");
    assert!(pages.next().is_none());
    assert_eq!(host.requests().len(), 4);

    let host = paged(4);
    let api = Client::new(&host, "api").most_pages(4);
    let pages: Result<Vec<_>, _> = api.pages("/list?page=0", next).collect();
    assert_eq!(pages.unwrap().len(), 4, "as many as allowed is no error");
}

#[test]
fn the_first_error_ends_the_list() {
    let host = TestHost::default();
    let calls = Cell::new(0);
    host.answer_http(Ok(json_response(200, &json!({ "data": [], "next": "/b" }))));
    host.answer_http(Ok(json_response(403, &json!({}))));
    let api = Client::new(&host, "api");
    let mut pages = api.pages("/a", |page: &Page| {
        calls.set(calls.get() + 1);
        page.next.clone()
    });
    assert!(pages.next().unwrap().is_ok());
    assert_eq!(pages.next().unwrap().unwrap_err().status(), Some(403));
    assert!(pages.next().is_none());
    assert_eq!((calls.get(), host.requests().len()), (1, 2));
}

#[test]
fn a_page_is_sent_again_like_any_read() {
    let host = TestHost::default();
    host.answer_http(Ok(super::empty(503)));
    host.answer_http(Ok(json_response(200, &json!({ "data": [1] }))));
    let api = Client::new(&host, "api");
    let pages: Result<Vec<_>, Error> = api.pages("/a", next).collect();
    assert_eq!(pages.unwrap()[0].data, [1]);
}
