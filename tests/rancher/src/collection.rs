//! Lists: the envelope, its order and its pages.

use serde_json::{Map, Value, json};

use crate::filter;
use crate::http::Request;
use crate::link::Links;
use crate::schema::Type;
use crate::store::Row;

const DEFAULT_LIMIT: usize = 100;
const MAXIMAL_LIMIT: usize = 3000;

/// The query as pairs, in order.
pub(crate) fn query(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(request.query().as_bytes()).into_owned().collect()
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
}

/// The page of rows that a request asks for, wrapped. `render` makes a row's resource.
pub(crate) fn list(
    kind: &Type,
    mut rows: Vec<&Row>,
    request: &Request,
    links: &Links,
    case_sensitive: bool,
    render: impl Fn(&Row) -> Value,
) -> Value {
    let query = query(request);
    let filters = filter::parse(kind, &query);
    rows.retain(|row| filters.iter().all(|each| each.matches(row, case_sensitive)));
    let descending = parameter(&query, "order").is_some_and(|order| order.eq_ignore_ascii_case("desc"));
    let sort = parameter(&query, "sort").and_then(|name| filter::columns(kind).find(|column| *column == name));
    rows.sort_by_key(|row| (sort.map(|column| filter::cell(row, column)), row.id));
    if descending {
        rows.reverse();
    }

    let limit = limit(&query);
    let offset = parameter(&query, "marker")
        .and_then(|marker| marker.strip_prefix('m'))
        .and_then(|offset| offset.parse::<usize>().ok())
        .unwrap_or(0);
    let partial = rows.len() > offset.saturating_add(limit);
    let page = |offset: usize| links.absolute(&page_target(request, (offset > 0).then_some(offset)));
    let resources: Vec<Value> = rows.into_iter().skip(offset).take(limit).map(render).collect();

    let mut envelope = plain(kind.name, &links.to(&kind.plural.to_ascii_lowercase()), &resources);
    let sort_links: Map<String, Value> = filter::columns(kind)
        .map(|column| {
            let target = format!("{}?sort={column}", kind.plural.to_ascii_lowercase());
            (column.to_owned(), json!(links.to(&target)))
        })
        .collect();
    envelope["sortLinks"] = Value::Object(sort_links);
    envelope["pagination"] = json!({
        "first": (offset > 0).then(|| page(0)),
        "previous": (offset > 0).then(|| page(offset.saturating_sub(limit))),
        "next": partial.then(|| page(offset + limit)),
        "limit": limit, "total": null, "partial": partial,
    });
    envelope["sort"] = match sort {
        Some(column) => json!({ "name": column, "order": if descending { "desc" } else { "asc" }, "reverse": null }),
        None => Value::Null,
    };
    envelope["filters"] = filter::describe(kind, &filters);
    envelope
}

/// A list that knows neither filters nor pages.
pub(crate) fn plain(resource_type: &str, own_link: &str, resources: &[Value]) -> Value {
    json!({
        "type": "collection", "resourceType": resource_type, "links": { "self": own_link },
        "createTypes": {}, "actions": {}, "createDefaults": {}, "data": resources,
        "sortLinks": {}, "pagination": null, "sort": null, "filters": {},
    })
}

fn limit(query: &[(String, String)]) -> usize {
    match parameter(query, "limit").and_then(|text| text.parse::<i64>().ok()) {
        None => DEFAULT_LIMIT,
        Some(limit) => {
            usize::try_from(limit).ok().filter(|limit| (1..=MAXIMAL_LIMIT).contains(limit)).unwrap_or(MAXIMAL_LIMIT)
        }
    }
}

/// The request's own target with another marker.
fn page_target(request: &Request, offset: Option<usize>) -> String {
    let mut rest = form_urlencoded::Serializer::new(String::new());
    rest.extend_pairs(query(request).iter().filter(|(name, _)| name != "marker"));
    if let Some(offset) = offset {
        rest.append_pair("marker", &format!("m{offset}"));
    }
    match rest.finish() {
        rest if rest.is_empty() => request.path().to_owned(),
        rest => format!("{}?{rest}", request.path()),
    }
}
