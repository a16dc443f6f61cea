//! Types with a collection of their own.

use super::nested::{A_PUBLIC_ENDPOINT, LAUNCH_CONFIG, LB_CONFIG, SCALE_POLICY, SERVICE_UPGRADE};
use super::{Field, Kind, Rights, Type};

const NAME_CHARS: &str = "a-zA-Z0-9-";

const fn read(name: &'static str, kind: Kind) -> Field {
    Field::new(name, kind).nullable()
}

/// What a row of any type has from the store itself; clients write none of it.
pub(super) const COMMON: &[Field] = &[
    read("id", Kind::String),
    read("uuid", Kind::String).unique(),
    read("kind", Kind::String),
    read("accountId", Kind::Reference("account")),
    read("created", Kind::Date),
    read("removed", Kind::Date),
    read("state", Kind::String),
    read("transitioning", Kind::String).options(&["yes", "no", "error"]),
    read("transitioningMessage", Kind::String),
    read("transitioningProgress", Kind::Int),
];

const DESCRIPTION: Field = Field::new("description", Kind::String).write().nullable().length(0, 1024);

/// Of every kind of service.
const ANY_SERVICE: &[Field] = &[
    Field::new("name", Kind::String).write().required().length(1, 63).valid_chars(NAME_CHARS).schedules(),
    Field::new("stackId", Kind::Reference("stack")).create(),
    Field::new("externalId", Kind::String).create().nullable().length(0, 255),
    DESCRIPTION,
    Field::new("metadata", Kind::MapOfJson).write().nullable().schedules(),
    Field::new("startOnCreate", Kind::Bool).create().nullable().default("false"),
    read("healthState", Kind::String),
    read("fqdn", Kind::String),
    read("instanceIds", Kind::Array(&Kind::Reference("instance"))),
    read("linkedServices", Kind::MapOfString),
    read("system", Kind::Bool),
    read("upgrade", Kind::Object(&SERVICE_UPGRADE)),
];

/// Of services that run containers.
const CONTAINERS: &[Field] = &[
    Field::new("scale", Kind::Int).write().min(0).default("1").always_differs(),
    Field::new("scalePolicy", Kind::Object(&SCALE_POLICY)).write().nullable().schedules(),
    read("currentScale", Kind::Int),
    Field::new("selectorLink", Kind::String).write().nullable().schedules(),
    Field::new("retainIp", Kind::Bool).write().nullable().schedules(),
    Field::new("assignServiceIpAddress", Kind::Bool).create().default("false"),
    Field::new("vip", Kind::String).create().nullable(),
    Field::new("publicEndpoints", Kind::Array(&A_PUBLIC_ENDPOINT)).write().nullable(),
];

/// A load balancer's `launchConfig` can be changed by a PUT; a plain service's cannot.
const LOAD_BALANCING: &[Field] = &[
    Field::new("launchConfig", Kind::Object(&LAUNCH_CONFIG)).write().required().always_differs(),
    Field::new("lbConfig", Kind::Object(&LB_CONFIG)).write().required().always_differs(),
];

const SERVICE_FILTERS: &[&str] =
    &["name", "externalId", "stackId", "system", "vip", "healthState", "description", "selectorLink"];
const SERVICE_ACTIONS: &[&str] = &[
    "activate",
    "deactivate",
    "update",
    "remove",
    "upgrade",
    "finishupgrade",
    "rollback",
    "cancelupgrade",
    "continueupgrade",
    "restart",
    "create",
];
const SERVICE_LINK_ACTIONS: &[&str] = &["addservicelink", "removeservicelink", "setservicelinks"];

const fn service(name: &'static str, plural: &'static str, fields: &'static [&'static [Field]]) -> Type {
    Type {
        name,
        plural,
        base: Some("service"),
        prefix: "1s",
        rights: Rights::Full,
        in_user_scope: true,
        fields,
        filters: SERVICE_FILTERS,
        actions: SERVICE_ACTIONS,
        constant_actions: SERVICE_LINK_ACTIONS,
        links: &["account", "stack", "instances"],
    }
}

pub(crate) static SERVICE: Type = Type {
    base: None,
    ..service(
        "service",
        "services",
        &[
            COMMON,
            ANY_SERVICE,
            CONTAINERS,
            &[Field::new("launchConfig", Kind::Object(&LAUNCH_CONFIG)).create().nullable()],
        ],
    )
};

pub(crate) static LOAD_BALANCER: Type =
    service("loadBalancerService", "loadBalancerServices", &[COMMON, ANY_SERVICE, CONTAINERS, LOAD_BALANCING]);

static EXTERNAL_SERVICE: Type = service(
    "externalService",
    "externalServices",
    &[
        COMMON,
        ANY_SERVICE,
        &[
            Field::new("externalIpAddresses", Kind::Array(&Kind::String)).write().nullable().schedules(),
            Field::new("hostname", Kind::String).write().nullable().schedules(),
        ],
    ],
);

static DNS_SERVICE: Type = service("dnsService", "dnsServices", &[COMMON, ANY_SERVICE]);

pub(crate) static KUBERNETES_SERVICE: Type = Type {
    rights: Rights::Read,
    actions: &[],
    constant_actions: &[],
    ..service(
        "kubernetesService",
        "kubernetesServices",
        &[
            COMMON,
            ANY_SERVICE,
            &[read("selectorContainer", Kind::String), read("template", Kind::Json), read("vip", Kind::String)],
        ],
    )
};

pub(crate) static STACK: Type = Type {
    name: "stack",
    plural: "stacks",
    base: None,
    prefix: "1st",
    rights: Rights::Full,
    in_user_scope: true,
    fields: &[
        COMMON,
        &[
            Field::new("name", Kind::String)
                .write()
                .required()
                .unique()
                .length(1, 63)
                .valid_chars(NAME_CHARS)
                .schedules(),
            Field::new("externalId", Kind::String).write().nullable().length(0, 128),
            DESCRIPTION,
            Field::new("group", Kind::String).write().nullable().length(0, 255),
            Field::new("environment", Kind::MapOfJson).create().nullable(),
            Field::new("outputs", Kind::MapOfString).write().nullable(),
            Field::new("startOnCreate", Kind::Bool).create().nullable(),
            Field::new("dockerCompose", Kind::String).create().nullable(),
            Field::new("rancherCompose", Kind::String).create().nullable(),
            Field::new("templates", Kind::MapOfString).create().nullable(),
            Field::new("answers", Kind::MapOfJson).create().nullable(),
            Field::new("binding", Kind::Json).create().nullable(),
            read("healthState", Kind::String),
            read("system", Kind::Bool),
            read("serviceIds", Kind::Array(&Kind::Reference("service"))),
        ],
    ],
    filters: &["name", "externalId", "group", "system", "healthState", "description"],
    actions: &["update", "remove", "upgrade", "error", "finishupgrade", "rollback", "cancelupgrade"],
    constant_actions: &["activateservices", "deactivateservices", "addoutputs", "exportconfig"],
    links: &["account", "services"],
};

pub(crate) static CERTIFICATE: Type = Type {
    name: "certificate",
    plural: "certificates",
    base: None,
    prefix: "1c",
    rights: Rights::Full,
    in_user_scope: true,
    fields: &[
        COMMON,
        &[
            Field::new("name", Kind::String).write().required().unique().length(1, 255),
            DESCRIPTION,
            Field::new("cert", Kind::String).write().required().length(1, 65535).schedules(),
            Field::new("key", Kind::String).write().required().length(1, 65535).schedules().secret(),
            Field::new("certChain", Kind::String).write().nullable().length(0, 65535),
            read("certFingerprint", Kind::String),
            read("CN", Kind::String),
            read("issuer", Kind::String),
            read("issuedAt", Kind::String),
            read("expiresAt", Kind::String),
            read("version", Kind::String),
            read("serialNumber", Kind::String),
            read("algorithm", Kind::String),
            read("keySize", Kind::Int),
            read("subjectAlternativeNames", Kind::Array(&Kind::String)),
        ],
    ],
    filters: &["name", "description"],
    actions: &["update", "remove"],
    constant_actions: &[],
    links: &["account"],
};

pub(crate) static HOST: Type = Type {
    name: "host",
    plural: "hosts",
    base: None,
    prefix: "1h",
    rights: Rights::Read,
    in_user_scope: true,
    fields: &[
        COMMON,
        &[
            read("name", Kind::String),
            read("description", Kind::String),
            read("hostname", Kind::String),
            read("agentState", Kind::String),
            read("agentIpAddress", Kind::String),
            read("labels", Kind::MapOfString),
            read("publicEndpoints", Kind::Array(&A_PUBLIC_ENDPOINT)),
            read("instanceIds", Kind::Array(&Kind::Reference("instance"))),
        ],
    ],
    filters: &["name", "description"],
    actions: &[],
    constant_actions: &[],
    links: &["account", "instances"],
};

pub(crate) static PROJECT: Type = Type {
    name: "project",
    plural: "projects",
    base: Some("account"),
    prefix: "1a",
    rights: Rights::Read,
    in_user_scope: true,
    fields: &[COMMON, &[read("name", Kind::String), read("description", Kind::String)]],
    filters: &["name", "description"],
    actions: &[],
    constant_actions: &[],
    links: &[],
};

pub(crate) static SETTING: Type = Type {
    name: "setting",
    plural: "settings",
    base: None,
    prefix: "1as",
    rights: Rights::Read,
    in_user_scope: true,
    fields: &[&[
        read("id", Kind::String),
        read("name", Kind::String),
        read("value", Kind::String),
        read("activeValue", Kind::String),
        read("source", Kind::String),
        read("inDb", Kind::Bool),
    ]],
    filters: &[],
    actions: &[],
    constant_actions: &[],
    links: &[],
};

/// Only for its place in `/schemas`; the events themselves are another layer's.
static SUBSCRIBE: Type = Type {
    name: "subscribe",
    plural: "subscribe",
    base: None,
    prefix: "",
    rights: Rights::Read,
    in_user_scope: false,
    fields: &[&[
        Field::new("eventNames", Kind::Array(&Kind::String)).create().required(),
        Field::new("include", Kind::Array(&Kind::String)).create().nullable(),
    ]],
    filters: &[],
    actions: &[],
    constant_actions: &[],
    links: &[],
};

/// Every type that a path can name.
pub(crate) static TYPES: &[&Type] = &[
    &SERVICE,
    &LOAD_BALANCER,
    &KUBERNETES_SERVICE,
    &EXTERNAL_SERVICE,
    &DNS_SERVICE,
    &STACK,
    &CERTIFICATE,
    &HOST,
    &PROJECT,
    &SETTING,
    &SUBSCRIBE,
];
