use futures::FutureExt as _;
use lb_model::{
    tables::Configuration,
    types::{Certificate, Feature, Protocol, VirtualHost},
};

use crate::{
    clause::{Check, Checked, Clause, Ended, ensure},
    fixtures::Fixtures,
    ports,
    records::{Add as _, listener},
    stage::{Stage, listed},
};

const HOST: &str = "shop.suite.test";

pub(super) const CLAUSE: Clause = Clause {
    id: "certificate",
    title: "a renewed certificate takes the place of the old one",
    section: "types.certificate (wit/types.wit)",
    contract: "The same content has the same id, other content another. The private key is reached by this id through \
               `keys` or `key-reveal` only.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    if !fixtures.has(Feature::Https) {
        return Err(Ended::skipped("the provider does not declare `https`"));
    }
    let make = || fixtures.certificates.make("shop-tls", &[HOST]);
    let (old, new) = (make()?, make()?);
    let port = ports::free();
    let before = with(fixtures, port, old.clone());
    let after = with(fixtures, port, new.clone());
    stage.serve(&before).await?;
    stage.is_in_place(&before).await?;
    stage.change(&before, &after).await?;
    stage.is_in_place(&after).await?;
    // A line of the old one's signature; much else is the same in both.
    let line = old.chain.lines().rev().nth(2).unwrap_or_default();
    let traces = stage.traces(line, &after).await?;
    ensure(traces.is_empty(), "nothing is kept of the old certificate", || format!("it stands in {}", listed(&traces)))
}

/// A host over TLS, with a certificate for itself and for clients that name no host.
fn with(fixtures: &Fixtures, port: u16, certificate: Certificate) -> Configuration {
    let mut configuration = fixtures.web().configuration;
    // The port of plain HTTP would be another one each time.
    configuration.tables.listeners.clear();
    configuration.tables.virtual_hosts.clear();
    let mut https = listener(port, Protocol::Https, &fixtures.source());
    https.default_certificate = Some(certificate.id.clone());
    let host = fixtures.host(&https.name, HOST, "shop");
    let host = VirtualHost { certificate: Some(certificate.id.clone()), ..host };
    configuration.listener(https).host(host).certificate(certificate)
}
