use lb_provider::testing::{Directory, records::object};

use super::*;

const L: &str = "11111111111111111111111111111111";
const H: &str = "22222222222222222222222222222222";
const C: &str = "33333333333333333333333333333333";

fn tree() -> Directory {
    let directory = Directory::temporary();
    let source = |name: &str| {
        format!(r#"# source {{"kind":"Ingress","name":"{name}","namespace":"default","uid":"ingress-{name}"}}"#)
    };
    let files = [
        (
            format!("http/hosts/{L}-{H}.conf"),
            format!(
                "server {{\n  server_name x;\n{}\n  location / {{\n  }}\n{}\n  location /b {{\n  }}\n}}\n",
                source("a"),
                source("b")
            ),
        ),
        (
            format!("http/listeners/{L}.listen"),
            format!("{}\nlisten \"0.0.0.0:80\";\nlisten \"[::]:80\";\n", source("port")),
        ),
        (
            format!("stream/listeners/{H}.conf"),
            format!("{}\nserver {{\n    listen \"0.0.0.0:53\" udp;\n}}\n", source("dns")),
        ),
        (format!("certificates/{C}.crt"), format!("{}\n-----BEGIN CERTIFICATE-----\n", source("secret"))),
    ];
    for (path, content) in files {
        directory.put(&format!("tree/{path}"), content.as_bytes()).unwrap();
    }
    directory
}

fn blamed(output: &str) -> Option<(Exclusion, Vec<lb_provider::ObjectRef>)> {
    find(&tree(), "tree", output).unwrap().map(|culprit| (culprit.exclusion, culprit.objects))
}

fn ingress(name: &str) -> Vec<lb_provider::ObjectRef> {
    vec![object("Ingress", name)]
}

#[test]
fn a_line_of_a_host_is_the_fault_of_the_object_above_it() {
    let path = format!("http/hosts/{L}-{H}.conf");
    let at = |line: usize| {
        blamed(&format!("nginx: [emerg] invalid parameter \"x\" in /var/lib/lb/.trees/live-7/{path}:{line}\n"))
    };
    let routes = |uid: &str| Exclusion::Routes { path: path.clone(), uid: uid.to_owned() };
    assert_eq!(at(4), Some((routes("ingress-a"), ingress("a"))));
    assert_eq!(at(7), Some((routes("ingress-b"), ingress("b"))));
    let both = vec![object("Ingress", "a"), object("Ingress", "b")];
    assert_eq!(at(2), Some((Exclusion::Host(path.clone()), both)), "above all objects it is the host's");
}

#[test]
fn ports_certificates_and_modules_are_told_apart() {
    let bind = |socket: &str, error: &str| {
        blamed(&format!("2026/01/01 00:00:00 [emerg] 12#12: bind() to {socket} failed ({error})\n"))
    };
    let in_use = "98: Address already in use";
    assert_eq!(bind("0.0.0.0:80", in_use), Some((Exclusion::Listener(L.to_owned()), ingress("port"))));
    assert_eq!(bind("[::]:80", "13: Permission denied"), Some((Exclusion::Listener(L.to_owned()), ingress("port"))));
    assert_eq!(bind("0.0.0.0:53", in_use), Some((Exclusion::Listener(H.to_owned()), ingress("dns"))));
    assert_eq!(bind("0.0.0.0:8", in_use), None, "80 is not 8");
    let six = || Exclusion::Address("[::]".parse().unwrap());
    assert_eq!(bind("[::]:80", "99: Cannot assign requested address"), Some((six(), vec![])));
    let socket = "nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)";
    assert_eq!(blamed(socket), Some((six(), vec![])));
    let certificate =
        format!(r#"nginx: [emerg] cannot load certificate "/x/certificates/{C}.crt": PEM_read_bio_X509_AUX() failed"#);
    assert_eq!(blamed(&certificate), Some((Exclusion::Certificate(C.to_owned()), ingress("secret"))));
    let key = format!(
        r#"nginx: [emerg] SSL_CTX_use_PrivateKey("/x/certificates/{C}.key") failed (SSL: key values mismatch)"#
    );
    assert_eq!(blamed(&key).map(|it| it.0), Some(Exclusion::Certificate(C.to_owned())));
    let module =
        r#"nginx: [emerg] dlopen() "/usr/lib/x.so" failed (x.so: no such file) in /x/live/modules/stream.conf:1"#;
    assert_eq!(blamed(module), Some((Exclusion::Stream, vec![])));
}

#[test]
fn words_that_name_nobody_blame_nobody() {
    for output in [
        "",
        "nginx: the configuration file /x/nginx.conf syntax is ok\n",
        "nginx: [emerg] could not build server_names_hash, you should increase server_names_hash_bucket_size: 64",
        "nginx: [emerg] unknown directive \"lua\" in /x/live/nginx.conf:3",
        "[emerg] bind() to unix:/x failed (98: Address already in use)",
        "[emerg] in /http/hosts/x.conf:",
        "[emerg] x in /http/listeners/\u{e9}\u{e9}.listen:1",
    ] {
        assert_eq!(blamed(output), None, "{output}");
    }
}

#[test]
fn the_second_error_is_blamed_if_the_first_names_nobody() {
    let output =
        "[emerg] 1#1: still could not bind()\n[emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)";
    assert_eq!(blamed(output).map(|it| it.0), Some(Exclusion::Listener(L.to_owned())));
}

#[test]
fn people_are_told_without_paths() {
    let told = |output: &str| summary(output);
    assert_eq!(told("nginx: [emerg] \"x\" is odd in /a/b.conf:1\n"), "\"x\" is odd");
    assert_eq!(told("[emerg] 7#7: cannot load \"/a/b.crt\": bad"), "cannot load: bad");
    assert_eq!(told("[alert] 7#7: setrlimit() failed\n[emerg] 7#7: no\n"), "no", "what is worst");
    assert_eq!(told("[error] 7#7: init_by_lua error: bad\nstack traceback:\n"), "init_by_lua error: bad");
    assert_eq!(told("nginx: not found\n\n"), "nginx: not found");
    assert_eq!(told(""), "it gave no reason");
}
