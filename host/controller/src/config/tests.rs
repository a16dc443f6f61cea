use super::*;

fn parse(text: &str) -> Result<Options, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn an_unknown_key_is_told_with_its_line() {
    let error = parse("provider: nginx\nhttp-prot: 81\n").unwrap_err();
    assert!(error.contains("http-prot") && error.contains('2'), "{error}");
}

#[test]
fn a_stream_needs_what_it_needs() {
    let error = parse("streams:\n  - port: 9000\n    protocol: tcp\n").unwrap_err();
    assert!(error.contains("service"), "{error}");
    let options = parse("streams: [{port: 9000, protocol: tcp, service: shop/db, service-port: 5432}]").unwrap();
    let streams = options.translate().unwrap().streams;
    assert_eq!(streams[0].service, NamespacedName::new("shop", "db"));
}

#[test]
fn addresses_are_parsed_strictly() {
    assert_eq!(address("::1").unwrap(), Address::Ip("::1".to_owned()));
    assert_eq!(address("LB.example.com").unwrap(), Address::Hostname("lb.example.com".to_owned()));
    assert!(address("not a name").is_err());
    assert!(namespaced_name("--publish-service", "shop").is_err());
}

fn read(text: &str) -> Result<Options, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    read_file(file.path()).map_err(|error| error.to_string())
}

#[test]
fn a_part_of_a_grant_is_enough_for_what_it_is_laid_over() {
    let options = read("grants: {http: {api: {allow-addresses: [loopback]}}}\nprovider: x\n").unwrap();
    assert_eq!(
        options.provider_part,
        serde_json::json!({"grants": {"http": {"api": {"allow-addresses": ["loopback"]}}}})
    );
    assert!(read("grants: null\nlimits:\n").is_ok());
}

#[test]
fn a_mistake_in_a_part_of_a_grant_is_told_with_its_line() {
    for (text, words) in [
        ("grants:\n  http:\n    api:\n      alow-addresses: []\n", ["alow-addresses", "line 4"]),
        ("grants:\n  http:\n    api:\n      allow-addresses: [moon]\n", ["moon", "line 4"]),
        ("limits:\n  wal-ms: 3\n", ["wal-ms", "line 2"]),
    ] {
        let error = read(text).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

/// The options of each provider, by name.
fn several(text: &str) -> Result<Vec<Options>, String> {
    read(text)?.of_each_provider().map_err(|error| format!("{error:#}"))
}

#[test]
fn each_provider_fills_what_it_leaves_open_from_the_top() {
    let text = "publish-address: [192.0.2.1]\nhttp-port: 8080\ncontroller-id: site\nstate-dir: /state\nproviders:\n  \
                a: {provider: nginx, https-port: 8443, grants: {files: {path: x}}}\n  \
                b: {provider: rancher, ingress-class: remote, publish-service: lb/front, controller-id: own}\n";
    let providers = several(text).unwrap();
    let [a, b] = providers.as_slice() else { panic!("{} providers", providers.len()) };
    assert_eq!((a.provider.as_deref(), b.provider.as_deref()), (Some("nginx"), Some("rancher")));
    assert_eq!((a.classes().name(), b.classes().name()), ("a", "remote"));
    assert_eq!((a.http_port, a.https_port, b.http_port, b.https_port), (Some(8080), Some(8443), Some(8080), None));
    assert_eq!(a.publish().unwrap().addresses, [Address::Ip("192.0.2.1".to_owned())]);
    let published = b.publish().unwrap();
    assert!(published.addresses.is_empty() && published.service == Some(NamespacedName::new("lb", "front")));
    assert_eq!((a.controller_id.as_deref(), b.controller_id.as_deref()), (Some("site/a"), Some("own")));
    assert_eq!(a.provider_part, serde_json::json!({"grants": {"files": {"path": "x"}}}));
    assert_eq!(a.provider_dir(), Path::new("/state/providers/a"));
}

#[test]
fn a_single_provider_is_as_it_ever_was() {
    let options = Options { state_dir: Some("/state".into()), ..parse("provider: nginx\nsettings: {a: 1}").unwrap() };
    let all = options.of_each_provider().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].classes(), ClassSelection::AllOfController { name: "lb".to_owned() });
    assert_eq!(all[0].provider_dir(), Path::new("/state"));
}

#[test]
fn an_ingress_without_a_class_goes_to_one_provider() {
    let text = "providers:\n  a: {provider: x, watch-ingress-without-class: true}\n  \
                b: {provider: x, watch-ingress-without-class: true}\n";
    let error = several(text).unwrap_err();
    assert!(error.contains("providers.a") && error.contains("providers.b"), "{error}");
}

#[test]
fn the_example_of_several_providers_is_valid() {
    let providers = several(include_str!("../../../../deploy/several-providers/config.yaml")).unwrap();
    assert_eq!(
        providers.iter().map(|options| options.classes().name().to_owned()).collect::<Vec<_>>(),
        ["lb-nginx", "lb-rancher"]
    );
}
