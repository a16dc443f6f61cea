//! Types that live only inside others.

use super::{Field, Kind, Rights, Type};

const fn nested(name: &'static str, plural: &'static str, fields: &'static [&'static [Field]]) -> Type {
    Type {
        name,
        plural,
        base: None,
        prefix: "",
        rights: Rights::Nested,
        in_user_scope: true,
        fields,
        filters: &[],
        actions: &[],
        constant_actions: &[],
        links: &[],
    }
}

const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::String).write().nullable()
}

const fn flag(name: &'static str) -> Field {
    Field::new(name, Kind::Bool).write()
}

const fn port(name: &'static str) -> Field {
    Field::new(name, Kind::Int).write().range(1, 65535)
}

pub(crate) static PORT_RULE: Type = nested(
    "portRule",
    "portRules",
    &[&[
        port("sourcePort").required(),
        Field::new("serviceId", Kind::Reference("service")).write().nullable(),
        text("selector"),
        port("targetPort").nullable(),
        Field::new("protocol", Kind::String)
            .write()
            .nullable()
            .default("\"http\"")
            .options(&["http", "tcp", "https", "tls", "sni", "udp"]),
        text("hostname"),
        text("path"),
        text("backendName"),
        Field::new("priority", Kind::Int).write().nullable().min(1),
        text("environment"),
        text("region"),
        Field::new("weight", Kind::Int).write().nullable().range(0, 256),
    ]],
);

static STICKINESS: Type = nested(
    "loadBalancerCookieStickinessPolicy",
    "loadBalancerCookieStickinessPolicies",
    &[&[
        text("name"),
        Field::new("cookie", Kind::String).write(),
        Field::new("domain", Kind::String).write(),
        flag("indirect"),
        flag("nocache"),
        flag("postonly"),
        Field::new("mode", Kind::String)
            .write()
            .nullable()
            .default("\"insert\"")
            .options(&["rewrite", "insert", "prefix"]),
    ]],
);

static A_PORT_RULE: Kind = Kind::Object(&PORT_RULE);

pub(super) static LB_CONFIG: Type = nested(
    "lbConfig",
    "lbConfigs",
    &[&[
        text("config"),
        Field::new("portRules", Kind::Array(&A_PORT_RULE)).write(),
        Field::new("certificateIds", Kind::Array(&Kind::Reference("certificate"))).write().nullable(),
        Field::new("defaultCertificateId", Kind::Reference("certificate")).write().nullable(),
        Field::new("stickinessPolicy", Kind::Object(&STICKINESS)).write().nullable(),
    ]],
);

static PUBLIC_ENDPOINT: Type = nested(
    "publicEndpoint",
    "publicEndpoints",
    &[&[
        text("hostId"),
        text("instanceId"),
        text("ipAddress"),
        Field::new("port", Kind::Int).write().nullable(),
        text("serviceId"),
    ]],
);

pub(super) static A_PUBLIC_ENDPOINT: Kind = Kind::Object(&PUBLIC_ENDPOINT);

pub(super) static SCALE_POLICY: Type = nested(
    "scalePolicy",
    "scalePolicies",
    &[&[
        Field::new("min", Kind::Int).write().min(1).default("1"),
        Field::new("max", Kind::Int).write().min(1).default("1000"),
        Field::new("increment", Kind::Int).write().min(1).default("1"),
    ]],
);

static HEALTH_CHECK: Type = nested(
    "instanceHealthCheck",
    "instanceHealthChecks",
    &[&[
        port("port").required(),
        Field::new("interval", Kind::Int).write().min(1).default("2000"),
        Field::new("responseTimeout", Kind::Int).write().min(1).default("2000"),
        Field::new("healthyThreshold", Kind::Int).write().min(1).default("2"),
        Field::new("unhealthyThreshold", Kind::Int).write().min(1).default("3"),
        Field::new("initializingTimeout", Kind::Int).write().nullable().min(1).default("60000"),
        Field::new("reinitializingTimeout", Kind::Int).write().nullable().min(1).default("60000"),
        text("requestLine").default("null"),
        text("strategy").default("null").options(&["none", "recreate", "recreateOnQuorum"]),
        text("name").default("null"),
        Field::new("recreateOnQuorumStrategyConfig", Kind::Json).write().nullable().default("null"),
    ]],
);

pub(super) static LAUNCH_CONFIG: Type = nested(
    "launchConfig",
    "launchConfigs",
    &[&[
        Field::new("imageUuid", Kind::String).write().nullable(),
        Field::new("kind", Kind::String).write().default("\"container\"").options(&["container", "virtualMachine"]),
        // Whatever a client sends here is dropped; the default takes its place.
        Field::new("version", Kind::String).default("\"0\""),
        flag("startOnCreate").default("true"),
        flag("stdinOpen").default("false"),
        flag("tty").default("false"),
        flag("privileged").default("false"),
        flag("publishAllPorts").default("false"),
        flag("readOnly").default("false"),
        flag("runInit").default("false"),
        flag("system").default("false"),
        Field::new("vcpu", Kind::Int).write().default("1"),
        Field::new("drainTimeoutMs", Kind::Int).write().min(0).default("0"),
        Field::new("instanceTriggeredStop", Kind::String).write().nullable().default("\"stop\""),
        Field::new("ports", Kind::Array(&Kind::String)).write().nullable(),
        Field::new("labels", Kind::MapOfString).write().nullable(),
        Field::new("environment", Kind::MapOfString).write().nullable(),
        Field::new("healthCheck", Kind::Object(&HEALTH_CHECK)).write().nullable(),
        Field::new("networkMode", Kind::String).write().nullable(),
        Field::new("memory", Kind::Int).write().nullable(),
        Field::new("cpuShares", Kind::Int).write().nullable(),
        Field::new("command", Kind::Array(&Kind::String)).write().nullable(),
        Field::new("entryPoint", Kind::Array(&Kind::String)).write().nullable(),
        Field::new("dataVolumes", Kind::Array(&Kind::String)).write().nullable(),
        Field::new("logConfig", Kind::Json).write().nullable(),
        Field::new("requestedHostId", Kind::String).write().nullable(),
    ]],
);

static IN_SERVICE_STRATEGY: Type = nested(
    "inServiceUpgradeStrategy",
    "inServiceUpgradeStrategies",
    &[&[
        Field::new("launchConfig", Kind::Object(&LAUNCH_CONFIG)).write().nullable(),
        Field::new("batchSize", Kind::Int).write().min(1).default("1"),
        Field::new("intervalMillis", Kind::Int).write().min(100).default("2000"),
        flag("startFirst").default("false"),
    ]],
);

pub(crate) static SERVICE_UPGRADE: Type = nested(
    "serviceUpgrade",
    "serviceUpgrades",
    &[&[Field::new("inServiceStrategy", Kind::Object(&IN_SERVICE_STRATEGY)).write().nullable()]],
);

/// All of them, for `/schemas`.
pub(super) static NESTED: &[&Type] = &[
    &PORT_RULE,
    &STICKINESS,
    &LB_CONFIG,
    &PUBLIC_ENDPOINT,
    &SCALE_POLICY,
    &HEALTH_CHECK,
    &LAUNCH_CONFIG,
    &IN_SERVICE_STRATEGY,
    &SERVICE_UPGRADE,
];
