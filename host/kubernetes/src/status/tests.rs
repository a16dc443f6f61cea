use k8s_openapi::api::networking::v1::Ingress;

use super::*;
use crate::stores::packed::Packed;

fn addresses(ips: &[&str]) -> Arc<[Address]> {
    ips.iter().map(|ip| Address::Ip((*ip).to_owned())).collect()
}

fn target(ips: &[&str]) -> Target {
    Target::Addresses(addresses(ips))
}

fn stored(ips: &[&str], version: &str) -> IngressRecord {
    IngressRecord {
        ingress: Packed::new(&Ingress::default()),
        uid: "uid".into(),
        addresses: addresses(ips).to_vec().into(),
        resource_version: version.into(),
    }
}

fn done(version: &str) -> Written {
    Written::Done { resource_version: version.to_owned() }
}

const A: &[&str] = &["192.0.2.1"];
const B: &[&str] = &["192.0.2.2"];
const NONE: &[&str] = &[];

#[test]
fn a_right_status_is_left_alone() {
    let mut status = Status::default();
    assert_eq!(status.decide(&stored(A, "1"), &target(A), Instant::now()), Decision::Nothing);
}

#[test]
fn an_unknown_target_is_left_alone() {
    let mut status = Status::default();
    assert_eq!(status.decide(&stored(A, "1"), &Target::Leave, Instant::now()), Decision::Nothing);
}

#[test]
fn one_change_is_one_write_however_slow_the_watch_is() {
    let now = Instant::now();
    let mut status = Status::default();
    assert_eq!(status.decide(&stored(NONE, "1"), &target(A), now), Decision::Write(addresses(A)));
    assert_eq!(status.decide(&stored(NONE, "1"), &target(A), now), Decision::Nothing, "while it is written");
    status.written(addresses(A), done("3"), now);
    assert_eq!(status.decide(&stored(NONE, "1"), &target(A), now), Decision::Nothing, "not yet in the watch");
    assert_eq!(status.decide(&stored(NONE, "2"), &target(A), now), Decision::Nothing, "an older event comes first");
    assert_eq!(status.decide(&stored(A, "3"), &target(A), now), Decision::Nothing, "now it is visible");
}

#[test]
fn a_target_that_changes_during_a_write_is_written_after_it() {
    let now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(NONE, "1"), &target(A), now);
    assert_eq!(status.decide(&stored(NONE, "1"), &target(B), now), Decision::Nothing);
    status.written(addresses(A), done("2"), now);
    assert_eq!(status.decide(&stored(NONE, "1"), &target(B), now), Decision::Write(addresses(B)));
}

#[test]
fn a_write_that_the_watch_never_shows_is_doubted_in_the_end() {
    let now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(NONE, "x"), &target(A), now);
    let look = status.written(addresses(A), done("y"), now).unwrap();
    assert_eq!(status.decide(&stored(NONE, "x"), &target(A), look - Duration::from_millis(1)), Decision::Nothing);
    assert_eq!(status.decide(&stored(NONE, "x"), &target(A), look), Decision::Write(addresses(A)));
}

#[test]
fn a_failed_write_is_repeated_after_a_while() {
    let now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(NONE, "1"), &target(A), now);
    let moment = status.written(addresses(A), Written::Failed, now).unwrap();
    assert!(moment > now);
    assert_eq!(status.decide(&stored(NONE, "1"), &target(A), now), Decision::Wait(moment));
    assert_eq!(status.decide(&stored(NONE, "1"), &target(A), moment), Decision::Write(addresses(A)));
    let later = status.written(addresses(A), Written::Failed, moment).unwrap();
    assert!(later - moment >= Duration::from_secs(2), "ever more slowly");
}

#[test]
fn who_overwrites_us_is_answered_ever_more_slowly() {
    let mut now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(NONE, "1"), &target(A), now);
    status.written(addresses(A), done("2"), now);
    assert_eq!(
        status.decide(&stored(B, "3"), &target(A), now),
        Decision::Write(addresses(A)),
        "the first time at once"
    );
    status.written(addresses(A), done("4"), now);
    let mut pauses = Vec::new();
    for version in 5..9 {
        let Decision::Wait(moment) = status.decide(&stored(B, &(version * 2).to_string()), &target(A), now) else {
            panic!("no pause")
        };
        pauses.push((moment - now).as_secs());
        now = moment;
        assert_eq!(
            status.decide(&stored(B, &(version * 2).to_string()), &target(A), now),
            Decision::Write(addresses(A))
        );
        status.written(addresses(A), done(&(version * 2 + 1).to_string()), now);
    }
    assert_eq!(pauses, [1, 2, 4, 8]);
    now += SETTLED_AFTER;
    assert_eq!(status.decide(&stored(B, "99"), &target(A), now), Decision::Write(addresses(A)), "peace was kept");
}

#[test]
fn an_ingress_that_left_is_cleared_once() {
    let now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(A, "1"), &target(A), now);
    assert_eq!(status.decide(&stored(A, "1"), &Target::Nothing, now), Decision::Clear);
    status.written(addresses(NONE), done("2"), now);
    assert_eq!(status.decide(&stored(A, "1"), &Target::Nothing, now), Decision::Nothing, "not yet in the watch");
    assert_eq!(
        status.decide(&stored(A, "3"), &Target::Nothing, now),
        Decision::Nothing,
        "its new owner wrote the same"
    );
}

#[test]
fn an_ingress_that_another_took_over_is_left_alone() {
    let now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(A, "1"), &target(A), now);
    assert_eq!(status.decide(&stored(B, "2"), &Target::Nothing, now), Decision::Nothing);
    assert_eq!(
        status.decide(&stored(A, "3"), &Target::Nothing, now),
        Decision::Nothing,
        "even if it looks like ours later"
    );
}

#[test]
fn a_status_that_we_never_wrote_is_not_cleared() {
    let mut status = Status::default();
    assert_eq!(status.decide(&stored(A, "1"), &Target::Nothing, Instant::now()), Decision::Nothing);
}

#[test]
fn a_clear_that_lost_a_race_is_decided_anew() {
    let now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(A, "1"), &target(A), now);
    assert_eq!(status.decide(&stored(A, "1"), &Target::Nothing, now), Decision::Clear);
    let moment = status.written(addresses(NONE), Written::Failed, now).unwrap();
    assert_eq!(status.decide(&stored(A, "2"), &Target::Nothing, moment), Decision::Clear, "only the spec had changed");
    let moment = status.written(addresses(NONE), Written::Failed, moment).unwrap();
    assert_eq!(status.decide(&stored(B, "3"), &Target::Nothing, moment), Decision::Nothing, "somebody took it");
}

#[test]
fn an_empty_target_removes_the_addresses() {
    let now = Instant::now();
    let mut status = Status::default();
    status.decide(&stored(A, "1"), &target(A), now);
    assert_eq!(status.decide(&stored(A, "1"), &target(NONE), now), Decision::Write(addresses(NONE)));
}
