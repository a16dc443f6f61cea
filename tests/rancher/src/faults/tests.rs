use super::*;

fn struck(faults: &Faults, method: &str, target: &str) -> Vec<String> {
    faults.draw(method, target).iter().map(|fault| format!("{fault:?}")).collect()
}

#[test]
fn a_rule_strikes_as_often_as_it_says_and_counts() {
    let faults = Faults::seeded(1);
    let rule = Rule::always(Route::new("GET", "/stacks"), Fault::Status(503)).after(1).times(2);
    let id = faults.add(rule);
    let drawn: Vec<usize> = (0..4).map(|_| struck(&faults, "GET", "/v2-beta/stacks").len()).collect();
    assert_eq!(drawn, [0, 1, 1, 0]);
    assert_eq!(faults.fired(id), 2);
    assert!(faults.describe().is_empty(), "{faults:?}");
}

#[test]
fn rules_act_in_order_up_to_the_first_that_ends_the_request() {
    let faults = Faults::seeded(1);
    faults.always("*", "/**", Fault::Delay(Duration::from_millis(1)));
    faults.always("*", "/stacks", Fault::Status(500));
    faults.always("*", "/stacks", Fault::ResetBefore);
    assert_eq!(struck(&faults, "GET", "/v2-beta/stacks"), ["delay of 1ms", "status 500"]);
    assert_eq!(struck(&faults, "GET", "/v2-beta/hosts"), ["delay of 1ms"]);
}

#[test]
fn probabilities_follow_the_seed() {
    let draw = |seed| {
        let faults = Faults::seeded(seed);
        faults.add(Rule::always(Route::any(), Fault::Status(500)).with_probability(0.5));
        (0..64).map(|_| struck(&faults, "GET", "/v2-beta/x").len()).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    assert!((10..55).contains(&draw(7).iter().sum::<usize>()));
}

#[test]
fn chaos_follows_its_seed_and_knows_every_kind() {
    let draw = |seed| {
        let faults = Faults::seeded(0);
        faults.set_chaos(Some(Chaos::seeded(seed).with_probability(1.0)));
        (0..400).map(|_| struck(&faults, "PUT", "/v2-beta/x").concat()).collect::<Vec<_>>()
    };
    assert_eq!(draw(3), draw(3));
    let all = draw(3).join("\n");
    for kind in ["500", "503", "409", "proxy", "before", "after", "reset", "delay", "truncated", "cut", "a second"] {
        assert!(all.contains(kind), "no {kind}");
    }
}

#[test]
fn reads_never_meet_a_conflict_in_chaos() {
    let faults = Faults::seeded(0);
    faults.set_chaos(Some(Chaos::seeded(3).with_probability(1.0)));
    assert!((0..400).all(|_| !struck(&faults, "GET", "/v2-beta/x").concat().contains("409")));
}

#[test]
fn clearing_and_removing_end_faults() {
    let faults = Faults::seeded(0);
    let first = faults.always("*", "/**", Fault::Status(500));
    faults.remove(first);
    assert!(struck(&faults, "GET", "/v2-beta").is_empty());
    faults.always("*", "/**", Fault::Status(500));
    faults.set_chaos(Some(Chaos::seeded(1).with_probability(1.0)));
    faults.clear();
    assert!(struck(&faults, "GET", "/v2-beta").is_empty());
}
