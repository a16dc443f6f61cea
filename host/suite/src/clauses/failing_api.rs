use futures::FutureExt as _;
use lb_model::{
    provider::{CallError, Provider as _},
    types::{Error, Removal},
};

use crate::{
    clause::{Check, Checked, Clause, Ended, ensure},
    records::Add as _,
    relay::Mode,
    stage::Stage,
};

pub(super) const CLAUSE: Clause = Clause {
    id: "failing-api",
    title: "an API that fails is nobody's fault, and nothing is taken for gone",
    section: "types.error (wit/types.wit)",
    contract: "Why a call failed; each case says who must act: `denied` the operator, a credential was refused; \
               `unavailable` nobody: try again later. Whatever was served before is still served.",
    check: Check::Failing(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    let web = fixtures.web();
    let served = web.configuration;
    let other = served.clone().host(fixtures.host(&web.http.name, "other.suite.test", "shop"));
    if stage.works {
        stage.serve(&served).await?;
    }
    let id = &served.load_balancer.id;
    for mode in [
        Mode::Status(401),
        Mode::Status(403),
        Mode::Status(429),
        Mode::Status(500),
        Mode::Status(503),
        Mode::Garbage,
        Mode::Reset,
        Mode::Hang,
    ] {
        stage.set_apis(mode);
        let asked = stage.requests();
        let applied = stage.try_apply(other.complete()).await;
        let needed = stage.requests() > asked;
        told("apply", mode, needed, applied.map(|outcome| format!("{outcome:?}")))?;

        let asked = stage.requests();
        let observed = stage.plugin.observe().await;
        let needed = stage.requests() > asked;
        told("observe", mode, needed, observed.map(|observed| format!("{observed:?}")))?;

        let asked = stage.requests();
        let removed = stage.plugin.remove(id).await;
        let needed = stage.requests() > asked;
        match removed {
            // It goes on by itself, as far as anybody can see.
            Ok(Removal::Pending(_)) => {}
            removed => told("remove", mode, needed, removed.map(|removal| format!("{removal:?}")))?,
        }
    }
    if !stage.works {
        return Ok(());
    }
    stage.set_apis(Mode::Pass);
    stage.serve(&served).await?;
    stage.is_in_place(&served).await
}

/// A call that needed the API failed, and said who must act.
fn told(function: &str, mode: Mode, needed: bool, came: Result<String, CallError>) -> Checked {
    let what = format!("{function} while the API {}", shown(mode));
    let denied = matches!(mode, Mode::Status(401 | 403));
    match came {
        // A provider may do without.
        Ok(_) if !needed => Ok(()),
        Ok(came) => Err(Ended::broken(format!("{what} fails"), came)),
        Err(CallError::Provider(Error::Denied(_))) if denied => Ok(()),
        Err(CallError::Provider(Error::Unavailable(_) | Error::Conflict(_))) => {
            let expected = format!("{what} is `denied`: the operator must act");
            ensure(!denied, &expected, || "it is to be tried again soon".to_owned())
        }
        Err(error) => {
            let expected = if denied { "denied" } else { "unavailable" };
            Err(Ended::broken(format!("{what} is `{expected}`"), error.to_string()))
        }
    }
}

fn shown(mode: Mode) -> String {
    match mode {
        Mode::Pass | Mode::Slow(_) => "answers".to_owned(),
        Mode::Status(status) => format!("answers {status}"),
        Mode::Garbage => "answers with what is no answer".to_owned(),
        Mode::Reset => "breaks the connection".to_owned(),
        Mode::Hang => "does not answer".to_owned(),
    }
}
