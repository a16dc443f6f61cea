//! The declarative table of types and fields. It alone drives validation, defaults, the dropping of unknown fields,
//! what an answer holds, and `/schemas`.

pub(crate) mod discovery;
mod nested;
mod types;

pub(crate) use nested::{PORT_RULE, SERVICE_UPGRADE};
pub(crate) use types::{CERTIFICATE, HOST, KUBERNETES_SERVICE, LOAD_BALANCER, PROJECT, SERVICE, SETTING, STACK, TYPES};

/// What values a field takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    String,
    Int,
    Bool,
    Date,
    Json,
    MapOfString,
    MapOfJson,
    Object(&'static Type),
    Array(&'static Kind),
    /// The id of a row of this type; `service` stands for all kinds of services.
    Reference(&'static str),
}

/// One field of a type.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are the columns of the server's own table")]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) create: bool,
    pub(crate) update: bool,
    pub(crate) nullable: bool,
    pub(crate) required: bool,
    pub(crate) unique: bool,
    /// Whether a changed value starts the update process.
    pub(crate) schedules: bool,
    /// Whether the update process starts even when the value is the same: its comparison never finds equality.
    pub(crate) always_differs: bool,
    /// Whether the value is left out of everything but the answer to its POST.
    pub(crate) secret: bool,
    /// JSON text of the default.
    pub(crate) default: Option<&'static str>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) valid_chars: Option<&'static str>,
    pub(crate) options: &'static [&'static str],
}

impl Field {
    /// A field that only the server writes.
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            create: false,
            update: false,
            nullable: false,
            required: false,
            unique: false,
            schedules: false,
            always_differs: false,
            secret: false,
            default: None,
            min: None,
            max: None,
            min_length: None,
            max_length: None,
            valid_chars: None,
            options: &[],
        }
    }

    pub(crate) const fn create(mut self) -> Self {
        self.create = true;
        self
    }

    pub(crate) const fn write(mut self) -> Self {
        self.create = true;
        self.update = true;
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    pub(crate) const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    pub(crate) const fn schedules(mut self) -> Self {
        self.schedules = true;
        self
    }

    pub(crate) const fn always_differs(mut self) -> Self {
        self.schedules = true;
        self.always_differs = true;
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(crate) const fn default(mut self, json: &'static str) -> Self {
        self.default = Some(json);
        self
    }

    pub(crate) const fn min(mut self, min: i64) -> Self {
        self.min = Some(min);
        self
    }

    pub(crate) const fn range(mut self, min: i64, max: i64) -> Self {
        self.min = Some(min);
        self.max = Some(max);
        self
    }

    pub(crate) const fn length(mut self, min: usize, max: usize) -> Self {
        self.min_length = Some(min);
        self.max_length = Some(max);
        self
    }

    pub(crate) const fn valid_chars(mut self, chars: &'static str) -> Self {
        self.valid_chars = Some(chars);
        self
    }

    pub(crate) const fn options(mut self, options: &'static [&'static str]) -> Self {
        self.options = options;
        self
    }
}

/// Which methods the keys of a project have on a type; others may only read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Create, read, update, delete.
    Full,
    /// Read.
    Read,
    /// Nested in others; no collection of its own.
    Nested,
}

/// One type of the API.
#[derive(Debug)]
pub(crate) struct Type {
    /// In camelCase.
    pub(crate) name: &'static str,
    pub(crate) plural: &'static str,
    /// `service` for every kind of service.
    pub(crate) base: Option<&'static str>,
    /// Letters of the id, with the leading `1`.
    pub(crate) prefix: &'static str,
    pub(crate) rights: Rights,
    /// Whether a scope without project has the type at all.
    pub(crate) in_user_scope: bool,
    /// Groups of fields, so that kinds of services share theirs.
    pub(crate) fields: &'static [&'static [Field]],
    /// Columns that a list can be filtered by, beside the common ones.
    pub(crate) filters: &'static [&'static str],
    /// Actions that some state offers.
    pub(crate) actions: &'static [&'static str],
    /// Actions that every state offers.
    pub(crate) constant_actions: &'static [&'static str],
    /// Names of links to linked resources.
    pub(crate) links: &'static [&'static str],
}

impl Type {
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().flat_map(|group| group.iter())
    }

    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }

    /// Whether rows of type `other` belong to the collection of this type.
    pub(crate) fn covers(&self, other: &Type) -> bool {
        self.name == other.name || other.base == Some(self.name)
    }

    pub(crate) fn is_service(&self) -> bool {
        self.prefix == SERVICE.prefix
    }
}

/// The type with this name in a path: camelCase or lower-case, singular or plural.
pub(crate) fn find(path_name: &str) -> Option<&'static Type> {
    TYPES.iter().copied().find(|each| {
        [each.name, each.plural].iter().any(|name| *name == path_name || name.to_ascii_lowercase() == path_name)
    })
}
