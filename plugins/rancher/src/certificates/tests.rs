use lb_provider::testing::records::certificate;

use super::*;

#[test]
fn a_certificate_is_named_for_its_secret() {
    let wanted = certificate("d1", "tls", "");
    assert_eq!(name("uid/lb", &wanted), "lb-controller/uid/lb/default/tls");
    let without = Certificate { sources: vec![], ..wanted };
    assert_eq!(name("uid/lb", &without), "lb-controller/uid/lb/d1");
}

#[test]
fn no_name_is_too_long_and_two_long_ones_differ() {
    let controller = "c".repeat(128);
    let names: BTreeSet<_> = (0..100)
        .map(|number| {
            let mut wanted = certificate("d", &format!("{}{number}", "s".repeat(240)), "");
            wanted.sources[0].namespace = "n".repeat(63);
            let name = name(&controller, &wanted);
            assert_eq!(name.len(), LONGEST_NAME);
            name
        })
        .collect();
    assert_eq!(names.len(), 100);
}

#[test]
fn a_chain_is_split_behind_its_leaf() {
    let (leaf, chain) = (
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----",
    );
    assert_eq!(split(&format!("{leaf}\n{chain}\n{chain}\n")), (leaf, &*format!("{chain}\n{chain}")));
    assert_eq!(split(&format!("{leaf}\n")), (leaf, ""));
    assert_eq!(split("nonsense"), ("nonsense", ""));
}
