//! Where everything is in the granted directory.
//!
//! ```text
//! live/                                  the tree that nginx reads
//!   nginx.conf                           from the settings
//!   http/http.conf, stream/stream.conf   constant
//!   lua/, njs/                           constant
//!   modules/stream.conf                  only with ports that are not HTTP
//!   http/listeners/<listener>.listen     `listen` lines that every host of the port includes
//!   http/listeners/<listener>.default    the same, for the host that answers for unknown names
//!   http/listeners/<listener>.certificate  the port's default certificate
//!   http/hosts/<listener>-<host>.conf    one virtual host
//!   http/backends/<backend>.conf         how to speak to a backend
//!   stream/listeners/<listener>.conf     one port
//!   stream/hosts/<listener>-<host>.conf  one SNI name of a passthrough port
//!   certificates/<certificate>.conf, .crt, .key
//! backends/<backend>                     endpoints, read by nginx's workers
//! state/                                 what the provider has to remember
//! ```
//!
//! What an object is called never becomes a path: a digest of it does.

use sha2::{Digest, Sha256};

/// The granted service.
pub(crate) const SERVICE: &str = "nginx";
/// The tree.
pub(crate) const LIVE: &str = "live";
/// The directory of the data files.
pub(crate) const BACKENDS: &str = "backends";

/// In the tree.
pub(crate) const MAIN: &str = "nginx.conf";
pub(crate) const STREAM: &str = "stream/stream.conf";
pub(crate) const STREAM_MODULES: &str = "modules/stream.conf";
pub(crate) const HTTP_LISTENERS: &str = "http/listeners";
pub(crate) const HTTP_HOSTS: &str = "http/hosts";
pub(crate) const HTTP_BACKENDS: &str = "http/backends";
pub(crate) const STREAM_LISTENERS: &str = "stream/listeners";
pub(crate) const STREAM_HOSTS: &str = "stream/hosts";
pub(crate) const CERTIFICATES: &str = "certificates";

/// How the host that answers for unknown names is called in a file name.
const ANY: &str = "any";

/// A file name for whatever an object is called: 32 hexadecimal digits.
pub(crate) fn digest(name: impl AsRef<[u8]>) -> String {
    let mut digits = hex::encode(Sha256::digest(name));
    digits.truncate(32);
    digits
}

/// The path of a backend's data file, in the granted directory.
pub(crate) fn backend_data(id: &str) -> String {
    format!("{BACKENDS}/{}", digest(id))
}

/// The path of what a location includes to forward to a backend, in the tree.
pub(crate) fn backend_conf(id: &str) -> String {
    format!("{HTTP_BACKENDS}/{}.conf", digest(id))
}

/// Listener and host of a virtual host's id. A host name holds no `/`.
fn split(virtual_host: &str) -> (&str, &str) {
    virtual_host.rsplit_once('/').unwrap_or((virtual_host, "*"))
}

/// The file name of a virtual host, without directory.
pub(crate) fn host_file(virtual_host: &str) -> String {
    match split(virtual_host) {
        (listener, "*") => any_host_file(&digest(listener)),
        (listener, host) => format!("{}-{}.conf", digest(listener), digest(host)),
    }
}

/// The file name of a listener's host for unknown names.
pub(crate) fn any_host_file(listener_digest: &str) -> String {
    format!("{listener_digest}-{ANY}.conf")
}

/// The listener digest of a virtual host's id.
pub(crate) fn listener_digest(virtual_host: &str) -> String {
    digest(split(virtual_host).0)
}
