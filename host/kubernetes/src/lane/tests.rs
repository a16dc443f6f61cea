mod circuit;

use std::sync::Arc;

use lb_model::{
    provider::Breach,
    tables::Tables,
    types::{Affinity, Backend, BackendProtocol, ChangeKind, LoadBalancer, ObjectRef, RetryAfter},
};

use super::{lanes::Lanes, *};

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef { kind: kind.to_owned(), namespace: "shop".to_owned(), name: name.to_owned(), uid: name.to_owned() }
}

fn backend(name: &str, port: u16) -> Arc<Backend> {
    Arc::new(Backend {
        id: format!("shop/{name}/80"),
        service: object("Service", name),
        port,
        protocol: BackendProtocol::Http,
        affinity: Affinity::None,
        target_ports: Vec::new(),
        endpoints: Vec::new(),
    })
}

fn desired(backends: &[(&str, u16)]) -> Configuration {
    let backends = backends.iter().map(|(name, port)| (format!("shop/{name}/80"), backend(name, *port))).collect();
    Configuration {
        load_balancer: LoadBalancer { id: "lb".to_owned(), owner: None, scale: None, annotations: Vec::new() },
        tables: Tables { backends, ..Tables::default() },
    }
}

fn owned(uid: &str) -> Configuration {
    let mut configuration = desired(&[]);
    configuration.load_balancer.owner = Some(ObjectRef { uid: uid.to_owned(), ..object("Ingress", "a") });
    configuration
}

fn outcome() -> Outcome {
    Outcome { readiness: Readiness::Ready, addresses: Vec::new(), rejections: Vec::new() }
}

fn breach() -> CallError {
    CallError::Breach { kind: Breach::Trap, message: "unreachable".to_owned() }
}

fn unavailable() -> CallError {
    CallError::Provider(Error::Unavailable(RetryAfter { message: "down".to_owned(), after: None }))
}

fn invalid(name: &str) -> CallError {
    CallError::Provider(Error::Invalid(vec![rejection("Ingress", name)]))
}

fn rejection(kind: &str, name: &str) -> Rejection {
    Rejection { object: object(kind, name), field: "spec".to_owned(), message: "wrong".to_owned() }
}

fn expect_apply(next: Next) -> (ChangeSet, Step) {
    match next {
        Next::Apply { change, step, .. } => (*change, step),
        other => panic!("no apply: {other:?}"),
    }
}

/// A lane on which this is applied.
fn lane(configuration: &Configuration) -> Lane {
    let now = Instant::now();
    let mut lane = Lane::default();
    let (_, step) = expect_apply(lane.begin(Some(configuration), ChangeKind::Incremental, now));
    assert!(matches!(lane.applied(step, Ok(outcome()), now), Applied::Served { .. }));
    lane
}

#[test]
fn a_provider_that_takes_them_whole_gets_complete_change_sets() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1), ("b", 1)]));
    let next = lane.begin(Some(&desired(&[("a", 2), ("b", 1)])), ChangeKind::Complete, now);
    let (change, step) = expect_apply(next);
    assert_eq!((change.kind, change.backends.upsert.len()), (ChangeKind::Complete, 2));
    lane.applied(step, Ok(outcome()), now);
    let next = lane.begin(Some(&desired(&[("a", 2), ("b", 1)])), ChangeKind::Complete, now);
    assert!(matches!(next, Next::InSync(_)), "nothing changed");
}

#[test]
fn the_first_apply_is_complete_and_the_next_incremental() {
    let now = Instant::now();
    let mut lane = Lane::default();
    let (change, step) = expect_apply(lane.begin(Some(&desired(&[("a", 1), ("b", 1)])), ChangeKind::Incremental, now));
    assert_eq!((change.kind, change.backends.upsert.len()), (ChangeKind::Complete, 2));
    lane.applied(step, Ok(outcome()), now);
    let (change, step) = expect_apply(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now));
    assert_eq!(change.kind, ChangeKind::Incremental);
    assert_eq!((change.backends.upsert.len(), change.backends.remove), (1, vec!["shop/b/80".to_owned()]));
    lane.applied(step, Ok(outcome()), now);
    assert!(matches!(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now), Next::InSync(_)));
}

#[test]
fn changes_during_a_call_merge_into_the_next() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1)]));
    lane.change(now);
    let (_, step) = expect_apply(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now));
    for port in 3..6 {
        lane.change(now);
        assert!(
            matches!(lane.begin(Some(&desired(&[("a", port), ("b", port)])), ChangeKind::Incremental, now), Next::Idle),
            "one at a time"
        );
    }
    lane.applied(step, Ok(outcome()), now);
    let (change, _) = expect_apply(lane.begin(Some(&desired(&[("a", 5), ("b", 5)])), ChangeKind::Incremental, now));
    assert_eq!(change.backends.upsert.iter().map(|it| it.port).collect::<Vec<_>>(), [5, 5]);
}

#[test]
fn the_lag_counts_from_the_oldest_change() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[]));
    lane.change(now);
    lane.change(now + Duration::from_secs(1));
    let next = lane.begin(Some(&desired(&[("a", 1)])), ChangeKind::Incremental, now + Duration::from_secs(3));
    let Next::Apply { lag, step, .. } = next else { panic!("no apply") };
    assert_eq!(lag, Some(Duration::from_secs(3)));
    lane.applied(step, Err(invalid("a")), now);
    lane.doubt();
    let Next::Apply { lag, .. } = lane.begin(Some(&desired(&[("a", 1)])), ChangeKind::Incremental, now) else {
        panic!("no apply")
    };
    assert_eq!(lag, None, "a repetition is no change");
}

#[test]
fn after_a_doubtful_failure_the_next_apply_is_complete_and_waits() {
    for error in [breach(), unavailable(), CallError::Provider(Error::Denied("no".to_owned()))] {
        let now = Instant::now();
        let mut lane = lane(&desired(&[("a", 1)]));
        let (_, step) = expect_apply(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now));
        let Applied::Failed { .. } = lane.applied(step, Err(error), now) else { panic!("it failed") };
        // Back to what was applied before: half of the failed step may be there all the same.
        let wanted = desired(&[("a", 1)]);
        let Next::Wait(moment) = lane.begin(Some(&wanted), ChangeKind::Incremental, now) else { panic!("no pause") };
        assert!(moment >= now + Duration::from_secs(1));
        lane.change(now);
        assert!(
            matches!(lane.begin(Some(&wanted), ChangeKind::Incremental, now), Next::Wait(_)),
            "a change does not end the pause"
        );
        let (change, _) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, moment));
        assert_eq!(change.kind, ChangeKind::Complete);
    }
}

#[test]
fn failures_in_a_row_wait_longer_and_a_success_ends_the_row() {
    let mut now = Instant::now();
    let mut lane = Lane::default();
    let wanted = desired(&[("a", 1)]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let (_, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
        lane.applied(step, Err(unavailable()), now);
        let Next::Wait(moment) = lane.begin(Some(&wanted), ChangeKind::Incremental, now) else { panic!("no pause") };
        pauses.push(moment - now);
        now = moment;
    }
    assert!(pauses.is_sorted_by_key(|pause| pause.as_secs().min(60)), "{pauses:?}");
    assert!(pauses[0] < Duration::from_secs(2) && pauses[7] <= Duration::from_secs(75), "{pauses:?}");
    let (_, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
    lane.applied(step, Ok(outcome()), now);
    let (_, step) = expect_apply(lane.begin(Some(&desired(&[])), ChangeKind::Incremental, now));
    let Applied::Failed { requeue, .. } = lane.applied(step, Err(unavailable()), now) else { panic!("it failed") };
    assert_eq!(requeue, Requeue::After(Duration::from_secs(1)));
}

#[test]
fn an_invalid_change_waits_for_another_and_keeps_what_is_applied() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1)]));
    let (_, step) = expect_apply(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now));
    lane.applied(step, Err(invalid("a")), now);
    assert!(
        matches!(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now), Next::Idle),
        "no repetition"
    );
    lane.change(now);
    let (change, _) = expect_apply(lane.begin(Some(&desired(&[("a", 3)])), ChangeKind::Incremental, now));
    assert_eq!(change.kind, ChangeKind::Incremental, "nothing was changed, so what is applied is known");
}

#[test]
fn a_change_that_came_during_an_invalid_call_is_tried() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1)]));
    let (_, step) = expect_apply(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now));
    lane.change(now);
    lane.applied(step, Err(invalid("a")), now);
    expect_apply(lane.begin(Some(&desired(&[("a", 3)])), ChangeKind::Incremental, now));
}

#[test]
fn a_conflict_is_observed_and_then_applied_completely_at_once() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1)]));
    let wanted = desired(&[("a", 2)]);
    let (_, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
    let error = CallError::Provider(Error::Conflict("changed".to_owned()));
    let Applied::Failed { requeue, .. } = lane.applied(step, Err(error), now) else { panic!("it failed") };
    assert_eq!(requeue, Requeue::Observe);
    assert!(
        matches!(lane.begin(Some(&wanted), ChangeKind::Incremental, now), Next::Idle),
        "the observation comes first"
    );
    assert!(lane.awaits_observation());
    lane.release();
    let (change, _) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
    assert_eq!(change.kind, ChangeKind::Complete);
}

#[test]
fn an_unwanted_load_balancer_is_removed_until_it_is_gone() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[]));
    assert!(matches!(lane.begin(None, ChangeKind::Incremental, now), Next::Remove));
    assert!(matches!(lane.begin(None, ChangeKind::Incremental, now), Next::Idle), "one call at a time");
    assert_eq!(lane.removed(Ok(Removal::Pending("draining".to_owned())), now).unwrap().as_deref(), Some("draining"));
    let Next::Wait(moment) = lane.begin(None, ChangeKind::Incremental, now) else { panic!("no pause") };
    assert!(matches!(lane.begin(None, ChangeKind::Incremental, moment), Next::Remove));
    assert!(lane.removed(Err(unavailable()), moment).is_err());
    let Next::Wait(moment) = lane.begin(None, ChangeKind::Incremental, moment) else { panic!("no pause") };
    assert!(matches!(lane.begin(None, ChangeKind::Incremental, moment), Next::Remove));
    assert_eq!(lane.removed(Ok(Removal::Removed), moment).unwrap(), None);
}

#[test]
fn a_load_balancer_that_is_wanted_again_is_applied_completely() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1)]));
    assert!(matches!(lane.begin(None, ChangeKind::Incremental, now), Next::Remove));
    lane.removed(Ok(Removal::Removed), now).unwrap();
    let (change, _) = expect_apply(lane.begin(Some(&desired(&[("a", 1)])), ChangeKind::Incremental, now));
    assert_eq!(change.kind, ChangeKind::Complete);
}

#[test]
fn a_new_owner_of_the_same_name_gets_a_new_load_balancer() {
    let now = Instant::now();
    let mut lane = lane(&owned("first"));
    assert!(matches!(lane.begin(Some(&owned("second")), ChangeKind::Incremental, now), Next::Remove));
    lane.removed(Ok(Removal::Removed), now).unwrap();
    let (change, _) = expect_apply(lane.begin(Some(&owned("second")), ChangeKind::Incremental, now));
    assert_eq!(change.kind, ChangeKind::Complete);
}

#[test]
fn what_an_observation_finds_of_a_former_owner_is_removed_first() {
    let now = Instant::now();
    let mut lane = Lane::default();
    lane.usurp();
    assert!(matches!(lane.begin(Some(&owned("second")), ChangeKind::Incremental, now), Next::Remove));
    lane.removed(Ok(Removal::Removed), now).unwrap();
    expect_apply(lane.begin(Some(&owned("second")), ChangeKind::Incremental, now));
}

#[test]
fn doubt_during_a_call_outlasts_it() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1)]));
    let (_, step) = expect_apply(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now));
    lane.doubt();
    lane.applied(step, Ok(outcome()), now);
    let (change, _) = expect_apply(lane.begin(Some(&desired(&[("a", 2)])), ChangeKind::Incremental, now));
    assert_eq!(change.kind, ChangeKind::Complete);
}

#[test]
fn doubt_during_a_complete_call_outlasts_it_too() {
    let now = Instant::now();
    let wanted = desired(&[("a", 1)]);
    let mut lane = Lane::default();
    let (_, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
    // Another provider took over, and this call was the last one of the old.
    lane.doubt();
    lane.applied(step, Ok(outcome()), now);
    let (change, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
    assert_eq!(change.kind, ChangeKind::Complete);
    lane.applied(step, Ok(outcome()), now);
    assert!(matches!(lane.begin(Some(&wanted), ChangeKind::Incremental, now), Next::InSync(_)), "once is enough");
}

#[test]
fn an_ingress_joins_when_its_change_is_applied() {
    let now = Instant::now();
    let ingress = NamespacedName::new("shop", "a");
    let mut lane = lane(&desired(&[]));
    lane.join(ingress.clone());
    let wanted = desired(&[("a", 1)]);
    let (_, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
    lane.applied(step, Err(breach()), now);
    let Next::Wait(moment) = lane.begin(Some(&wanted), ChangeKind::Incremental, now) else { panic!("no pause") };
    let (_, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, moment));
    let Applied::Served { joined, .. } = lane.applied(step, Ok(outcome()), moment) else { panic!("not served") };
    assert_eq!(joined, [ingress.clone()].into());

    lane.join(ingress.clone());
    let Next::InSync(joined) = lane.begin(Some(&wanted), ChangeKind::Incremental, moment) else {
        panic!("not in sync")
    };
    assert_eq!(joined, [ingress].into(), "where nothing has to change it joins at once");
}

#[test]
fn a_rejection_stands_until_its_object_is_touched() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[]));
    let apply = |lane: &mut Lane, wanted: &Configuration, rejections: Vec<Rejection>| {
        let (_, step) = expect_apply(lane.begin(Some(wanted), ChangeKind::Incremental, now));
        lane.applied(step, Ok(Outcome { rejections, ..outcome() }), now);
    };
    apply(&mut lane, &desired(&[("bad", 1)]), vec![rejection("Service", "bad")]);
    apply(&mut lane, &desired(&[("bad", 1), ("good", 1)]), vec![]);
    assert_eq!(lane.rejections().len(), 1, "a change of another object does not mend it");
    apply(&mut lane, &desired(&[("bad", 2), ("good", 1)]), vec![]);
    assert!(lane.rejections().is_empty(), "its own change does");
    apply(&mut lane, &desired(&[("bad", 3), ("good", 1)]), vec![rejection("Service", "bad")]);
    apply(&mut lane, &desired(&[("good", 1)]), vec![]);
    assert!(lane.rejections().is_empty(), "its end does");
}

#[test]
fn a_complete_apply_tells_all_rejections_anew() {
    let now = Instant::now();
    let mut lane = Lane::default();
    for rejections in [vec![rejection("Service", "a")], vec![rejection("Service", "b")]] {
        lane.doubt();
        let (_, step) = expect_apply(lane.begin(Some(&desired(&[("a", 1)])), ChangeKind::Incremental, now));
        lane.applied(step, Ok(Outcome { rejections, ..outcome() }), now);
    }
    assert_eq!(lane.rejections(), [rejection("Service", "b")]);
}

#[test]
fn a_pending_load_balancer_is_looked_at_soon_then_less_often() {
    let now = Instant::now();
    let mut lane = Lane::default();
    let (_, step) = expect_apply(lane.begin(Some(&desired(&[])), ChangeKind::Incremental, now));
    let pending = || Readiness::Pending("starting".to_owned());
    lane.applied(step, Ok(Outcome { readiness: pending(), ..outcome() }), now);
    assert_eq!(lane.next_look(), Some(Duration::from_secs(2)));
    lane.observed(pending(), Vec::new(), now);
    assert_eq!(lane.next_look(), Some(Duration::from_secs(4)));
    lane.observed(Readiness::Ready, Vec::new(), now);
    assert_eq!(lane.next_look(), None);
}

#[test]
fn an_observation_older_than_a_call_tells_nothing() {
    let now = Instant::now();
    let mut lane = Lane::default();
    assert!(!lane.outdates(now));
    let (_, step) = expect_apply(lane.begin(Some(&desired(&[])), ChangeKind::Incremental, now));
    assert!(lane.outdates(now), "a call is in flight");
    lane.applied(step, Ok(outcome()), now + Duration::from_secs(1));
    assert!(lane.outdates(now), "it ended since");
    assert!(!lane.outdates(now + Duration::from_secs(2)));
}

#[test]
fn lanes_take_turns_and_calls_are_bounded() {
    let now = Instant::now();
    let mut lanes = Lanes::default();
    let ids: Vec<_> = (0..20).map(|number| format!("lb-{number:02}")).collect();
    for id in ids.iter().chain(&ids) {
        lanes.look_at(id);
    }
    let mut begun = Vec::new();
    while let Some(id) = lanes.pop() {
        lanes.began(id.clone(), now);
        begun.push(id);
    }
    assert_eq!(begun, ids[..16], "each once, in turn, sixteen at a time");
    lanes.ended("lb-00");
    assert_eq!(lanes.pop().as_deref(), Some("lb-16"), "who waits comes before who just had its turn");
    assert_eq!(lanes.oldest_call(), Some(now));
}

#[test]
fn a_call_that_ends_after_its_lane_was_dropped_is_ignored() {
    let mut lanes = Lanes::default();
    lanes.look_at("lb");
    lanes.forget("lb");
    assert!(lanes.ended("lb").is_none());
}
