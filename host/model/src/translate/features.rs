//! What the provider can honour.

use std::sync::Arc;

use crate::types::{BackendDetail, BackendProtocol, Descriptor, Feature, Scope};

/// The provider's descriptor, asked for one thing at a time.
#[derive(Debug, Clone)]
pub(super) struct Features(Arc<Descriptor>);

impl Features {
    pub(super) fn new(descriptor: Arc<Descriptor>) -> Self {
        Self(descriptor)
    }

    pub(super) fn has(&self, feature: Feature) -> bool {
        self.0.features.contains(&feature)
    }

    /// The provider's name.
    pub(super) fn provider(&self) -> &str {
        &self.0.name
    }

    /// One shared data plane, not one for each object.
    pub(super) fn is_per_class(&self) -> bool {
        self.0.scope == Scope::PerClass
    }

    /// What the provider needs to know of backends.
    pub(super) fn backend_detail(&self) -> BackendDetail {
        self.0.backend_detail
    }

    /// Whether the provider reads this annotation itself.
    pub(super) fn reads(&self, annotation: &str) -> bool {
        self.0.annotation_prefixes.iter().any(|prefix| {
            let is_prefix = prefix.ends_with(['.', '/']);
            annotation == prefix || (is_prefix && annotation.starts_with(prefix.as_str()))
        })
    }

    /// Whether the provider can speak this to a backend.
    pub(super) fn speaks(&self, protocol: BackendProtocol) -> bool {
        match protocol {
            BackendProtocol::Http => true,
            BackendProtocol::Https => self.has(Feature::BackendHttps),
            BackendProtocol::H2c => self.has(Feature::BackendH2c),
            BackendProtocol::Grpc => self.has(Feature::BackendGrpc),
            BackendProtocol::Grpcs => self.has(Feature::BackendGrpc) && self.has(Feature::BackendHttps),
            BackendProtocol::Tcp => self.has(Feature::Tcp),
            BackendProtocol::Udp => self.has(Feature::Udp),
        }
    }
}
