use lb_provider::Error;

use super::Activation;
use crate::{
    blame,
    exclusions::{Culprit, Exclusion, Exclusions},
    names::{HTTP_HOSTS, SERVICE, STREAM_HOSTS},
    plan::Content,
    render,
    stage::Stage,
};

/// Finds the virtual host that nginx refuses without a word that names it: the first one with which it does. `output` is
/// what nginx said when it refused.
pub(super) fn culprit(activation: &Activation<'_>, exclusions: &Exclusions, output: &str) -> Result<Culprit, Error> {
    let plan = render::plan(activation.settings, activation.change, exclusions);
    let is_host = |path: &&String| path.starts_with(HTTP_HOSTS) || path.starts_with(STREAM_HOSTS);
    let hosts: Vec<_> = plan.files.keys().filter(is_host).cloned().collect();
    let refusal = |count: usize| -> Result<Option<String>, Error> {
        let mut exclusions = exclusions.clone();
        exclusions.hosts.extend(hosts[count..].iter().cloned());
        let mut stage = Stage::open(activation.files, activation.keys)?;
        stage.fill(&render::plan(activation.settings, activation.change, &exclusions), activation.settings)?;
        let report = activation.services.check(SERVICE, stage.path())?;
        stage.discard()?;
        Ok((!report.ok).then_some(report.output))
    };
    let Some(mut said) = refusal(hosts.len())? else {
        return Err(Error::Denied(format!("nginx cannot serve its configuration: {}", blame::summary(output))));
    };
    if let Some(output) = refusal(0)? {
        return Err(Error::Denied(format!(
            "nginx refuses its configuration whatever hosts there are: {}. Look at the provider's settings",
            blame::summary(&output)
        )));
    }
    let (mut accepted, mut refused) = (0, hosts.len());
    while refused - accepted > 1 {
        let middle = accepted.midpoint(refused);
        match refusal(middle)? {
            Some(output) => (refused, said) = (middle, output),
            None => accepted = middle,
        }
    }
    let path = hosts[accepted].clone();
    let objects = match plan.files.get(&path) {
        Some(Content::Bytes(text)) => render::parse_sources(&String::from_utf8_lossy(text)),
        _ => vec![],
    };
    Ok(Culprit { exclusion: Exclusion::Host(path), objects, reason: blame::summary(&said) })
}
