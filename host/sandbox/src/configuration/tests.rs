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
  http: {}
limits: { compute-ms: 1000, wall-ms: 2000, memory-bytes: 64MiB, table-elements: 10, host-calls: 5, bytes: 1048576,
          log-lines: 7, stack-bytes: 512KiB }
"#,
    )
    .unwrap();
    assert_eq!(configuration.settings["worker-processes"], 2);
    assert_eq!(configuration.grants.files.as_ref().unwrap().max_bytes, 2 << 30);
    let nginx = &configuration.grants.services["nginx"];
    assert_eq!(nginx.stop.signal, Signal::Quit);
    assert!(nginx.reload.as_ref().unwrap().failed.as_ref().unwrap().matches("nginx: [emerg] no such file"));
    assert_eq!(configuration.limits.memory_bytes, 64 << 20);
    assert_eq!(configuration.limits.stack_bytes, 512 << 10);
}

#[test]
fn what_cannot_be_used_is_named() {
    let service = |fields: &str| format!("grants: {{ files: {{ path: /x }}, services: {{ web: {{ {fields} }} }} }}");
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
        ("grants: { http: { api: { url: x } } }", "grants.http.api"),
        (&service("args: []"), "program"),
        (&service("program: bin/web"), "grants.services.web.program"),
        (&service("program: web, ready: '['"), "regex"),
        (&service("program: web, stop: { signal: KILL }"), "KILL"),
        (&service("program: web, stop: { timeout-seconds: 0 }"), "grants.services.web.stop.timeout-seconds"),
        ("grants: { files: { path: /x }, services: { 'a/b': { program: web } } }", "a/b"),
        ("limits: { compute: 1 }", "compute"),
        ("limits: { compute-ms: 0 }", "limits.compute-ms"),
        ("limits: { stack-bytes: 1GiB }", "limits.stack-bytes"),
    ] {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(named), "{yaml}: {error}");
    }
}
