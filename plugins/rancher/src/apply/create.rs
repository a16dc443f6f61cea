//! A load balancer that is not there yet: one POST with everything in it.

use lb_provider::{Error, Rejection, http, http::Answer};
use serde_json::json;

use super::Wanted;
use crate::{
    api::{self, LOAD_BALANCERS, Session, decode},
    look, mark,
    model::{LoadBalancerService, Setting, Stack},
    observe, refusal, stack,
};

pub(super) fn create(
    session: &Session,
    wanted: &Wanted,
    stack: Option<Stack>,
    image: Option<Result<Answer, http::Error>>,
) -> Result<LoadBalancerService, Error> {
    let image = match (&session.settings.image, image) {
        (Some(image), _) => image.0.clone(),
        (None, answer) => default_image(session, answer)?,
    };
    let stack = stack::ensure(session, stack)?;
    let ports: Vec<_> = wanted.normal.ports.iter().map(ToString::to_string).collect();
    let body = json!({
        "name": wanted.name,
        "stackId": stack.id,
        "externalId": mark::external_id(&session.controller, &wanted.owner.uid),
        "scale": wanted.plan.scale.unwrap_or(1),
        "startOnCreate": true,
        "metadata": wanted.mark.write(&serde_json::Map::new()),
        "launchConfig": { "imageUuid": image_uuid(&image), "ports": ports, "labels": wanted.normal.labels },
        "lbConfig": wanted.normal.balancing.lb_config(),
    });
    match session.client.send(api::create(LOAD_BALANCERS, &body)) {
        Ok(answer) => {
            session.log.info("made a load balancer", &[("service", &wanted.name), ("stack", &stack.name)]);
            decode(Ok(answer))
        }
        Err(error) if refusal::is_not_unique(&error) => Err(name_is_taken(session, wanted, &stack)?),
        Err(error) if error.status() == Some(405) => Err(observe::may_not_create(session, error)),
        Err(error) => Err(refusal::of_load_balancer(error, wanted.owner)),
    }
}

/// Somebody has the name: we, by a request whose answer was lost, or a stranger.
fn name_is_taken(session: &Session, wanted: &Wanted, stack: &Stack) -> Result<Error, Error> {
    let name = &wanted.name;
    let incarnations = look::look_for(session, &wanted.mark.load_balancer)?;
    if incarnations.ours.iter().any(|service| service.name.eq_ignore_ascii_case(name)) {
        return Ok(Error::Conflict(format!("the load balancer {name} was made meanwhile")));
    }
    let message = format!(
        "the stack {} in Rancher already has a service named {name}, which is not this controller's; remove or rename it there",
        stack.name
    );
    Ok(Error::Invalid(vec![Rejection { object: wanted.owner.clone(), field: "metadata.name".to_owned(), message }]))
}

/// The image that the server says: by its name, or, as older servers know it by another id, from the whole list.
fn default_image(session: &Session, answer: Option<Result<Answer, http::Error>>) -> Result<String, Error> {
    let setting = match answer.unwrap_or_else(|| session.client.send(api::image())) {
        Err(error) if error.status() == Some(404) => {
            let settings: Vec<Setting> = session.list(session.client.send(api::settings()))?;
            settings.into_iter().find(|setting| api::is_image(&setting.name)).unwrap_or_default()
        }
        answer => decode(answer)?,
    };
    let said = |value: Option<String>| value.filter(|value| !value.trim().is_empty());
    said(setting.active_value).or_else(|| said(setting.value)).ok_or_else(|| {
        Error::Denied("Rancher's setting lb.instance.image names no image; name one by the setting `image`".to_owned())
    })
}

/// The way Rancher spells an image.
pub(super) fn image_uuid(image: &str) -> String {
    format!("docker:{}", image.strip_prefix("docker:").unwrap_or(image))
}
