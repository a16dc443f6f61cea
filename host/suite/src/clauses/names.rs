use futures::FutureExt as _;
use lb_model::types::{Feature, PathMatch};

use crate::{
    clause::{Check, Checked, Clause, ensure},
    fixtures::{Web, long_service},
    records::{Add as _, virtual_host},
    stage::Stage,
};

/// Paths as URIs may spell them, with what configuration languages give a meaning to.
const PATHS: [&str; 12] =
    ["/a;b=c", "/$a", "/${a}", "/a'b", "/(a)", "/a*b", "/~a", "/@a:b!", "/a+b,c", "/a%22b%5Cc", "/a%7Bb%7D%0A", "/a&b"];

pub(super) const CLAUSE: Clause = Clause {
    id: "names",
    title: "odd but legal names are served, or rejected one by one",
    section: "types.host-match, types.path-match, types.rejection (wit/types.wit)",
    contract: "Names are lower case ASCII and have no trailing dot. Paths are percent-encoded as in a URI, start with `/` \
               and hold no control character. A part that cannot be served is rejected by the object whose fault it is.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    let Web { configuration: plain, http } = fixtures.web();
    let mut odd = plain.backend(fixtures.backend(long_service()));
    let long_label = "a".repeat(63);
    let longest = format!("{long_label}.{long_label}.{long_label}.{}", "b".repeat(61));
    let mut hosts = vec!["localhost", "1.2.3.suite.test", "xn--bcher-kva.suite.test", "a--b.suite.test", &longest, "*"];
    if fixtures.has(Feature::HostWildcard) {
        hosts.extend(["*.suite.test", "*.xn--bcher-kva.suite.test"]);
    }
    for host in hosts {
        odd = odd.host(fixtures.host(&http.name, host, long_service()));
    }
    let mut paths: Vec<_> = PATHS.iter().map(|&path| path.to_owned()).collect();
    paths.push(format!("/{}", "a/".repeat(500)));
    let kinds =
        [(Feature::PathExact, PathMatch::Exact as fn(String) -> PathMatch), (Feature::PathPrefix, PathMatch::Prefix)];
    for (number, (_, kind)) in kinds.into_iter().enumerate().filter(|(_, (feature, _))| fixtures.has(*feature)) {
        let routes = paths.iter().map(|path| fixtures.forward(kind(path.clone()), "shop")).collect();
        odd = odd.host(virtual_host(&http.name, &format!("paths-{number}.suite.test"), routes));
    }
    accepted(stage, &odd).await?;
    stage.is_in_place(&odd).await?;
    // A data plane on this machine may be one class's alone.
    stage.gone(&odd.load_balancer.id).await?;

    // Names of load balancers: an Ingress and a class may have dots, and 253 characters.
    for name in ["a.b-c.9".to_owned(), format!("names-{}", "x".repeat(200))] {
        let named = fixtures.web_of(fixtures.named(&name)).configuration;
        accepted(stage, &named).await?;
        stage.is_in_place(&named).await?;
        stage.gone(&named.load_balancer.id).await?;
    }
    Ok(())
}

/// All of it is served, but for parts that are rejected by the name of their object.
async fn accepted(stage: &Stage, wanted: &lb_model::tables::Configuration) -> Checked {
    let outcome = stage.apply_in_part(wanted.complete()).await?;
    for rejection in outcome.rejections {
        let known =
            rejection.object == stage.fixtures.source() || wanted.load_balancer.owner == Some(rejection.object.clone());
        ensure(known && !rejection.message.is_empty(), "a rejection names the object and says why", || {
            format!("{rejection:?}")
        })?;
    }
    stage.settle(wanted).await.map(drop)
}
