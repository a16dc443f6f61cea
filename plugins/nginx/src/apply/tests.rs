use lb_provider::{
    ChangeKind, Endpoint, Files as _, Listener, Protocol, Readiness, ServiceError,
    testing::{
        Directory, Script, TestHost,
        records::{backend, certificate, change, endpoint, exact, listener, object, prefix, virtual_host},
    },
};

use super::*;
use crate::names::{any_host_file, digest, host_file};

struct Scene {
    script: Script,
    host: TestHost,
}

impl Scene {
    fn new() -> Self {
        let script = Script::default();
        let host = TestHost::new(Directory::temporary(), script.clone());
        Self { script, host }
    }

    /// One that serves `web()` already.
    fn serving() -> Self {
        let scene = Self::new();
        scene.serve(&web());
        scene.script.calls();
        scene
    }

    fn apply(&self, change: &ChangeSet) -> Result<Outcome, Error> {
        apply(&Settings::default(), change, &self.host)
    }

    fn serve(&self, change: &ChangeSet) {
        assert_eq!(
            self.apply(change),
            Ok(Outcome { readiness: Readiness::Ready, addresses: vec![], rejections: vec![] })
        );
    }

    fn exists(&self, path: &str) -> bool {
        self.host.directory().read(path).is_ok()
    }

    fn refuse_host(&self, id: &str, line: usize) {
        let path = format!("/x/.trees/live-1/http/hosts/{}", host_file(id));
        self.script.refuse_check(format!("nginx: [emerg] \"x\" is not allowed here in {path}:{line}\n"));
    }
}

/// Two hosts of two Ingresses, one backend.
fn web() -> ChangeSet {
    let mut change = change(ChangeKind::Complete);
    change.listeners.upsert = vec![listener("http-80", 80, Protocol::Http)];
    let mut other = prefix("/other", "default/web/80");
    other.source = object("Ingress", "other");
    change.virtual_hosts.upsert = vec![
        virtual_host("http-80", "bar.com", vec![prefix("/", "default/web/80")]),
        virtual_host("http-80", "foo.com", vec![exact("/", "default/web/80"), other]),
    ];
    change.backends.upsert = vec![backend("default/web/80", vec![endpoint("10.0.0.1", 80)])];
    change
}

fn host_path(id: &str) -> String {
    format!("live/http/hosts/{}", host_file(id))
}

fn messages(outcome: &Outcome) -> Vec<(&str, &str)> {
    outcome.rejections.iter().map(|it| (it.object.name.as_str(), it.message.as_str())).collect()
}

#[test]
fn a_change_is_checked_then_live_then_read() {
    let scene = Scene::new();
    scene.serve(&web());
    assert_eq!(scene.script.calls(), ["check nginx", "start nginx"]);
    assert_eq!(scene.host.read_text("state/owner").as_deref(), Ok("lb"));
    let mut more = change(ChangeKind::Incremental);
    more.virtual_hosts.upsert = vec![virtual_host("http-80", "baz.com", vec![prefix("/", "default/web/80")])];
    scene.serve(&more);
    assert_eq!(scene.script.calls(), ["check nginx", "start nginx", "reload nginx"]);
    for same in [more, web()] {
        let is_complete = same.kind == ChangeKind::Complete;
        scene.serve(&same);
        let expected: &[&str] =
            if is_complete { &["check nginx", "start nginx", "reload nginx"] } else { &["start nginx"] };
        assert_eq!(scene.script.calls(), expected, "baz.com is a stranger only to the complete change");
    }
    scene.serve(&web());
    assert_eq!(scene.script.calls(), ["start nginx"], "the same again");
}

#[test]
fn endpoints_alone_are_none_of_nginxs_business() {
    let scene = Scene::serving();
    let mut change = change(ChangeKind::Incremental);
    let ending = Endpoint { terminating: true, ..endpoint("10.0.0.9", 80) };
    change.backends.upsert = vec![backend("default/web/80", vec![ending.clone(), endpoint("fd00::1", 8080)])];
    scene.serve(&change);
    assert_eq!(scene.script.calls(), Vec::<String>::new());
    let data = scene.host.read_text(&format!("backends/{}", digest("default/web/80"))).unwrap();
    let (head, lines) = data.split_once('\n').unwrap();
    assert!(head.starts_with("v1 ") && head.ends_with(" http none 1 2"), "{head}");
    assert_eq!(lines, "[fd00::1]:8080\n10.0.0.9:80\n", "those that take new clients first");

    change.backends.upsert = vec![backend("default/web/80", vec![ending])];
    scene.serve(&change);
    let data = scene.host.read_text(&format!("backends/{}", digest("default/web/80"))).unwrap();
    assert!(data.lines().next().unwrap().ends_with(" http none 1 1"), "one that ends is better than nobody: {data}");
}

#[test]
fn endpoints_that_are_none_are_left_out_and_told() {
    let scene = Scene::serving();
    let mut change = change(ChangeKind::Incremental);
    change.backends.upsert = vec![backend(
        "default/web/80",
        vec![endpoint("10.0.0.1\n10.0.0.2", 1), endpoint("10.0.0.1", 0), endpoint("10.0.0.3", 3)],
    )];
    let outcome = scene.apply(&change).unwrap();
    assert_eq!(outcome.rejections.len(), 2);
    let data = scene.host.read_text(&format!("backends/{}", digest("default/web/80"))).unwrap();
    assert!(data.ends_with(" http none 1 1\n10.0.0.3:3\n"), "{data}");
}

#[test]
fn a_route_that_nginx_refuses_is_rejected_alone() {
    let scene = Scene::new();
    // The second object of the file stands below line 9.
    scene.refuse_host("http-80/foo.com", 12);
    let outcome = scene.apply(&web()).unwrap();
    assert_eq!(messages(&outcome), [("other", "nginx refuses this configuration: \"x\" is not allowed here")]);
    let served = scene.host.read_text(&host_path("http-80/foo.com")).unwrap();
    assert!(served.contains("location = \"/\"") && !served.contains("/other"), "{served}");
    assert!(scene.exists(&host_path("http-80/bar.com")));
}

#[test]
fn a_host_that_nginx_still_refuses_is_rejected_as_a_whole() {
    let scene = Scene::new();
    // Once with the routes of both objects, once with those of one, once with none.
    for _ in 0..3 {
        scene.refuse_host("http-80/foo.com", 12);
    }
    let outcome = scene.apply(&web()).unwrap();
    let told: Vec<_> = messages(&outcome).into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["other", "web"]);
    assert!(!scene.exists(&host_path("http-80/foo.com")));
    assert!(scene.exists(&host_path("http-80/bar.com")));
    scene.serve(&web());
    assert!(scene.exists(&host_path("http-80/foo.com")), "it comes back with the next change that nginx takes");
}

#[test]
fn a_host_of_an_earlier_change_can_be_the_culprit() {
    let scene = Scene::serving();
    let mut more = change(ChangeKind::Incremental);
    more.virtual_hosts.upsert = vec![virtual_host("http-80", "baz.com", vec![prefix("/", "default/web/80")])];
    for _ in 0..2 {
        scene.refuse_host("http-80/foo.com", 12);
    }
    let outcome = scene.apply(&more).unwrap();
    assert!(messages(&outcome).iter().any(|(name, _)| *name == "other"), "{outcome:?}");
    assert!(!scene.exists(&host_path("http-80/foo.com")));
    assert!(scene.exists(&host_path("http-80/baz.com")));
}

#[test]
fn a_culprit_without_a_name_is_found_by_halves() {
    let scene = Scene::new();
    let mut many = web();
    let hosts: Vec<_> = (0..9).map(|number| format!("h{number}.com")).collect();
    many.virtual_hosts.upsert = hosts
        .iter()
        .map(|host| {
            let mut route = prefix("/", "default/web/80");
            route.source = object("Ingress", host);
            virtual_host("http-80", host, vec![route])
        })
        .collect();
    // In the order of file names, the last host is the culprit: all, none, then halves.
    let mut files: Vec<_> = hosts.iter().map(|host| (host_file(&format!("http-80/{host}")), host)).collect();
    files.sort();
    let refusal = "nginx: [emerg] no idea\n";
    scene.script.refuse_check(refusal);
    scene.script.answer_checks([false, true, true, true, true, true], refusal);
    let outcome = scene.apply(&many).unwrap();
    assert_eq!(messages(&outcome), [(files[8].1.as_str(), "nginx refuses this configuration: no idea")]);
    assert!(scene.exists(&format!("live/http/hosts/{}", files[7].0)));
    assert!(!scene.exists(&format!("live/http/hosts/{}", files[8].0)));
}

#[test]
fn settings_that_nginx_refuses_are_for_the_operator() {
    let scene = Scene::serving();
    for _ in 0..4 {
        scene.script.refuse_check("nginx: [emerg] no idea\n");
    }
    let mut broken = web();
    broken.virtual_hosts.upsert.pop();
    let error = scene.apply(&broken).unwrap_err();
    assert!(matches!(&error, Error::Denied(message) if message.contains("no idea")), "{error:?}");
    assert!(scene.exists(&host_path("http-80/foo.com")), "what was served is still served");
}

#[test]
fn a_missing_module_tells_what_to_install() {
    let scene = Scene::new();
    scene.script.refuse_check(
        "nginx: [emerg] dlopen() \"/usr/lib/nginx/modules/ngx_http_lua_module.so\" failed (no such file) in /x/live/nginx.conf:9\n",
    );
    let error = scene.apply(&web()).unwrap_err();
    let Error::Denied(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("apt-get install") && message.contains("libnginx-mod-http-lua"), "{message}");
}

#[test]
fn missing_stream_modules_cost_the_ports_that_need_them() {
    let scene = Scene::new();
    let mut both = web();
    both.listeners
        .upsert
        .push(Listener { sources: vec![object("Service", "db")], ..listener("tcp-1", 1, Protocol::Tcp) });
    scene.script.refuse_check(
        "nginx: [emerg] dlopen() \"/usr/lib/nginx/modules/ngx_stream_module.so\" failed (no such file) in /x/.trees/live-1/modules/stream.conf:1\n",
    );
    let outcome = scene.apply(&both).unwrap();
    let [(name, message)] = messages(&outcome)[..] else { panic!("{outcome:?}") };
    assert!(name == "db" && message.contains("libnginx-mod-stream"), "{message}");
    assert!(matches!(outcome.readiness, Readiness::Pending(_)));
    assert!(scene.exists(&host_path("http-80/foo.com")));
    assert!(!scene.exists("live/modules/stream.conf"));
}

#[test]
fn a_machine_without_ipv6_serves_ipv4() {
    let scene = Scene::new();
    scene
        .script
        .refuse_check("nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)\n");
    scene.serve(&web());
    let listen = scene.host.read_text(&format!("live/http/listeners/{}.listen", digest("http-80"))).unwrap();
    assert!(listen.contains("\"0.0.0.0:80\"") && !listen.contains("[::]"), "{listen}");
    assert!(scene.host.logged().iter().any(|line| line.fields.contains(&("address".to_owned(), "[::]".to_owned()))));

    let scene = Scene::new();
    for address in ["[::]", "0.0.0.0"] {
        scene
            .script
            .refuse_check(format!("nginx: [emerg] socket() {address}:80 failed (97: Address family not supported)\n"));
    }
    assert!(matches!(scene.apply(&web()), Err(Error::Denied(message)) if message.contains("listen-addresses")));
}

#[test]
fn a_reload_that_is_refused_is_rolled_back() {
    let scene = Scene::serving();
    let mut more = change(ChangeKind::Incremental);
    more.listeners.upsert = vec![listener("http-81", 81, Protocol::Http)];
    scene.script.refuse_reload("[emerg] 1#1: something else\n");
    scene.script.answer_checks([true], "");
    let error = scene.apply(&more).unwrap_err();
    assert!(matches!(&error, Error::Denied(message) if message.contains("something else")), "{error:?}");
    assert!(!scene.exists(&format!("live/http/listeners/{}.listen", digest("http-81"))), "the old tree is live");
    assert!(scene.exists("state/reload"), "what nginx has read is not known for sure");
    scene.script.calls();
    scene.serve(&more);
    assert_eq!(scene.script.calls(), ["check nginx", "start nginx", "reload nginx"]);
    assert!(!scene.exists("state/reload"));
}

#[test]
fn a_service_that_cannot_start_is_for_the_operator() {
    let scene = Scene::new();
    scene.script.fail_start(ServiceError::Failed("nginx: command not found; apt-get install nginx".to_owned()));
    let error = scene.apply(&web()).unwrap_err();
    assert!(matches!(&error, Error::Denied(message) if message.contains("apt-get install nginx")), "{error:?}");
    scene.script.fail_start(ServiceError::Timeout("30 s".to_owned()));
    assert!(matches!(scene.apply(&web()), Err(Error::Unavailable(_))));
    scene.serve(&web());
}

#[test]
fn a_certificate_comes_and_goes_with_its_key() {
    let scene = Scene::new();
    let id = "c".repeat(64);
    scene.host.add_key(&id, "the key");
    let mut secured = change(ChangeKind::Complete);
    secured.listeners.upsert = vec![listener("https-443", 443, Protocol::Https)];
    secured.certificates.upsert = vec![certificate(&id, "tls", "the chain\n")];
    scene.serve(&secured);
    let path = |extension: &str| format!("live/certificates/{}.{extension}", digest(&id));
    assert_eq!(scene.host.read_text(&path("key")).as_deref(), Ok("the key"));
    assert!(scene.host.read_text(&path("crt")).unwrap().ends_with("\"}\nthe chain\n"));
    let mut gone = change(ChangeKind::Incremental);
    gone.certificates.remove = vec![id.clone()];
    scene.serve(&gone);
    assert!(["key", "crt", "conf"].iter().all(|extension| !scene.exists(&path(extension))));
}

#[test]
fn the_host_for_unknown_names_is_always_there() {
    let scene = Scene::serving();
    let path = format!("live/http/hosts/{}", any_host_file(&digest("http-80")));
    let answers_404 = || {
        let text = scene.host.read_text(&path).unwrap();
        assert!(text.contains(".default\""), "{text}");
        text.contains("return 404") && !text.contains("$backends")
    };
    assert!(answers_404());
    let mut any = change(ChangeKind::Incremental);
    any.virtual_hosts.upsert = vec![virtual_host("http-80", "*", vec![prefix("/", "default/web/80")])];
    scene.serve(&any);
    assert!(!answers_404());
    let mut again = change(ChangeKind::Incremental);
    again.listeners.upsert = vec![listener("http-80", 8080, Protocol::Http)];
    scene.serve(&again);
    assert!(!answers_404(), "a change of the port leaves it alone");
    any.virtual_hosts.remove = vec!["http-80/*".to_owned()];
    any.virtual_hosts.upsert.clear();
    scene.serve(&any);
    assert!(answers_404());
    let mut gone = change(ChangeKind::Incremental);
    gone.listeners.remove = vec!["http-80".to_owned()];
    gone.virtual_hosts.remove = vec!["http-80/bar.com".to_owned(), "http-80/foo.com".to_owned()];
    scene.serve(&gone);
    assert!(!scene.exists(&path));
}

#[test]
fn data_of_new_backends_is_there_before_they_are_referred_to() {
    let scene = Scene::new();
    scene.script.fail_start(ServiceError::Timeout("later".to_owned()));
    assert!(scene.apply(&web()).is_err());
    assert!(scene.exists(&format!("backends/{}", digest("default/web/80"))));

    let scene = Scene::serving();
    let mut gone = change(ChangeKind::Complete);
    gone.listeners = web().listeners;
    scene.script.refuse_reload("[emerg] 1#1: no idea\n");
    assert!(scene.apply(&gone).is_err());
    assert!(scene.exists(&format!("backends/{}", digest("default/web/80"))), "it is referred to until nginx agrees");
    scene.serve(&gone);
    assert!(!scene.exists(&format!("backends/{}", digest("default/web/80"))));
}

#[test]
fn lua_that_cannot_be_loaded_tells_what_to_install() {
    let scene = Scene::serving();
    let mut more = change(ChangeKind::Incremental);
    more.virtual_hosts.upsert = vec![virtual_host("http-80", "baz.com", vec![prefix("/", "default/web/80")])];
    scene.script.refuse_reload("[alert] 1#1: failed to load the 'resty.core' module\n");
    let error = scene.apply(&more).unwrap_err();
    assert!(matches!(&error, Error::Denied(message) if message.contains("lua-package-path")), "{error:?}");
    assert!(!scene.exists(&host_path("http-80/baz.com")), "the old tree is live");
}
