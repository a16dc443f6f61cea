use serde::de::DeserializeOwned;

use crate::{ChangeSet, Descriptor, Error, Host, Observed, Outcome, Removal};

/// A load-balancer provider.
///
/// Each function runs in a fresh instance: what must outlive a call lives behind a capability. A call may end at any
/// line, by a deadline or with the host, and is then made again: whatever is done must be safe to do twice.
pub trait Provider {
    /// The operator's settings. Refuse what cannot be used while deserialising, with `deny_unknown_fields` and types that
    /// check themselves: the error then names the key, both when the operator checks the settings and at every call.
    type Settings: DeserializeOwned;

    /// What this provider is. Constant, and called without any grant.
    fn describe() -> Descriptor;

    /// Makes the load balancer match. Idempotent. An object that cannot be served is a rejection in the outcome, while
    /// all the others are served.
    fn apply(settings: &Self::Settings, change: ChangeSet, host: &impl Host) -> Result<Outcome, Error>;

    /// Removes a load balancer with all that belongs to it. Idempotent; one that is unknown is removed already.
    fn remove(settings: &Self::Settings, load_balancer: &str, host: &impl Host) -> Result<Removal, Error>;

    /// Every load balancer that carries this provider's owner mark, in few requests.
    fn observe(settings: &Self::Settings, host: &impl Host) -> Result<Vec<Observed>, Error>;
}

/// Exports a type that implements [`Provider`] as the component. Expands to nothing on other targets, where `cargo test`
/// runs the provider's logic natively.
#[macro_export]
macro_rules! export_provider {
    ($provider:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::component::Component<$provider>;
    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}
