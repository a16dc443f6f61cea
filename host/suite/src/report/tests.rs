use std::time::Duration;

use super::{ClauseReport, Report, Verdict};

fn report() -> Report {
    let clause = |id, title, verdict, milliseconds| ClauseReport {
        id,
        title,
        section: "provider.apply (wit/provider.wit)",
        contract: "Idempotent.",
        verdict,
        took: Duration::from_millis(milliseconds),
    };
    let expected = "no file is written".to_owned();
    let came = format!("these are: {}", "live/nginx.conf and ".repeat(6).trim_end());
    Report {
        component: "my-lb.wasm".into(),
        provider: "my-lb".to_owned(),
        version: "0.1.0".to_owned(),
        digest: "0123456789abcdef".to_owned(),
        clauses: vec![
            clause("describe", "the component describes itself", Verdict::Kept, 12),
            clause("idempotence", "a second apply changes nothing", Verdict::Broken { expected, came }, 1234),
            clause("certificate", "a renewed one", Verdict::Skipped { reason: "no `https`".to_owned() }, 0),
        ],
    }
}

#[test]
fn people_see_what_is_broken_and_what_the_contract_says() {
    let text = report().to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    assert_eq!(lines[0], "my-lb 0.1.0, my-lb.wasm (sha256:0123456789ab)");
    assert!(lines[2].starts_with("✓ describe") && lines[2].ends_with("12 ms"), "{text}");
    assert!(lines[3].starts_with("✗ idempotence") && lines[3].ends_with("1.2 s"), "{text}");
    assert_eq!(lines[4], "    expected no file is written");
    assert!(lines[5].starts_with("    came     these are: live/nginx.conf and"), "{text}");
    assert!(
        lines[6].starts_with("             live") && lines.iter().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    assert!(text.contains("    contract provider.apply (wit/provider.wit): Idempotent.\n"), "{text}");
    assert!(text.contains("– certificate") && text.contains("    skipped  no `https`\n"), "{text}");
    assert!(text.ends_with("\n1 kept, 1 broken, 1 skipped in 1.2 s"), "{text}");
    assert!(!report().is_kept());
}

#[test]
fn programs_see_the_same() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["clauses"][0]["verdict"], "kept");
    assert_eq!(json["clauses"][1]["expected"], "no file is written");
    assert_eq!(json["clauses"][1]["milliseconds"], 1234);
    assert_eq!(json["clauses"][2]["reason"], "no `https`");
}
