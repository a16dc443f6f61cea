use super::*;

fn candidate() -> Candidate {
    // Nothing here is sent, so nobody has to listen.
    let config = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
    let client = Client::try_from(config).unwrap();
    let options = LeaseOptions::new("default", "lb", "one");
    Candidate { api: Api::namespaced(client, "default"), duration: options.duration, options, observed: None }
}

fn held_by(holder: &str, seconds: i32) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(seconds),
        acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
        renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
        lease_transitions: Some(4),
        ..LeaseSpec::default()
    }
}

#[tokio::test]
async fn a_lease_is_taken_only_when_its_holder_fell_silent() {
    let candidate = candidate();
    let seconds = Duration::from_secs;
    for (name, spec, unchanged_for, may) in [
        ("nobody's", None, seconds(0), true),
        ("released", Some(held_by("", 1)), seconds(0), true),
        ("ours", Some(held_by("one", 15)), seconds(0), true),
        ("another's, however old its clock says it is", Some(held_by("two", 15)), seconds(14), false),
        ("another's that fell silent", Some(held_by("two", 15)), seconds(15), true),
        ("another's that promised longer", Some(held_by("two", 60)), seconds(59), false),
        ("another's with a nonsensical promise", Some(held_by("two", -1)), seconds(14), false),
    ] {
        assert_eq!(candidate.may_take(spec.as_ref(), unchanged_for), may, "{name}");
    }
}

#[tokio::test]
async fn a_renewal_keeps_and_a_takeover_counts() {
    let candidate = candidate();
    let renewed = candidate.spec(Some(&held_by("one", 15)));
    assert_eq!((renewed.lease_transitions, renewed.acquire_time), (Some(4), Some(MicroTime(Timestamp::UNIX_EPOCH))));
    let taken = candidate.spec(Some(&held_by("two", 15)));
    assert_eq!((taken.lease_transitions, taken.holder_identity.as_deref()), (Some(5), Some("one")));
    assert_ne!(taken.acquire_time, Some(MicroTime(Timestamp::UNIX_EPOCH)));
    assert_eq!(candidate.spec(None).lease_transitions, Some(0));
}

#[tokio::test]
async fn silence_is_measured_from_when_a_version_was_first_seen() {
    let mut candidate = candidate();
    let now = Instant::now();
    let lease = |version: &str| Lease {
        metadata: ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() },
        spec: None,
    };
    assert_eq!(candidate.unchanged_for(&lease("1"), now), Duration::ZERO);
    assert_eq!(candidate.unchanged_for(&lease("1"), now + Duration::from_secs(9)), Duration::from_secs(9));
    assert_eq!(candidate.unchanged_for(&lease("2"), now + Duration::from_secs(10)), Duration::ZERO);
}
