use super::*;

#[test]
fn a_call_that_was_not_made_is_no_failure() {
    let now = Instant::now();
    let mut lane = lane(&desired(&[("a", 1)]));
    let wanted = desired(&[("a", 2)]);
    let (_, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, now));
    let retry_after = Duration::from_mins(5);
    let open = CallError::Open { kind: Breach::Trap, retry_after, message: "unreachable".to_owned() };
    lane.applied(step, Err(open), now);
    let Next::Wait(moment) = lane.begin(Some(&wanted), ChangeKind::Incremental, now) else { panic!("no pause") };
    assert!((retry_after..=retry_after.mul_f64(1.25)).contains(&(moment - now)));
    let (change, step) = expect_apply(lane.begin(Some(&wanted), ChangeKind::Incremental, moment));
    assert_eq!(change.kind, ChangeKind::Incremental, "what is applied is still known");
    lane.applied(step, Err(breach()), moment);
    let Next::Wait(next) = lane.begin(Some(&wanted), ChangeKind::Incremental, moment) else { panic!("no pause") };
    assert!(next - moment < Duration::from_secs(2), "it is the first failure");
}
