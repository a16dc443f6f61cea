use futures::FutureExt as _;
use lb_model::{
    tables::Configuration,
    types::{
        Affinity, Auth, BackendProtocol, CookieAffinity, CookieMode, Cors, ExternalAuth, Feature, HeaderChanges,
        HostService, Listener, Mirror, NamedMatch, PathMatch, PathRewrite, Policy, Protocol, RateLimit, Redirect,
        Retry, Rewrite, Route, RouteAction, SourceRanges, Timeouts, ValueMatch, VirtualHost, WeightedBackend,
    },
};

use crate::{
    clause::{Check, Checked, Clause, Ended, ensure},
    fixtures::{Fixtures, Web, backend_id},
    ports,
    records::{Add as _, listener, targets, virtual_host},
    stage::Stage,
};

const HOST: &str = "shop.suite.test";

pub(super) const CLAUSE: Clause = Clause {
    id: "features",
    title: "what is declared is served, and makes a difference",
    section: "types.feature (wit/types.wit)",
    contract: "What a provider can honour. Whatever an object asks for beyond it is told to its owner.",
    check: Check::Working(|stage| check(stage).boxed_local()),
};

async fn check(stage: &Stage) -> Checked {
    let fixtures = &stage.fixtures;
    let mut tried = 0;
    for &feature in &fixtures.descriptor.features {
        let Some((with, without)) = pair(fixtures, feature)? else { continue };
        tried += 1;
        let of = |ended| named(feature, ended);
        stage.serve(&with).await.map_err(of)?;
        stage.is_in_place(&with).await.map_err(of)?;
        let changes = stage.plan(&without).await.map_err(of)?;
        ensure(!changes.is_empty(), "a configuration without it differs from one with it", || {
            "a rehearsal of the one finds nothing to change where the other is served".to_owned()
        })
        .map_err(of)?;
    }
    ensure(tried > 0, "a provider can do something", || "it declares no feature that can be tried".to_owned())
}

fn named(feature: Feature, ended: Ended) -> Ended {
    match ended {
        Ended::Broken { expected, came } => Ended::broken(format!("{feature:?}: {expected}"), came),
        other => other,
    }
}

/// A configuration that needs a feature, and one that does the same without it, or otherwise. `None` if nothing is to be
/// tried.
fn pair(fixtures: &Fixtures, feature: Feature) -> Checked<Option<(Configuration, Configuration)>> {
    let web = fixtures.web();
    let plain = web.configuration.clone();
    Ok(match feature {
        Feature::Https => Some((https(fixtures, &plain)?, plain)),
        Feature::TlsPassthrough => Some((stream(fixtures, &plain, Protocol::Tls), plain)),
        Feature::Tcp => Some((stream(fixtures, &plain, Protocol::Tcp), plain)),
        Feature::Udp => Some((stream(fixtures, &plain, Protocol::Udp), plain)),
        Feature::RedirectToHttps => {
            let port = ports::free();
            Some((with_listener(&web, |listener| listener.redirect_to_https = Some(port)), plain))
        }
        Feature::ProxyProtocol => Some((with_listener(&web, |listener| listener.proxy_protocol = true), plain)),
        Feature::HostWildcard => {
            let host = |host| plain.clone().host(fixtures.host(&web.http.name, host, "shop"));
            Some((host("*.one.suite.test"), host("*.other.suite.test")))
        }
        Feature::ClientIpAffinity => Some((with_affinity(fixtures, &plain), plain)),
        Feature::BackendHttps => Some((with_protocol(fixtures, &plain, BackendProtocol::Https), plain)),
        Feature::BackendH2c => Some((with_protocol(fixtures, &plain, BackendProtocol::H2c), plain)),
        Feature::BackendGrpc => Some((with_protocol(fixtures, &plain, BackendProtocol::Grpc), plain)),
        Feature::Scale => {
            let scaled = |scale| {
                let mut configuration = plain.clone();
                configuration.load_balancer.scale = Some(scale);
                configuration
            };
            Some((scaled(2), scaled(1)))
        }
        of_routes => routed(fixtures, &web, of_routes),
    })
}

/// The same for what a route says.
fn routed(fixtures: &Fixtures, web: &Web, feature: Feature) -> Option<(Configuration, Configuration)> {
    let plain = fixtures.routes("/", "shop").pop()?;
    let configuration = |change: &dyn Fn(&mut Route)| {
        let mut route = plain.clone();
        change(&mut route);
        let host = virtual_host(&web.http.name, HOST, vec![route]);
        // In both, so that a reference alone makes no difference.
        web.configuration.clone().backend(fixtures.backend("cart")).host(host)
    };
    let path = |path: PathMatch| configuration(&move |route| route.path = path.clone());
    let with = |change: &dyn Fn(&mut Route)| Some((configuration(change), configuration(&|_| {})));
    if let Some(policy) = policy(feature) {
        return with(&move |route| route.policies = vec![policy.clone()]);
    }
    let name = |name: &str| NamedMatch { name: name.to_owned(), value: ValueMatch::Exact("suite".to_owned()) };
    match feature {
        Feature::PathExact => Some((path(PathMatch::Exact("/a".to_owned())), path(PathMatch::Exact("/b".to_owned())))),
        Feature::PathPrefix => {
            Some((path(PathMatch::Prefix("/a".to_owned())), path(PathMatch::Prefix("/b".to_owned()))))
        }
        Feature::PathRegex => {
            Some((path(PathMatch::Regex("/a[0-9]+".to_owned())), path(PathMatch::Regex("/b[0-9]+".to_owned()))))
        }
        Feature::WeightedBackends => {
            let weighted = |weight| {
                let shares = [("shop", 1), ("cart", weight)];
                let shares = shares.map(|(service, weight)| WeightedBackend { backend: backend_id(service), weight });
                configuration(&move |route| route.action = RouteAction::Forward(shares.to_vec()))
            };
            Some((weighted(1), weighted(3)))
        }
        Feature::MatchMethod => with(&|route| route.method = Some("POST".to_owned())),
        Feature::MatchHeaders => with(&|route| route.headers = vec![name("x-suite")]),
        Feature::MatchQueryParameters => with(&|route| route.query_parameters = vec![name("suite")]),
        Feature::Redirect => with(&|route| {
            route.action = RouteAction::Redirect(Redirect {
                scheme: None,
                host: Some("elsewhere.suite.test".to_owned()),
                port: None,
                path: None,
                status: 302,
            });
        }),
        _ => None,
    }
}

fn policy(feature: Feature) -> Option<Policy> {
    let text = str::to_owned;
    let headers = HeaderChanges {
        remove: vec![text("x-gone")],
        set: vec![(text("x-suite"), text("a \"quoted\" $value;"))],
        add: vec![],
    };
    Some(match feature {
        Feature::Rewrite => Policy::Rewrite(Rewrite {
            host: Some(text("inside.suite.test")),
            path: Some(PathRewrite::Full(text("/inside"))),
        }),
        Feature::RequestHeaders => Policy::RequestHeaders(headers),
        Feature::ResponseHeaders => Policy::ResponseHeaders(headers),
        Feature::Timeouts => Policy::Timeouts(Timeouts { connect: Some(1234), idle: Some(12_345), request: None }),
        Feature::BodyLimit => Policy::BodyLimit(12_345),
        Feature::Cors => Policy::Cors(Cors {
            allow_origins: vec![text("https://one.suite.test")],
            allow_methods: vec![text("GET")],
            allow_headers: vec![text("x-suite")],
            expose_headers: vec![],
            allow_credentials: true,
            max_age: Some(60),
        }),
        Feature::SourceRanges => {
            Policy::SourceRanges(SourceRanges { allow: vec![text("192.0.2.0/24")], deny: vec![text("192.0.2.7/32")] })
        }
        Feature::RateLimit => Policy::RateLimit(RateLimit { requests: 7, per_seconds: 1, burst: 3 }),
        Feature::AuthExternal => Policy::Auth(Auth::External(ExternalAuth {
            backend: backend_id("cart"),
            path: text("/check"),
            forward_headers: vec![text("x-user")],
        })),
        Feature::CookieAffinity => Policy::CookieAffinity(CookieAffinity {
            name: None,
            cookie: Some(text("suite")),
            domain: None,
            path: None,
            mode: CookieMode::Insert,
            indirect: true,
            no_cache: true,
            post_only: false,
            max_age: None,
            secure: false,
        }),
        Feature::Mirror => Policy::Mirror(Mirror { backend: backend_id("cart"), percent: 50 }),
        Feature::Retry => Policy::Retry(Retry { attempts: 2, non_idempotent: false }),
        _ => return None,
    })
}

fn https(fixtures: &Fixtures, plain: &Configuration) -> Checked<Configuration> {
    let certificate = fixtures.certificates.make("shop-tls", &[HOST])?;
    let mut https = listener(ports::free(), Protocol::Https, &fixtures.source());
    https.default_certificate = Some(certificate.id.clone());
    let host = fixtures.host(&https.name, HOST, "shop");
    let host = VirtualHost { certificate: Some(certificate.id.clone()), ..host };
    Ok(plain.clone().listener(https).host(host).certificate(certificate))
}

/// A port for connections that are passed on unopened.
fn stream(fixtures: &Fixtures, plain: &Configuration, protocol: Protocol) -> Configuration {
    let kind = if protocol == Protocol::Udp { BackendProtocol::Udp } else { BackendProtocol::Tcp };
    let backend = fixtures.stream_backend("cart", kind);
    let targets = targets(&[&backend.id]);
    let mut port = listener(ports::free(), protocol, &fixtures.source());
    let configuration = plain.clone().backend(backend);
    if protocol == Protocol::Tls {
        let host = virtual_host(&port.name, HOST, Vec::new());
        let host = VirtualHost { service: HostService::Passthrough(targets), ..host };
        return configuration.listener(port).host(host);
    }
    port.targets = targets;
    configuration.listener(port)
}

fn with_listener(web: &Web, change: impl FnOnce(&mut Listener)) -> Configuration {
    let mut listener = web.http.clone();
    change(&mut listener);
    web.configuration.clone().listener(listener)
}

fn with_affinity(fixtures: &Fixtures, plain: &Configuration) -> Configuration {
    let mut backend = fixtures.backend("shop");
    backend.affinity = Affinity::ClientIp(600);
    plain.clone().backend(backend)
}

fn with_protocol(fixtures: &Fixtures, plain: &Configuration, protocol: BackendProtocol) -> Configuration {
    let mut backend = fixtures.backend("shop");
    backend.protocol = protocol;
    plain.clone().backend(backend)
}
