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
