//! HTTPS, and TLS to endpoints.

use std::{
    io::{BufReader, Write},
    sync::Arc,
};

use lb_provider::{
    Certificate, Listener, Protocol, VirtualHost,
    testing::records::{backend, certificate, listener, prefix, virtual_host},
};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

use crate::{
    client::{curl, get},
    data_plane::{DataPlane, complete, eventually, free_port, with_certificates},
    endpoints::{Server, serve_echo},
};

/// A certificate for one name, whose key the host knows.
pub(crate) fn issue(caddy: &DataPlane, name: &str) -> Certificate {
    reissue(caddy, &format!("certificate of {name}"), name)
}

/// Another one of this id.
fn reissue(caddy: &DataPlane, id: &str, name: &str) -> Certificate {
    let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    caddy.host.add_key(id, &issued.signing_key.serialize_pem());
    certificate(id, name, &issued.cert.pem())
}

/// An echo over TLS with a certificate that nobody vouches for.
pub(crate) fn echo_server(name: &str) -> Server {
    let issued = rcgen::generate_simple_self_signed(["backend".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let (config, name) = (Arc::new(config), name.to_owned());
    Server::new("127.0.0.1:0", move |stream| {
        let session = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        let tls = std::sync::Mutex::new(StreamOwned::new(session, stream));
        // One end reads while the other writes, in turns.
        serve_echo(&name, &mut BufReader::with_capacity(1, Half(&tls)), &mut Half(&tls))
    })
}

struct Half<'a>(&'a std::sync::Mutex<StreamOwned<ServerConnection, std::net::TcpStream>>);

impl std::io::Read for Half<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().read(buffer)
    }
}

impl Write for Half<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.lock().unwrap().flush()
    }
}

fn https(name: &str, port: u16) -> Listener {
    listener(name, port, Protocol::Https)
}

fn secured(host: VirtualHost, certificate: &Certificate) -> VirtualHost {
    VirtualHost { certificate: Some(certificate.id.clone()), ..host }
}

/// Gets a host's root; the host has to show this certificate.
fn get_trusting(certificate: &Certificate, host: &str, port: u16, options: &[&str]) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &certificate.chain).unwrap();
    let trust = file.path().to_str().unwrap();
    let (resolve, url) = (format!("{host}:{port}:127.0.0.1"), format!("https://{host}:{port}/"));
    curl(&[&["--cacert", trust, "--resolve", &resolve, &url], options].concat())
}

#[test]
fn each_host_shows_its_own_certificate() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    let (foo, wild) = (issue(&caddy, "foo.com"), issue(&caddy, "*.bar.com"));
    let to_web = || vec![prefix("/", "default/web/80")];
    caddy.serve(with_certificates(
        complete(
            vec![https("https-443", port)],
            vec![
                secured(virtual_host("https-443", "*.bar.com", to_web()), &wild),
                secured(virtual_host("https-443", "foo.com", to_web()), &foo),
            ],
            vec![backend("default/web/80", vec![server.endpoint()])],
        ),
        vec![wild.clone(), foo.clone()],
    ));
    let answer = get_trusting(&foo, "foo.com", port, &[]).unwrap();
    assert!(answer.starts_with("web\n"), "{answer}");
    assert!(answer.contains(&format!("\nHost: foo.com:{port}\n")), "HTTP/2 calls it :authority: {answer}");
    assert!(answer.contains("X-Forwarded-Proto: https\n"), "{answer}");
    assert!(answer.contains(&format!("X-Forwarded-Port: {port}\n")), "{answer}");
    assert!(get_trusting(&wild, "a.bar.com", port, &[]).unwrap().starts_with("web\n"));
    assert!(get_trusting(&wild, "foo.com", port, &[]).is_err(), "it does not show another one's");

    let version = |option| get_trusting(&foo, "foo.com", port, &[option, "-o", "/dev/null", "-w", "%{http_version}"]);
    assert_eq!(version("--http2").as_deref(), Ok("2"));
    assert_eq!(version("--http1.1").as_deref(), Ok("1.1"));
    assert!(get_trusting(&foo, "foo.com", port, &["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]).is_err());

    assert!(
        get_trusting(&foo, "unknown.com", port, &["-k"]).is_err(),
        "a name without a certificate gets no handshake"
    );
    let key = caddy.host.directory().path().join("certificates");
    let modes = std::fs::read_dir(key)
        .unwrap()
        .map(Result::unwrap)
        .filter(|it| it.path().extension().is_some_and(|it| it == "key"));
    for key in modes {
        let mode = std::os::unix::fs::PermissionsExt::mode(&key.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn the_default_certificate_is_for_everybody_else() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    let (foo, default) = (issue(&caddy, "foo.com"), issue(&caddy, "default.com"));
    caddy.serve(with_certificates(
        complete(
            vec![Listener { default_certificate: Some(default.id.clone()), ..https("https-443", port) }],
            vec![
                virtual_host("https-443", "default.com", vec![prefix("/", "default/web/80")]),
                secured(virtual_host("https-443", "foo.com", vec![prefix("/", "default/web/80")]), &foo),
            ],
            vec![backend("default/web/80", vec![server.endpoint()])],
        ),
        vec![default.clone(), foo.clone()],
    ));
    assert!(get_trusting(&default, "default.com", port, &[]).unwrap().starts_with("web\n"));
    assert_eq!(get_trusting(&default, "unknown.com", port, &["-k"]).as_deref(), Ok("404 page not found\n"));
    let by_address = curl(&["-k", &format!("https://127.0.0.1:{port}/")]);
    assert_eq!(by_address.as_deref(), Ok("404 page not found\n"), "a client without SNI");
}

#[test]
fn a_certificate_that_caddy_cannot_use_is_rejected_alone() {
    let server = Server::echo("web");
    let (http, port) = (free_port(), free_port());
    let caddy = DataPlane::new();
    let good = issue(&caddy, "good.com");
    let broken = Certificate {
        chain: "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n".to_owned(),
        ..issue(&caddy, "broken.com")
    };
    let keyless = Certificate { id: "f".repeat(64), ..issue(&caddy, "keyless.com") };
    let to_web = || vec![prefix("/", "default/web/80")];
    let change = || {
        with_certificates(
            complete(
                vec![listener("http-80", http, Protocol::Http), https("https-443", port)],
                vec![
                    virtual_host("http-80", "broken.com", to_web()),
                    secured(virtual_host("https-443", "broken.com", to_web()), &broken),
                    secured(virtual_host("https-443", "good.com", to_web()), &good),
                    secured(virtual_host("https-443", "keyless.com", to_web()), &keyless),
                ],
                vec![backend("default/web/80", vec![server.endpoint()])],
            ),
            vec![broken.clone(), good.clone(), keyless.clone()],
        )
    };
    let outcome = caddy.apply(change());
    let told =
        |secret: &str| outcome.rejections.iter().find(|it| it.object.name == secret).map(|it| it.message.as_str());
    assert!(told("broken.com").unwrap().starts_with("Caddy cannot use the certificate: "));
    assert!(told("keyless.com").unwrap().contains("its private key is not there any more"));
    assert_eq!(told("good.com"), None);
    assert!(told("web").is_some(), "the Ingress that uses it is told too");
    assert!(outcome.rejections.iter().all(|it| !it.message.contains("/tmp")), "no path of the machine: {outcome:?}");
    assert!(get_trusting(&good, "good.com", port, &[]).unwrap().starts_with("web\n"));
    assert!(get_trusting(&good, "broken.com", port, &["-k"]).is_err());
    assert_eq!(get(http, "broken.com", "/").who(), "web", "without TLS it is served");

    assert_eq!(caddy.apply(change()).rejections, outcome.rejections);
}

#[test]
fn a_name_shows_its_own_certificate_or_the_default_one_and_no_other() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    let (wild, any) = (issue(&caddy, "*.foo.com"), issue(&caddy, "any.com"));
    let to_web = || vec![prefix("/", "default/web/80")];
    let serve = |default: Option<&Certificate>| {
        caddy.serve(with_certificates(
            complete(
                vec![Listener { default_certificate: default.map(|it| it.id.clone()), ..https("https-443", port) }],
                vec![
                    virtual_host("https-443", "a.foo.com", to_web()),
                    secured(virtual_host("https-443", "*.foo.com", to_web()), &wild),
                ],
                vec![backend("default/web/80", vec![server.endpoint()])],
            ),
            vec![any.clone(), wild.clone()],
        ));
    };
    serve(None);
    assert!(get_trusting(&wild, "b.foo.com", port, &[]).is_ok());
    assert!(get_trusting(&wild, "a.foo.com", port, &["-k"]).is_err(), "it has none, and there is no default");
    assert!(get_trusting(&wild, "any.com", port, &["-k"]).is_err(), "the certificate of a name that is no host");
    serve(Some(&any));
    eventually("the default certificate is shown", || {
        get_trusting(&any, "a.foo.com", port, &["-k"]).is_ok_and(|answer| answer.starts_with("web\n"))
    });
    assert!(get_trusting(&wild, "a.foo.com", port, &[]).is_err(), "the default one is not for this name");
    assert!(get_trusting(&any, "any.com", port, &[]).is_ok());
}

#[test]
fn a_certificate_is_rotated_and_its_files_go() {
    let server = Server::echo("web");
    let port = free_port();
    let caddy = DataPlane::new();
    let serve = |certificate: &Certificate| {
        caddy.serve(with_certificates(
            complete(
                vec![https("https-443", port)],
                vec![secured(virtual_host("https-443", "foo.com", vec![prefix("/", "default/web/80")]), certificate)],
                vec![backend("default/web/80", vec![server.endpoint()])],
            ),
            vec![certificate.clone()],
        ));
        eventually("it is shown", || {
            get_trusting(certificate, "foo.com", port, &[]).is_ok_and(|answer| answer.starts_with("web\n"))
        });
        assert_eq!(std::fs::read_dir(caddy.host.directory().path().join("certificates")).unwrap().count(), 2);
    };
    serve(&issue(&caddy, "foo.com"));
    serve(&reissue(&caddy, "another", "foo.com"));
}

#[test]
fn endpoints_are_spoken_to_over_tls_where_asked_for() {
    let server = echo_server("secure");
    let port = free_port();
    let caddy = DataPlane::new();
    let secure = lb_provider::Backend {
        protocol: lb_provider::BackendProtocol::Https,
        ..backend("default/web/443", vec![server.endpoint()])
    };
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/443")])],
        vec![secure],
    ));
    let answer = get(port, "foo.com", "/");
    assert_eq!(answer.who(), "secure");
    assert_eq!(answer.forwarded("Host"), Some("foo.com"));
}
