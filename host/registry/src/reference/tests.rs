use super::Reference;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn parse(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

fn refused(text: &str) -> String {
    Reference::parse(text).unwrap_err().to_string()
}

#[test]
fn all_parts_are_told_apart() {
    let full = parse(&format!("oci://registry.example.com:5000/team/lb/nginx:1.2.0@{DIGEST}"));
    assert_eq!(full.registry(), "registry.example.com:5000");
    assert_eq!(full.repository(), "team/lb/nginx");
    assert_eq!(full.tag(), Some("1.2.0"));
    assert_eq!(full.digest().unwrap().to_string(), DIGEST);
}

#[test]
fn a_reference_is_written_as_it_is_read() {
    for text in [
        "oci://registry.example/team/nginx:1.2.0".to_owned(),
        format!("oci://registry.example/team/nginx@{DIGEST}"),
        format!("oci://[::1]:5000/nginx:v1@{DIGEST}"),
        "oci://[fd00::1]/nginx:v1".to_owned(),
        "oci://10.0.0.1:5000/a__b/c-d.e:_x".to_owned(),
    ] {
        assert_eq!(parse(&text).to_string(), text);
    }
}

#[test]
fn without_tag_and_digest_it_is_the_latest() {
    assert_eq!(parse("oci://registry.example/nginx").tag(), Some("latest"));
    assert_eq!(parse(&format!("oci://registry.example/nginx@{DIGEST}")).tag(), None);
}

#[test]
fn docker_hub_goes_by_its_own_rules() {
    let reference = parse("oci://docker.io/nginx:1");
    assert_eq!((reference.repository(), reference.authority()), ("library/nginx", "registry-1.docker.io"));
    assert_eq!(parse("oci://docker.io/team/nginx").repository(), "team/nginx");
}

#[test]
fn this_machine_is_known_in_every_spelling() {
    for registry in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.8.9.10", "[::1]:5000", "[::1]"] {
        assert!(parse(&format!("oci://{registry}/nginx")).is_loopback(), "{registry}");
    }
    for registry in ["localhost.example.com", "10.0.0.1:5000", "[fd00::1]:5000", "127.0.0.1.example.com"] {
        assert!(!parse(&format!("oci://{registry}/nginx")).is_loopback(), "{registry}");
    }
}

#[test]
fn what_is_wrong_is_told() {
    for (text, expected) in [
        ("nginx", "does not begin with oci://"),
        ("https://registry.example/nginx", "does not begin with oci://"),
        ("oci://", "registry \"\" is missing"),
        ("oci:///nginx", "registry \"\" is missing"),
        ("oci://registry.example", "repository \"\" is missing"),
        ("oci://registry.example/", "repository \"\" is missing"),
        ("oci://registry.example:0/nginx", "port"),
        ("oci://registry.example:99999/nginx", "port"),
        ("oci://registry.example:/nginx", "port"),
        ("oci://gh_cr.io/nginx", "neither a host name"),
        ("oci://::1/nginx", "brackets"),
        ("oci://registry.example/Team/nginx", "upper case"),
        ("oci://registry.example/team//nginx", "between slashes"),
        ("oci://registry.example/../nginx", "between slashes"),
        ("oci://registry.example/team/nginx?x=y", "between slashes"),
        ("oci://registry.example/nginx:", "tag \"\" is missing"),
        ("oci://registry.example/nginx:-x", "tag \"-x\""),
        ("oci://registry.example/nginx:a/b", "tag \"a/b\""),
        ("oci://registry.example/nginx@sha256:12", "64 of 0-9 a-f"),
        ("oci://registry.example/nginx@latest", "a digest is `sha256:`"),
    ] {
        let error = refused(text);
        assert!(error.contains(expected) && error.contains("The form is"), "{text}: {error}");
    }
    assert!(refused(&format!("oci://registry.example/{}", "a".repeat(256))).contains("255"));
    assert!(refused(&format!("oci://registry.example/nginx:{}", "a".repeat(129))).contains("128"));
}

#[test]
fn a_password_is_not_repeated() {
    let error = refused("oci://me:hunter2@registry.example/nginx");
    assert!(error.contains("config.json") && !error.contains("hunter2"), "{error}");
}
