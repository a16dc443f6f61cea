//! Who asks, for which project, and what that key may see and write there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{ApiError, Result};
use crate::http::Request;
use crate::schema::{PROJECT, Rights, Type};
use crate::store::{Id, Row};
use crate::world::World;
use crate::{KeyKind, Role};

/// The rights of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Within one project.
    Project { project: Id, role: Role },
    /// Of a user outside a project: reading across these.
    User { projects: Vec<Id> },
    /// Of an administrator outside a project: reading across all.
    Admin,
}

/// A request's project and rights.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) access: Access,
    /// Path prefix of all links: with the project only if the path named it.
    pub(crate) prefix: String,
    /// Whether secrets are shown at all.
    pub(crate) secrets: bool,
    account_id: String,
    account_kind: &'static str,
}

/// Path prefix of this version of the API.
pub(crate) const BASE: &str = "/v2-beta";

impl Scope {
    pub(crate) fn project(&self) -> Option<Id> {
        match self.access {
            Access::Project { project, .. } => Some(project),
            Access::User { .. } | Access::Admin => None,
        }
    }

    /// Whether the type is part of this scope's schema.
    pub(crate) fn sees(&self, kind: &Type) -> bool {
        kind.in_user_scope || self.project().is_some()
    }

    /// Whether rows of the type may be created, changed and removed.
    pub(crate) fn writes(&self, kind: &Type) -> bool {
        kind.rights == Rights::Full
            && matches!(self.access, Access::Project { role: Role::Owner | Role::Member | Role::Restricted, .. })
    }

    /// Whether this row exists as far as the scope is concerned.
    pub(crate) fn contains(&self, row: &Row) -> bool {
        match &self.access {
            Access::Project { project, .. } => row.project == *project,
            Access::User { projects } => projects.contains(&row.project),
            Access::Admin => true,
        }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.access == Access::Admin
    }

    /// The header fields that every answer carries.
    pub(crate) fn headers(&self, schemas: String) -> Vec<(String, String)> {
        [
            ("X-API-Schemas", schemas),
            ("X-API-Account-Id", self.account_id.clone()),
            ("X-API-User-Id", self.account_id.clone()),
            ("X-API-Account-Kind", self.account_kind.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// Whose key the request carries.
pub(crate) fn authenticate(world: &World, request: &Request) -> Result<KeyKind> {
    let key = credentials(request).and_then(|(access, secret)| {
        world.keys.iter().find(|(key, _)| key.access == access && key.secret == secret).map(|(_, kind)| kind.clone())
    });
    match key {
        Some(kind) => Ok(kind),
        None if !world.access_control => Ok(KeyKind::Admin),
        None => Err(ApiError::unauthorized()),
    }
}

fn credentials(request: &Request) -> Option<(String, String)> {
    let (scheme, encoded) = request.header("Authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (access, secret) = decoded.split_once(':')?;
    Some((access.to_owned(), secret.to_owned()))
}

/// The scope of a key for a request that named this project in its path, if it did.
pub(crate) fn resolve(world: &World, key: &KeyKind, request: &Request, in_path: Option<&str>) -> Result<Scope> {
    let in_query = form_urlencoded::parse(request.query().as_bytes())
        .find(|(name, _)| name == "projectId")
        .map(|(_, value)| value.into_owned());
    let named =
        in_path.map(str::to_owned).or_else(|| request.header("X-API-Project-Id").map(str::to_owned)).or(in_query);
    let named = named.map(|text| active_project(world, &text)).transpose()?;
    let prefix = in_path.map_or_else(|| BASE.to_owned(), |id| format!("{BASE}/projects/{}", id.to_ascii_lowercase()));
    let scope =
        |access, account_id: String, account_kind, secrets| Scope { access, prefix, secrets, account_id, account_kind };
    match key {
        KeyKind::Environment { project } | KeyKind::Agent { project } => {
            let own = active_project(world, project)?;
            if named.is_some_and(|named| named != own) {
                return Err(ApiError::forbidden());
            }
            let secrets = matches!(key, KeyKind::Environment { .. });
            Ok(scope(Access::Project { project: own, role: Role::Owner }, own.to_string(), "project", secrets))
        }
        KeyKind::Account { memberships } => {
            let role_in =
                |id: Id| memberships.iter().find(|(member, _)| Id::parse(member) == Some(id)).map(|(_, role)| *role);
            if let Some(project) = named {
                let role = role_in(project).ok_or_else(ApiError::forbidden)?;
                return Ok(scope(Access::Project { project, role }, project.to_string(), "project", true));
            }
            let projects = memberships.iter().filter_map(|(id, _)| Id::parse(id)).collect();
            Ok(scope(Access::User { projects }, "1a2".to_owned(), "user", true))
        }
        KeyKind::Admin => match named {
            Some(project) => {
                Ok(scope(Access::Project { project, role: Role::Owner }, project.to_string(), "project", true))
            }
            None => Ok(scope(Access::Admin, "1a1".to_owned(), "admin", true)),
        },
    }
}

/// An unknown project, an inactive one and a malformed id are all the same refusal.
fn active_project(world: &World, text: &str) -> Result<Id> {
    Id::parse(text)
        .and_then(|id| world.store.get(id))
        .filter(|row| row.kind.name == PROJECT.name && row.state == "active")
        .map(|row| row.id)
        .ok_or_else(ApiError::forbidden)
}
