//! From a request to its answer: key, scope, type, row, verb.

use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::collection;
use crate::error::{ApiError, Result};
use crate::http::{Request, Response};
use crate::link::Links;
use crate::schema::{self, Rights, SETTING, Type, discovery};
use crate::scope::{self, BASE, Scope};
use crate::setting;
use crate::store::{Id, Row};
use crate::world::World;

/// A path, split: the project it names and what follows.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) project: Option<String>,
    pub(crate) rest: Vec<String>,
}

impl Path {
    /// Splits a path below `/v2-beta`; any other names nothing, `/v1` too. The project is a scope only if something
    /// follows its id; otherwise it is the resource that is asked for.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let decode = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let mut segments: Vec<String> = path.split('/').filter(|each| !each.is_empty()).map(decode).collect();
        if segments.first().map(String::as_str) != Some(&BASE[1..]) {
            return None;
        }
        segments.remove(0);
        let scoped = segments.len() > 2 && matches!(segments[0].as_str(), "projects" | "project");
        let project = scoped.then(|| segments.drain(..2).nth(1)).flatten();
        Some(Self { project, rest: segments })
    }
}

/// The form that HTTP has for a moment.
fn http_date(moment: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).expect("a clock stays within the years of four digits")
}

/// A request with all that was found out about it.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    pub(crate) scope: Scope,
    pub(crate) links: Links,
}

/// What a verb came to: status and body.
type Answer = (u16, Value);

impl World {
    pub(crate) fn handle(&mut self, request: &Request) -> Response {
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned()),
            // By the clock that `created` is by.
            ("Date".to_owned(), http_date(self.now)),
        ];
        let outcome = self.open(request).and_then(|(call, path)| {
            headers.extend(call.scope.headers(call.links.to("schemas")));
            self.route(&call, &path)
        });
        let (status, body) = outcome.unwrap_or_else(|refusal| {
            if refusal.status == 401 && request.header("X-API-No-Challenge").is_none_or(|text| text != "true") {
                let challenge = format!("Basic realm=\"{}\"", self.options.realm);
                headers.push(("WWW-Authenticate".to_owned(), challenge));
            }
            if !headers.iter().any(|(name, _)| name == "X-API-Schemas") {
                let links = Links::new(request, self.options.public_url.as_deref(), BASE);
                headers.push(("X-API-Schemas".to_owned(), links.to("schemas")));
            }
            (refusal.status, refusal.body(&self.error_id()))
        });
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Response { status, headers, body }
    }

    /// Checks the key, then the path, then the key's right to its project.
    pub(crate) fn open<'a>(&self, request: &'a Request) -> Result<(Call<'a>, Path)> {
        let key = scope::authenticate(self, request)?;
        let path = Path::parse(request.path()).ok_or_else(ApiError::not_found)?;
        let scope = scope::resolve(self, &key, request, path.project.as_deref())?;
        let links = Links::new(request, self.options.public_url.as_deref(), &scope.prefix);
        Ok((Call { request, scope, links }, path))
    }

    fn route(&mut self, call: &Call<'_>, path: &Path) -> Result<Answer> {
        let method = call.request.method.as_str();
        let rest: Vec<&str> = path.rest.iter().map(String::as_str).collect();
        match rest.as_slice() {
            [] => read_only(method, || Ok(root(call))),
            ["schemas" | "schema"] => read_only(method, || {
                let schemas = discovery::schemas(&call.scope, &call.links);
                Ok(collection::plain("schema", &call.links.to("schemas"), &schemas))
            }),
            ["schemas" | "schema", id] => {
                read_only(method, || discovery::schema_of(id, &call.scope, &call.links).ok_or_else(ApiError::not_found))
            }
            [name, below @ ..] => {
                let kind = schema::find(name).filter(|kind| call.scope.sees(kind)).ok_or_else(ApiError::not_found)?;
                match below {
                    // Without an upgrade nothing is streamed.
                    [] if kind.name == "subscribe" => read_only(method, || Ok(Value::Null)),
                    [] if kind.name == SETTING.name => read_only(method, || Ok(self.list_settings(call))),
                    [id] if kind.name == SETTING.name => read_only(method, || self.get_setting(call, id)),
                    [] => self.on_collection(call, kind, method),
                    [id] => self.on_row(call, kind, id, method),
                    [id, link] => read_only(method, || self.follow(call, self.find(call, kind, id)?, link)),
                    _ => Err(ApiError::not_found()),
                }
            }
        }
    }

    fn on_collection(&mut self, call: &Call<'_>, kind: &'static Type, method: &str) -> Result<Answer> {
        match method {
            "GET" => Ok((200, self.list(call, kind, |_| true))),
            "POST" if call.scope.writes(kind) => self.create(call, kind).map(|body| (201, body)),
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn on_row(&mut self, call: &Call<'_>, kind: &'static Type, id: &str, method: &str) -> Result<Answer> {
        let found = self.find(call, kind, id)?;
        let (id, kind) = (found.id, found.kind);
        let action = collection::query(call.request).into_iter().find(|(name, _)| name == "action");
        match (method, action) {
            ("GET", _) => {
                let mut body = self.show(call, id)?;
                self.include(call, id, &mut body);
                Ok((200, body))
            }
            ("POST", Some((_, action))) => self.act(call, id, &action),
            ("PUT", _) if call.scope.writes(kind) => {
                let input = body(call.request)?;
                self.update(id, &input)?;
                Ok((200, self.show(call, id)?))
            }
            ("DELETE", _) if call.scope.writes(kind) => {
                self.delete(id)?;
                Ok((200, self.show(call, id)?))
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    /// The row with this id, if the scope has it and its type fits.
    fn find(&self, call: &Call<'_>, kind: &Type, id: &str) -> Result<&Row> {
        Id::parse(id)
            .and_then(|id| self.store.get(id))
            .filter(|row| kind.covers(row.kind) && call.scope.contains(row))
            .ok_or_else(ApiError::not_found)
    }

    pub(crate) fn show(&self, call: &Call<'_>, id: Id) -> Result<Value> {
        let row = self.store.get(id).ok_or_else(ApiError::not_found)?;
        Ok(self.resource(row, &call.links, false, call.scope.writes(row.kind)))
    }

    fn list(&self, call: &Call<'_>, kind: &Type, belongs: impl Fn(&Row) -> bool) -> Value {
        let rows = self.store.iter().filter(|row| kind.covers(row.kind) && call.scope.contains(row) && belongs(row));
        let render = |row: &Row| {
            let mut body = self.resource(row, &call.links, false, call.scope.writes(row.kind));
            self.include(call, row.id, &mut body);
            body
        };
        collection::list(kind, rows.collect(), call.request, &call.links, self.options.case_sensitive_filters, render)
    }

    /// Answers a link of a row.
    fn follow(&self, call: &Call<'_>, row: &Row, link: &str) -> Result<Value> {
        let own = row.id.to_string();
        match link {
            "stack" if row.kind.is_service() => {
                let stack = row.text("stackId").and_then(Id::parse).ok_or_else(ApiError::not_found)?;
                self.show(call, stack)
            }
            "services" if row.kind.name == schema::STACK.name => {
                Ok(self.list(call, &schema::SERVICE, |each| each.text("stackId") == Some(&own)))
            }
            "account" if call.scope.project() == Some(row.project) => self.show(call, row.project),
            "instances" if row.kind.links.contains(&"instances") => {
                let here = self.instances.values().filter(|each| each.service == row.id || each.host == row.id);
                let instances = here.map(|each| {
                    json!({ "id": each.id.to_string(), "type": "container", "baseType": "instance", "state": "running",
                        "hostId": each.host.to_string(), "links": {}, "actions": {} })
                });
                let link = call.links.to(&format!("{}/{own}/instances", row.kind.plural.to_ascii_lowercase()));
                Ok(collection::plain("instance", &link, &instances.collect::<Vec<_>>()))
            }
            _ => Err(ApiError::not_found()),
        }
    }

    /// Embeds what the first `include` names, if it is a link of the row.
    fn include(&self, call: &Call<'_>, id: Id, body: &mut Value) {
        let wanted = collection::query(call.request).into_iter().find(|(name, _)| name == "include");
        let Some((_, link)) = wanted else { return };
        let Some(row) = self.store.get(id).filter(|row| row.kind.links.contains(&link.as_str())) else { return };
        if let Ok(linked) = self.follow(call, row, &link) {
            let embedded = linked.get("data").cloned().unwrap_or(linked);
            body[link] = embedded;
        }
    }

    fn list_settings(&self, call: &Call<'_>) -> Value {
        let visible = self.settings.iter().filter(|(_, each)| each.public || call.scope.is_admin());
        let resources: Vec<Value> = visible.map(|(name, each)| setting::render(name, each, &call.links)).collect();
        collection::plain(SETTING.name, &call.links.to("settings"), &resources)
    }

    fn get_setting(&self, call: &Call<'_>, name: &str) -> Result<Value> {
        let found = self.settings.get(name).filter(|each| each.public || call.scope.is_admin());
        Ok(setting::render(name, found.ok_or_else(ApiError::not_found)?, &call.links))
    }
}

fn read_only(method: &str, answer: impl FnOnce() -> Result<Value>) -> Result<Answer> {
    if method == "GET" { answer().map(|body| (200, body)) } else { Err(ApiError::method_not_allowed()) }
}

fn root(call: &Call<'_>) -> Value {
    let links: Map<String, Value> = schema::TYPES
        .iter()
        .filter(|kind| kind.rights != Rights::Nested && call.scope.sees(kind))
        .map(|kind| (kind.plural.to_owned(), json!(call.links.to(&kind.plural.to_ascii_lowercase()))))
        .collect();
    json!({ "id": "v2-beta", "type": "apiVersion", "links": links, "actions": {} })
}

/// The body as an object; without any it is an empty one.
pub(crate) fn body(request: &Request) -> Result<Map<String, Value>> {
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(ApiError::invalid_body()),
    }
}
