//! What nginx or the machine refuses, and what outlives a crash.

use std::{fs, net::TcpListener};

use lb_plugin_nginx::Nginx;
use lb_provider::{
    ChangeKind, ChangeSet, Error, Files as _, Listener, Observed, PathMatch, PathRewrite, Protocol, Readiness,
    Redirect, Removal, RouteAction,
    testing::{
        observe,
        records::{backend, change, exact, listener, object, prefix, route, virtual_host},
        remove,
    },
};

use crate::{
    client::get,
    data_plane::{DataPlane, SETTINGS, complete, eventually, free_port, upsert},
    endpoints::Server,
};

fn web_on(port: u16, server: &Server) -> ChangeSet {
    complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![backend("default/web/80", vec![server.endpoint()])],
    )
}

fn seen(nginx: &DataPlane) -> Observed {
    let mut observed = observe::<Nginx>(SETTINGS, &nginx.host).unwrap();
    assert_eq!(observed.len(), 1);
    observed.remove(0)
}

#[test]
fn a_port_in_use_costs_its_listener_and_nothing_else() {
    for first in [true, false] {
        let server = Server::echo("web");
        let (free, taken) = (free_port(), free_port());
        let occupant = TcpListener::bind(("127.0.0.1", taken)).unwrap();
        let nginx = DataPlane::new();
        if !first {
            // With and without an nginx that runs already.
            nginx.serve(web_on(free, &server));
        }
        let both = || {
            let mut change = web_on(free, &server);
            let asked =
                Listener { sources: vec![object("Ingress", "greedy")], ..listener("http-81", taken, Protocol::Http) };
            change.listeners.upsert.push(asked);
            change.virtual_hosts.upsert.push(virtual_host("http-81", "bar.com", vec![prefix("/", "default/web/80")]));
            change
        };
        let outcome = nginx.apply(both());
        assert_eq!(outcome.rejections.len(), 1);
        assert_eq!(outcome.rejections[0].object, object("Ingress", "greedy"));
        let said =
            format!("nginx cannot open the listener: bind() to 127.0.0.1:{taken} failed (98: Address already in use)");
        assert_eq!(outcome.rejections[0].message, said);
        assert_eq!(outcome.readiness, Readiness::Pending(said.clone()));
        eventually("the other listener serves", || get(free, "foo.com", "/").status == 200);

        // Later changes do not make it forgotten, nor trip over it.
        let added = upsert(vec![virtual_host("http-81", "baz.com", vec![prefix("/", "default/web/80")])], vec![]);
        assert_eq!(nginx.apply(added).readiness, Readiness::Pending(said.clone()));
        assert_eq!(seen(&nginx).drift, Some(said), "so that the host applies everything again");
        drop(occupant);
        nginx.serve(both());
        eventually("it is served once the port is free", || get(taken, "bar.com", "/").status == 200);
        assert_eq!(seen(&nginx).drift, None);
    }
}

#[test]
fn the_same_again_does_nothing() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(web_on(port, &server));
    let (master, workers) = (nginx.master(), nginx.workers());
    nginx.serve(web_on(port, &server));
    nginx.serve(ChangeSet { kind: ChangeKind::Incremental, ..web_on(port, &server) });
    assert_eq!((nginx.master(), nginx.workers()), (master, workers));
    assert_eq!(fs::read_dir(nginx.host.directory().path().join(".trees")).unwrap().count(), 1, "copies are cleaned up");
}

#[test]
fn a_complete_change_leaves_nothing_else() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    let mut before = web_on(port, &server);
    before.virtual_hosts.upsert.push(virtual_host("http-80", "*", vec![prefix("/", "default/old/80")]));
    before.virtual_hosts.upsert.push(virtual_host("http-80", "old.com", vec![prefix("/", "default/old/80")]));
    before.backends.upsert.push(backend("default/old/80", vec![server.endpoint()]));
    nginx.serve(before);
    assert_eq!(get(port, "old.com", "/").who(), "web");
    let files = nginx.host.directory();
    files.put("backends/stranger", b"?").unwrap();
    files.put("live/http/hosts/stranger.conf", b"server { listen 127.0.0.1:1; }").unwrap();

    nginx.serve(web_on(port, &server));
    eventually("nothing old is served", || get(port, "old.com", "/").status == 404);
    assert_eq!(get(port, "foo.com", "/").who(), "web");
    assert_eq!(files.list("backends").unwrap().len(), 1);
    assert_eq!(files.list("live/http/hosts").unwrap().len(), 2, "foo.com, and the answer to unknown names");
}

#[test]
fn a_listener_goes_with_all_its_hosts() {
    let server = Server::echo("web");
    let (stays, goes) = (free_port(), free_port());
    let nginx = DataPlane::new();
    let mut both = web_on(stays, &server);
    both.listeners.upsert.push(listener("http-81", goes, Protocol::Http));
    both.virtual_hosts.upsert.push(virtual_host("http-81", "bar.com", vec![prefix("/", "default/web/80")]));
    nginx.serve(both);
    assert_eq!(get(goes, "bar.com", "/").who(), "web");
    let mut removed = change(ChangeKind::Incremental);
    removed.listeners.remove = vec!["http-81".to_owned()];
    removed.virtual_hosts.remove = vec!["http-81/bar.com".to_owned()];
    nginx.serve(removed);
    eventually("the port is closed", || std::net::TcpStream::connect(("127.0.0.1", goes)).is_err());
    assert_eq!(get(stays, "foo.com", "/").who(), "web");
}

#[test]
fn nginx_that_died_is_seen_and_started_again() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(web_on(port, &server));
    assert_eq!(seen(&nginx).readiness, Readiness::Ready);
    // The master first, so that it starts no other workers; the real host ends the whole process group.
    let processes = std::iter::once(nginx.master()).chain(nginx.workers()).map(|process| process.to_string());
    let killed = std::process::Command::new("kill").arg("-9").args(processes).status().unwrap();
    assert!(killed.success());
    eventually("it is dead", || !nginx.is_running());
    assert_eq!(seen(&nginx).drift.as_deref(), Some("nginx does not run"));
    nginx.serve(web_on(port, &server));
    assert_eq!(get(port, "foo.com", "/").who(), "web");
}

#[test]
fn an_apply_that_was_cut_short_is_finished_by_the_next() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(web_on(port, &server));
    let workers = nginx.workers();
    // As if the controller had died between activating a tree and telling nginx.
    nginx.host.directory().put("state/reload", b"").unwrap();
    assert!(seen(&nginx).drift.unwrap().contains("has not read its configuration"));
    nginx.serve(web_on(port, &server));
    assert_eq!(seen(&nginx).drift, None);
    eventually("nginx has read it", || nginx.workers().is_disjoint(&workers));
}

#[test]
fn hostile_text_is_only_ever_text() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    let hostile = [
        "/a;}location/x{return 200;}#",
        "/{",
        "/}",
        "/\"quoted\"",
        "/'single'",
        "/back\\slash\\",
        "/$host${host}$1",
        "/#comment",
        "/~regex.*",
        "/@named",
        "/%5c%22%7b",
        "/a%20b",
        "/%ff%fe",
        "/;",
    ];
    let mut routes: Vec<_> = hostile.iter().map(|path| exact(path, "default/web/80")).collect();
    let target = Redirect {
        scheme: None,
        host: Some("x\"; return 200 \"$host".to_owned()),
        port: None,
        path: Some(PathRewrite::Full("/\\\"};\\".to_owned())),
        status: 302,
    };
    routes.push(route(PathMatch::Exact("/away".to_owned()), RouteAction::Redirect(target)));
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", routes)],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    for path in hostile {
        let encoded = path.replace('#', "%23").replace('"', "%22").replace('\\', "%5C").replace(' ', "%20");
        assert_eq!(get(port, "foo.com", &encoded).who(), "web", "{path}");
    }
    assert_eq!(get(port, "foo.com", "/x").status, 404);
    let location = get(port, "foo.com", "/away").header("Location").unwrap().to_owned();
    assert_eq!(location, "http://x\"; return 200 \"$host/\\\"};\\");
}

#[test]
fn text_that_cannot_be_written_costs_its_own_route() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    let long = format!("/{}", "a".repeat(5000));
    let bad = ["/line%0aend", "/tab%09", "/nul%00", "/half%4", "no-slash", "/..", long.as_str()];
    let mut routes: Vec<_> = bad.iter().map(|path| exact(path, "default/web/80")).collect();
    routes.push(prefix("/good", "default/web/80"));
    let outcome = nginx.apply(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![
            virtual_host("http-80", "foo.com", routes),
            virtual_host("http-80", "not a host", vec![prefix("/", "default/web/80")]),
            virtual_host("http-80", "~.*", vec![prefix("/", "default/web/80")]),
        ],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    assert_eq!(outcome.rejections.len(), bad.len() + 2, "{:#?}", outcome.rejections);
    assert_eq!(outcome.readiness, Readiness::Ready);
    assert_eq!(get(port, "foo.com", "/good").who(), "web");
    assert_eq!(get(port, "other.com", "/").status, 404);
}

#[test]
fn a_load_balancer_is_removed_with_all_that_is_its() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    assert_eq!(observe::<Nginx>(SETTINGS, &nginx.host), Ok(vec![]));
    nginx.serve(web_on(port, &server));
    assert_eq!(remove::<Nginx>(SETTINGS, "another", &nginx.host), Ok(Removal::Removed));
    assert_eq!(get(port, "foo.com", "/").who(), "web", "another one is not ours");
    let mut stranger = web_on(port, &server);
    stranger.load_balancer.id = "another".to_owned();
    assert!(matches!(nginx.try_apply(stranger), Err(Error::Denied(message)) if message.contains("`lb`")));

    for _ in 0..2 {
        assert_eq!(remove::<Nginx>(SETTINGS, "lb", &nginx.host), Ok(Removal::Removed));
        assert!(!nginx.is_running());
        assert_eq!(observe::<Nginx>(SETTINGS, &nginx.host), Ok(vec![]));
        assert_eq!(
            nginx.host.directory().read("live/nginx.conf"),
            Err(lb_provider::FileError::NotFound("live/nginx.conf".to_owned()))
        );
    }
    nginx.serve(web_on(port, &server));
    assert_eq!(get(port, "foo.com", "/").who(), "web");
}
