//! `nginx.conf`, and the files that are the same for everybody.

use super::listener::seconds;
use crate::{
    conf::{Argument, Conf, code, literal, number},
    names::{MAIN, STREAM, STREAM_MODULES},
    plan::Plan,
    settings::{AccessLog, Settings, WorkerProcesses},
};

const HTTP: &str = include_str!("../../data-plane/http.conf");
const STREAM_BLOCK: &str = include_str!("../../data-plane/stream.conf");
const BALANCER: &str = include_str!("../../data-plane/balancer.lua");
const RESPONSE: &str = include_str!("../../data-plane/response.lua");
const STREAM_BALANCER: &str = include_str!("../../data-plane/stream.js");

/// Where the Lua modules lie, from nginx's prefix: the granted directory. Only what is live is ever run.
const LUA_PATH: &str = "$prefix/live/lua/?.lua";

pub(super) fn write(plan: &mut Plan, settings: &Settings) {
    plan.put(MAIN, main(settings));
    plan.put("http/http.conf", HTTP);
    plan.put("lua/balancer.lua", BALANCER);
    plan.put("lua/response.lua", RESPONSE);
    plan.put("njs/stream.js", STREAM_BALANCER);
}

/// The `stream` block and the modules that it needs, for trees with ports that are not HTTP.
pub(super) fn stream(settings: &Settings) -> [(&'static str, Vec<u8>); 2] {
    let mut modules = Conf::default();
    load_module(&mut modules, settings, "ngx_stream_module");
    load_module(&mut modules, settings, "ngx_stream_js_module");
    [(STREAM, STREAM_BLOCK.into()), (STREAM_MODULES, finish(modules))]
}

fn main(settings: &Settings) -> Vec<u8> {
    let connections = u64::from(settings.worker_connections);
    let mut conf = Conf::default();
    conf.comment("Written by lb-controller; changes are overwritten.");
    conf.directive("daemon", [code("off")]);
    conf.directive("pid", [code("nginx.pid")]);
    // The controller waits for lines of this level.
    conf.directive("error_log", [code("stderr"), code("notice")]);
    if let Some(user) = &settings.user {
        conf.directive("user", [literal(&user.0)]);
    }
    conf.directive("worker_processes", [worker_processes(settings.worker_processes)]);
    conf.directive("worker_shutdown_timeout", [seconds(settings.worker_shutdown_timeout_seconds)]);
    // Each connection may need one to the client and one to an endpoint, and files are open besides.
    conf.directive("worker_rlimit_nofile", [number(2 * connections + 1024, "")]);
    conf.directive("pcre_jit", [code("on")]);
    load_module(&mut conf, settings, "ndk_http_module");
    load_module(&mut conf, settings, "ngx_http_lua_module");
    conf.directive("include", [code("modules/*.conf")]);
    conf.block("events", [], |conf| {
        conf.directive("worker_connections", [number(connections, "")]);
    });
    conf.block("http", [], |conf| http(conf, settings));
    conf.directive("include", [code("stream/*.conf")]);
    finish(conf)
}

fn http(conf: &mut Conf, settings: &Settings) {
    // Below the granted directory, so that any account can run nginx.
    conf.directive("client_body_temp_path", [code("temporary-client-body")]);
    conf.directive("proxy_temp_path", [code("temporary-proxy")]);
    conf.directive("fastcgi_temp_path", [code("temporary-fastcgi")]);
    conf.directive("uwsgi_temp_path", [code("temporary-uwsgi")]);
    conf.directive("scgi_temp_path", [code("temporary-scgi")]);
    let others = settings.lua_package_path.as_ref().map(|path| path.0.as_str());
    let mut lua_path = [Some(LUA_PATH), others].into_iter().flatten().collect::<Vec<_>>().join(";");
    // And wherever Lua looks by itself.
    lua_path.push_str(";;");
    conf.directive("lua_package_path", [literal(&lua_path)]);
    match &settings.access_log {
        AccessLog::Off => conf.directive("access_log", [code("off")]),
        AccessLog::File(path) => {
            conf.directive("access_log", [literal(&path.0), code("json"), code("buffer=64k"), code("flush=1s")])
        }
    };
    conf.directive("keepalive_timeout", [seconds(settings.client_keepalive_seconds)]);
    conf.directive("client_max_body_size", [number(settings.body_limit_bytes, "")]);
    conf.directive("proxy_connect_timeout", [number(settings.connect_timeout_milliseconds, "ms")]);
    conf.directive("proxy_read_timeout", [number(settings.idle_timeout_milliseconds, "ms")]);
    conf.directive("proxy_send_timeout", [number(settings.idle_timeout_milliseconds, "ms")]);
    conf.directive("proxy_next_upstream_tries", [number(settings.tries, "")]);
    upstream(conf, settings, "http_endpoints");
    upstream(conf, settings, "https_endpoints");
    conf.directive("include", [code("http/http.conf")]);
    conf.directive("include", [code("http/hosts/*.conf")]);
}

/// One for each protocol: idle connections are kept by address alone.
fn upstream(conf: &mut Conf, settings: &Settings, name: &'static str) {
    conf.block("upstream", [code(name)], |conf| {
        // nginx wants one; the balancer always chooses another.
        conf.directive("server", [code("0.0.0.1")]);
        conf.lua("balancer_by_lua_block", r#"require("balancer").balance()"#);
        conf.directive("keepalive", [number(settings.upstream_keepalive_connections, "")]);
        conf.directive("keepalive_timeout", [seconds(settings.upstream_keepalive_seconds)]);
    });
}

fn worker_processes(count: WorkerProcesses) -> Argument<'static> {
    match count {
        WorkerProcesses::Auto => code("auto"),
        WorkerProcesses::Exactly(count) => number(count, ""),
    }
}

fn load_module(conf: &mut Conf, settings: &Settings, module: &'static str) {
    let path = format!("{}/{module}.so", settings.modules_directory.0);
    conf.directive("load_module", [literal(&path)]);
}

fn finish(conf: Conf) -> Vec<u8> {
    conf.finish().expect("settings were checked when they were read")
}
