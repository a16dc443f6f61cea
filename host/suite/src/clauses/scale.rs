use futures::FutureExt as _;
use lb_model::types::{BackendDetail, Endpoint};

use crate::{
    clause::{Check, Checked, Clause, Ended},
    fixtures::{Web, endpoint},
    records::Add as _,
    stage::Stage,
};

const ENDPOINTS: u32 = 10_000;
/// Hosts beside the one whose Service has them.
const HOSTS: usize = 100;

pub(super) const CLAUSE: Clause = Clause {
    id: "scale",
    title: "ten thousand endpoints are served within the limits of a call",
    section: "types.backend (wit/types.wit), limits (docs/configuration.md)",
    contract: "Endpoints are ordered by address, then port, without duplicates. A call that goes beyond its limits is ended.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    if fixtures.descriptor.backend_detail == BackendDetail::Ports {
        return Err(Ended::skipped("the provider is not told of endpoints"));
    }
    let Web { configuration, http } = fixtures.web();
    let mut configuration = configuration.backend(fixtures.backend("cart"));
    for number in 0..HOSTS {
        configuration = configuration.host(fixtures.host(&http.name, &format!("host-{number}.suite.test"), "cart"));
    }
    let all = configuration.clone().backend(fixtures.backend_with("shop", endpoints(ENDPOINTS)));
    stage.serve(&all).await?;
    stage.is_in_place(&all).await?;
    // One goes, which is a small change.
    let fewer = configuration.backend(fixtures.backend_with("shop", endpoints(ENDPOINTS - 1)));
    stage.change(&all, &fewer).await?;
    stage.is_in_place(&fewer).await
}

/// In the order of addresses as texts, as the host has them.
fn endpoints(count: u32) -> Vec<Endpoint> {
    let address = |number: u32| std::net::Ipv4Addr::from(0x0a00_0001 + number).to_string();
    let mut endpoints: Vec<_> = (0..count).map(|number| endpoint(&address(number), 8080)).collect();
    endpoints.sort_by(|one, other| (&one.address, one.port).cmp(&(&other.address, other.port)));
    endpoints
}
