use futures::FutureExt as _;

use crate::{
    bench::Bench,
    clause::{Check, Checked, Clause, Ended, ensure},
    schema,
};

pub(super) const CLAUSE: Clause = Clause {
    id: "describe",
    title: "it describes itself, validly and the same each time",
    section: "provider.describe and types.descriptor (wit/provider.wit, wit/types.wit)",
    contract: "What a provider says of itself. Constant for one component. The name is a DNS label, the version a semantic \
               version, the settings have a JSON Schema.",
    check: Check::Component(|bench| check(bench).boxed_local()),
};

async fn check(bench: &Bench) -> Checked {
    if let Some(error) = bench.undescribed() {
        return Err(Ended::broken("a description that can be true", error));
    }
    let (inspection, _) = bench.inspected()?;
    let descriptor = &inspection.descriptor;
    let again = bench.inspect().await.map_err(crate::Error::Load)?.descriptor;
    ensure(*descriptor == again, "the second description is the first", || {
        format!("first {descriptor:?}\nthen {again:?}")
    })?;
    ensure(is_semantic(&descriptor.version), "a semantic version, such as 1.2.3 or 1.0.0-rc.1", || {
        format!("{:?}", descriptor.version)
    })?;
    schema::parse(&descriptor.settings_schema)
        .map_err(|error| Ended::broken("the settings schema is a JSON Schema", error))?;
    let mut seen = Vec::new();
    for feature in &descriptor.features {
        ensure(!seen.contains(feature), "each feature once", || format!("{feature:?} twice"))?;
        seen.push(*feature);
    }
    Ok(())
}

/// Three numbers, and what may follow them.
fn is_semantic(version: &str) -> bool {
    let (core, rest) = version.split_at(version.find(['-', '+']).unwrap_or(version.len()));
    let is_number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let is_named = |text: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        text.split('.').all(|part| !part.is_empty() && part.bytes().all(inner))
    };
    let (release, build) = rest.split_once('+').map_or((rest, None), |(release, build)| (release, Some(build)));
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && (release.is_empty() || release.strip_prefix('-').is_some_and(is_named))
        && build.is_none_or(is_named)
}

#[cfg(test)]
mod tests {
    use super::is_semantic;

    #[test]
    fn versions_are_semantic_or_not() {
        for version in ["0.1.0", "10.20.30", "1.0.0-rc.1", "1.0.0+build.5", "1.0.0-a-b+c-d"] {
            assert!(is_semantic(version), "{version}");
        }
        for version in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0+", "1.0.x", "1.0.0-a..b"] {
            assert!(!is_semantic(version), "{version}");
        }
    }
}
