use super::{ProviderConfiguration, Signal};

fn parse(yaml: &str) -> Result<ProviderConfiguration, String> {
    let configuration: ProviderConfiguration = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    configuration.validate().map_err(|error| error.to_string())?;
    Ok(configuration)
}

#[test]
fn everything_has_a_default() {
    let configuration = parse("{}").unwrap();
    assert!(configuration.settings.is_object());
    assert!(configuration.grants.files.is_none() && configuration.grants.services.is_empty());
    assert!(!configuration.grants.keys.store && !configuration.grants.keys.reveal);
    assert_eq!(configuration.limits.compute_ms, 5_000);
    assert_eq!(configuration.limits.circuit.breaches, 5);
}

#[test]
fn a_full_configuration_is_read() {
    let configuration = parse(
        r#"
settings: { worker-processes: 2 }
grants:
  files: { path: /var/lib/lb-controller/nginx, max-bytes: 2GiB }
  services:
    nginx:
      program: nginx
      args: [-p, "{directory}", -c, "{directory}/live/nginx.conf"]
      check: [-t, -p, "{directory}", -c, "{path}/nginx.conf"]
      reload: { signal: HUP, done: "start worker processes", failed: "\\[emerg\\]", timeout-seconds: 5 }
      ready: "start worker processes"
      stop: { signal: QUIT, timeout-seconds: 20 }
      hint: "apt-get install nginx"
  keys: { store: true, reveal: false }
  http:
    rancher:
      base-url: { env: CATTLE_URL }
      base-url-rewrites: [{ match: '^/v1(/|$)', replace: '/v2-beta$1' }]
      credentials:
        basic: { username: { env: CATTLE_ACCESS_KEY }, password: { file: /run/secrets/key } }
      ca-file: /etc/ca.pem
      methods: [GET, POST]
      paths: [/stacks, /settings]
      connect-timeout-ms: 1000
      timeout-ms: 2000
      concurrency: 4
      requests-per-second: 10
      burst: 20
      request-max-bytes: 64KiB
      response-max-bytes: 32MiB
      redirects: 1
      allow-addresses: [loopback, link-local, metadata]
  subscriptions:
    rancher:
      http: rancher
      path: /subscribe?eventNames=resource.change
      wake-on: { /name: [resource.change], /resourceType: [loadBalancerService, certificate] }
      idle-timeout-ms: 15000
      debounce-ms: 500
limits: { compute-ms: 1000, wall-ms: 2000, memory-bytes: 64MiB, table-elements: 10, instances: 9, host-calls: 5,
          bytes: 1048576, addresses: 8, log-lines: 7, stack-bytes: 512KiB,
          circuit: { breaches: 3, within-seconds: 60, open-seconds: 10 } }
"#,
    )
    .unwrap();
    assert_eq!(configuration.settings["worker-processes"], 2);
    assert_eq!(configuration.grants.files.as_ref().unwrap().max_bytes, 2 << 30);
    let nginx = &configuration.grants.services["nginx"];
    assert_eq!(nginx.stop.signal, Signal::Quit);
    assert!(nginx.reload.as_ref().unwrap().failed.as_ref().unwrap().matches("nginx: [emerg] no such file"));
    let rancher = &configuration.grants.http["rancher"];
    assert_eq!((rancher.timeout_ms, rancher.response_max_bytes, rancher.allow_addresses.len()), (2_000, 32 << 20, 3));
    assert_eq!(configuration.grants.subscriptions["rancher"].wake_on["/resourceType"].len(), 2);
    assert_eq!(configuration.limits.memory_bytes, 64 << 20);
    assert_eq!(configuration.limits.stack_bytes, 512 << 10);
    assert_eq!((configuration.limits.instances, configuration.limits.addresses), (9, 8));
    let circuit = configuration.limits.circuit;
    assert_eq!((circuit.breaches, circuit.open_seconds, circuit.longest_open_seconds), (3, 10, 600));
}

#[test]
fn what_cannot_be_used_is_named() {
    let service = |fields: &str| format!("grants: {{ files: {{ path: /x }}, services: {{ web: {{ {fields} }} }} }}");
    let http = |fields: &str| format!("grants: {{ http: {{ api: {{ base-url: http://api, {fields} }} }} }}");
    let subscription = |fields: &str| {
        format!(
            "grants: {{ http: {{ api: {{ base-url: http://api }} }}, subscriptions: {{ events: {{ {fields} }} }} }}"
        )
    };
    for (yaml, named) in [
        ("setings: {}", "setings"),
        ("settings: [1]", "settings"),
        ("grants: { file: {} }", "file"),
        ("grants: { files: {} }", "path"),
        ("grants: { files: { path: '' } }", "grants.files.path"),
        ("grants: { files: { path: /x, max-bytes: 1GB } }", "1GB"),
        ("grants: { files: { path: /x, max-bytes: -1 } }", "-1"),
        ("grants: { keys: { store: true } }", "grants.keys.store"),
        ("grants: { services: { web: { program: web } } }", "grants.services.web"),
        ("grants: { http: { api: { url: x } } }", "url"),
        ("grants: { http: { api: {} } }", "base-url"),
        ("grants: { http: { 'a b': { base-url: x } } }", "grants.http.a b"),
        (&http("methods: []"), "grants.http.api.methods"),
        (&http("methods: [CONNECT]"), "`CONNECT`"),
        (&http("paths: []"), "grants.http.api.paths"),
        (&http("paths: [stacks]"), "`stacks` does not start with `/`"),
        (&http("paths: [/a/../b]"), "`/a/../b` holds `.` or `..`"),
        (&http("timeout-ms: 0"), "grants.http.api.timeout-ms"),
        (&http("concurrency: 0"), "grants.http.api.concurrency"),
        (&http("requests-per-second: 0"), "grants.http.api.requests-per-second"),
        (&http("burst: 0"), "grants.http.api.burst"),
        (&http("redirects: 11"), "grants.http.api.redirects"),
        (&http("response-max-bytes: 2GiB"), "grants.http.api.response-max-bytes"),
        (&http("allow-addresses: [public]"), "public"),
        (&http("base-url-rewrites: [{ match: '[', replace: '' }]"), "regex"),
        (&http("base-url-rewrites: [{ match: 'a', with: '' }]"), "with"),
        (&http("credentials: { digest: x }"), "digest"),
        (&http("credentials: { bearer: x, header: { name: a, value: b } }"), "take the others away with null"),
        (&http("credentials: {}"), "one of `basic`, `bearer` and `header`"),
        (&http("credentials: { bearer: { env: X, file: /x } }"), "take the other away with null"),
        (&http("credentials: { basic: { username: x } }"), "password"),
        (&http("credentials: { bearer: { vault: x } }"), "vault"),
        (&subscription("http: other, path: /s"), "there is no `grants.http.other`"),
        (&subscription("http: api, path: s"), "grants.subscriptions.events.path"),
        (&subscription("http: api, path: /../s"), "grants.subscriptions.events.path"),
        (&subscription("http: api, path: /s, wake-on: { name: [x] }"), "`name` is no JSON pointer"),
        (&subscription("http: api, path: /s, wake-on: { /name: [] }"), "`/name` needs a value"),
        (&subscription("http: api, path: /s, debounce-ms: 0"), "grants.subscriptions.events.debounce-ms"),
        (&subscription("http: api, path: /s, idle-timeout: 1"), "idle-timeout"),
        (&service("args: []"), "program"),
        (&service("program: bin/web"), "grants.services.web.program"),
        (&service("program: web, ready: '['"), "regex"),
        (&service("program: web, stop: { signal: KILL }"), "KILL"),
        (&service("program: web, stop: { timeout-seconds: 0 }"), "grants.services.web.stop.timeout-seconds"),
        ("grants: { files: { path: /x }, services: { 'a/b': { program: web } } }", "a/b"),
        ("limits: { compute: 1 }", "compute"),
        ("limits: { compute-ms: 0 }", "limits.compute-ms"),
        ("limits: { stack-bytes: 1GiB }", "limits.stack-bytes"),
        ("limits: { instances: 0 }", "limits.instances"),
        ("limits: { addresses: 0 }", "limits.addresses"),
        ("limits: { circuit: { breach: 1 } }", "breach"),
        ("limits: { circuit: { breaches: 0 } }", "limits.circuit.breaches"),
        ("limits: { circuit: { within-seconds: 0 } }", "limits.circuit.within-seconds"),
        ("limits: { circuit: { open-seconds: 601 } }", "limits.circuit.longest-open-seconds"),
    ] {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(named), "{yaml}: {error}");
    }
}

#[test]
fn a_credential_is_never_shown() {
    let configuration = parse(
        "grants: { http: { api: { base-url: http://api, credentials: { basic: { username: admin, password: hunter2 } } } } }",
    )
    .unwrap();
    let shown = format!("{configuration:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("admin"), "{shown}");
    // An error of the types does not repeat the value either.
    for value in ["123456", "1.5", "true", "[hunter2]"] {
        let json = format!(
            r#"{{"grants":{{"http":{{"api":{{"base-url":"http://api","credentials":{{"bearer":{value}}}}}}}}}}}"#
        );
        let error = serde_json::from_str::<ProviderConfiguration>(&json).unwrap_err().to_string();
        assert!(!error.contains(value) && !error.contains("hunter2"), "{error}");
        assert!(error.contains("{ env: NAME }"), "{error}");
        let yaml = format!("grants: {{ http: {{ api: {{ base-url: x, credentials: {{ bearer: {value} }} }} }} }}");
        // As an operator's file is read: without a piece of it in the error.
        let options = serde_saphyr::options! { with_snippet: false };
        let error =
            serde_saphyr::from_str_with_options::<ProviderConfiguration>(&yaml, options).unwrap_err().to_string();
        assert!(!error.contains(value) && !error.contains("hunter2"), "{error}");
    }
}
