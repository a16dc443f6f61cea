//! How long to wait before the next try.

use std::time::Duration;

/// `first`, doubled with each further failure, at most `longest`. `failures` counts from 1.
pub(crate) fn exponential(failures: u32, first: Duration, longest: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    first.saturating_mul(1 << doublings).min(longest)
}

/// Up to a quarter longer, so that replicas and load balancers do not retry in step.
pub(crate) fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(1.0 + fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let seconds = |failures| exponential(failures, Duration::from_secs(1), Duration::from_mins(1)).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 8, u32::MAX].map(seconds), [1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn jitter_adds_at_most_a_quarter() {
        for _ in 0..1000 {
            let delay = jittered(Duration::from_secs(4));
            assert!((Duration::from_secs(4)..=Duration::from_secs(5)).contains(&delay), "{delay:?}");
        }
    }
}
