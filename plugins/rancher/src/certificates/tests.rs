use lb_provider::{
    ChangeKind,
    testing::records::{self, certificate},
};

use super::*;
use crate::plan::plan;

#[test]
fn a_certificate_is_named_for_its_secret() {
    let change = records::change(ChangeKind::Complete);
    let (plan, wanted) = (plan(&change), certificate("d1", "tls", ""));
    assert_eq!(name("uid/lb", &plan, &wanted), "lb-controller/uid/lb/default/tls");
    // A Secret that is both the operator's default and an Ingress's may be of two versions.
    let plan = Plan { operators_certificate: Some("d1"), ..plan };
    assert_eq!(name("uid/lb", &plan, &wanted), "lb-controller/uid/lb/default-certificate/default/tls");
    let without = Certificate { sources: vec![], id: "d2".to_owned(), ..wanted };
    assert_eq!(name("uid/lb", &plan, &without), "lb-controller/uid/lb/d2");
}

#[test]
fn no_name_is_too_long_and_two_long_ones_differ() {
    let controller = "c".repeat(128);
    let change = records::change(ChangeKind::Complete);
    let plan = plan(&change);
    let names: BTreeSet<_> = (0..100)
        .map(|number| {
            let mut wanted = certificate("d", &format!("{}{number}", "s".repeat(240)), "");
            wanted.sources[0].namespace = "n".repeat(63);
            let name = name(&controller, &plan, &wanted);
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
