use std::collections::BTreeSet;

use super::*;

/// Rancher's rule for the names of services.
fn is_legal(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && !name.ends_with('-')
        && !name.contains("--")
}

/// A DNS-1123 name: labels of 1 to 63 bytes, as many as fit.
fn dns_name(random: &mut fastrand::Rng, longest: usize, dots: bool) -> String {
    const INNER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-----";
    let length = random.usize(1..=longest);
    let mut name = String::new();
    while name.len() < length {
        let label = random.usize(1..=63).min(length - name.len());
        for position in 0..label {
            let ends = position == 0 || position == label - 1;
            let inner = INNER[random.usize(..if ends { 36 } else { INNER.len() })];
            name.push(char::from(inner));
        }
        if !dots {
            break;
        }
        if name.len() + 1 < length {
            name.push('.');
        } else {
            break;
        }
    }
    name
}

#[test]
fn every_legal_ingress_has_a_legal_name_of_its_own() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut ingresses, mut names) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..50_000 {
        let ingress = format!("{}/{}", dns_name(&mut random, 63, false), dns_name(&mut random, 253, true));
        let name = name("7f5e-1/lb", &ingress, "8d6cbe6e");
        assert!(is_legal(&name), "{ingress}: {name}");
        ingresses.insert(ingress);
        names.insert(name.to_ascii_lowercase());
    }
    assert_eq!(names.len(), ingresses.len());
}

#[test]
fn names_that_read_alike_are_told_apart() {
    let long = "x".repeat(253);
    let mut names = BTreeSet::new();
    for number in 0..50_000 {
        names.insert(name("c", &format!("n/{long}{number}"), "u"));
        names.insert(name("c", "n/web", &format!("uid-{number}")));
    }
    let collisions = 100_000 - names.len();
    // 30 bits for the incarnations of one Ingress, of which there are a handful at a time.
    assert!(collisions <= 5, "{collisions} collisions");
    for (left, right) in
        [("a-b/c", "a/b-c"), ("a/b.c", "a/b-c"), ("a/b--c", "a/b-c"), ("a/rancherlb-b", "a-rancherlb/b")]
    {
        assert_ne!(prefix("c", left), prefix("c", right));
    }
    assert_ne!(prefix("cluster-1/lb", "a/b"), prefix("cluster-2/lb", "a/b"));
    assert_ne!(prefix("a", "b/c/d"), prefix("a/b", "c/d"));
}

#[test]
fn a_name_is_readable_and_stays_as_it_is() {
    assert_eq!(name("cluster/lb", "default/web.v1", "uid-1"), "default-web-v1-f4nmnz2e-m2spxg");
    assert!(name("cluster/lb", "default/web.v1", "uid-2").starts_with(&prefix("cluster/lb", "default/web.v1")));
    assert!(is_legal(&name("", "///", "")));
}
