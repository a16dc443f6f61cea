//! The stack that load balancers are put into.

use lb_provider::Error;
use serde_json::json;

use crate::{
    api::{self, STACKS, Session, decode},
    model::{ORIGINAL, Stack},
    observe, refusal,
};

/// The stack of this name: the one that the original made, if there is one, else any. Names are unique, but for their case.
pub(crate) fn choose(stacks: Vec<Stack>, name: &str) -> Option<Stack> {
    let mut named: Vec<_> = stacks.into_iter().filter(|stack| stack.name.eq_ignore_ascii_case(name)).collect();
    named.sort_by_key(|stack| (stack.name != name, stack.external_id != ORIGINAL, stack.id.clone()));
    named.into_iter().next()
}

/// The stack, made if it is not there.
pub(crate) fn ensure(session: &Session, seen: Option<Stack>) -> Result<Stack, Error> {
    let name = &session.settings.stack.0;
    let stack = match seen {
        Some(stack) => stack,
        None => create(session, name)?,
    };
    match &*stack.state {
        "removing" | "removed" | "error" | "erroring" => {
            Err(refusal::unavailable(format!("the stack {name} is {} in Rancher", stack.state)))
        }
        _ => Ok(stack),
    }
}

fn create(session: &Session, name: &str) -> Result<Stack, Error> {
    let body = json!({ "name": name, "externalId": ORIGINAL });
    match session.client.send(api::create(STACKS, &body)) {
        // Another one was faster.
        Err(error) if refusal::is_not_unique(&error) => {
            let stacks = session.list(session.client.send(api::stacks_named(name)))?;
            choose(stacks, name).ok_or_else(|| refusal::unavailable(format!("the stack {name} came and went")))
        }
        Err(error) if error.status() == Some(405) => Err(observe::may_not_create(session, error)),
        answer => {
            let stack = decode::<Stack>(answer)?;
            session.log.info("made the stack", &[("stack", name)]);
            Ok(stack)
        }
    }
}
