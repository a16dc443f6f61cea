//! How long a provider takes, by the size of what it is told.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use lb_model::tables::Configuration;
use serde::{Serialize, Serializer};

use crate::{
    Error, Options,
    bench::Bench,
    clause::{Checked, Ended},
    fixtures::{Fixtures, Web, endpoint},
    records::Add as _,
    stage::Stage,
};

/// Endpoints of one Service; a host for each.
const PER_SERVICE: usize = 10;
/// How often a call is made whose time may vary.
const ROUNDS: usize = 10;

/// What a provider took.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Measurements {
    /// What messages call the component.
    pub component: PathBuf,
    /// What the provider calls itself.
    pub provider: String,
    /// The version that it tells.
    pub version: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// Compiled anew, and ready to be called. Here and below milliseconds in JSON.
    #[serde(serialize_with = "milliseconds")]
    pub compiled: Duration,
    /// The same, compiled before.
    #[serde(serialize_with = "milliseconds")]
    pub cached: Duration,
    /// In the order that was asked for.
    pub sizes: Vec<Size>,
}

/// What calls took at one size.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Size {
    /// How many endpoints there are, ten of a Service, each of which has a host.
    pub endpoints: usize,
    /// A complete apply where nothing was before, services started and served included.
    pub first: Times,
    /// A complete apply that changes nothing.
    pub again: Times,
    /// One endpoint less, as the provider is told of that; not there if it is told of none.
    pub changed: Option<Times>,
    /// A look at everything.
    pub observe: Times,
}

/// Of some calls.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Times {
    /// Half of them took no longer.
    #[serde(serialize_with = "milliseconds")]
    pub median: Duration,
    /// None took longer.
    #[serde(serialize_with = "milliseconds")]
    pub longest: Duration,
}

/// Measures at each of these sizes, in endpoints.
///
/// # Errors
/// If the component cannot be loaded, an API has no URL, or a call fails.
pub async fn measure(options: Options, sizes: &[usize]) -> Result<Measurements, Error> {
    // A cache of its own, so that there is something to compile.
    let options = Options { cache_dir: None, ..options };
    let start = Instant::now();
    let bench = Bench::new(options).await?;
    let compiled = start.elapsed();
    if let Some(grant) = unless_failed(bench.without_api().map(|grant| grant.map(str::to_owned)))? {
        return Err(Error::NoApi { grant });
    }
    let start = Instant::now();
    bench.inspect().await?;
    let cached = start.elapsed();
    let mut measured = Vec::new();
    for &endpoints in sizes {
        let stage = unless_failed(bench.stage(&format!("measure-{endpoints}")).await)?;
        let size = of_size(&stage, endpoints).await;
        stage.close().await;
        measured.push(unless_failed(size)?);
    }
    let head = bench.report();
    Ok(Measurements {
        component: head.component,
        provider: head.provider,
        version: head.version,
        digest: head.digest,
        compiled,
        cached,
        sizes: measured,
    })
}

async fn of_size(stage: &Stage, endpoints: usize) -> Checked<Size> {
    let (full, fewer) = configurations(&stage.fixtures, endpoints);
    let start = Instant::now();
    stage.serve(&full).await?;
    let first = start.elapsed();
    let again = times(ROUNDS, async |_| stage.apply(full.complete()).await.map(drop)).await?;
    let tells = full.changes_since(&fewer).is_some();
    let changed = async |round: usize| {
        let (from, to) = if round.is_multiple_of(2) { (&full, &fewer) } else { (&fewer, &full) };
        stage.change_once(from, to).await
    };
    let changed = if tells { Some(times(ROUNDS, changed).await?) } else { None };
    let observe = times(ROUNDS, async |_| stage.observe().await.map(drop)).await?;
    Ok(Size { endpoints, first: Times { median: first, longest: first }, again, changed, observe })
}

/// With so many endpoints, and with one less.
fn configurations(fixtures: &Fixtures, endpoints: usize) -> (Configuration, Configuration) {
    let Web { configuration: mut full, http } = fixtures.web();
    let of = |number: usize| {
        let first = number * PER_SERVICE;
        let count = PER_SERVICE.min(endpoints - first);
        let address = |index: usize| {
            let number = u32::try_from(first + index).unwrap_or(u32::MAX >> 8);
            std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string()
        };
        (0..count).map(|index| endpoint(&address(index), 8080)).collect::<Vec<_>>()
    };
    let name = |number: usize| format!("service-{number}");
    let services = endpoints.div_ceil(PER_SERVICE);
    for number in 0..services {
        full = full.backend(fixtures.backend_with(&name(number), of(number))).host(fixtures.host(
            &http.name,
            &format!("host-{number}.suite.test"),
            &name(number),
        ));
    }
    let mut fewer = full.clone();
    if services > 0 {
        let mut less = of(0);
        less.pop();
        fewer = fewer.backend(fixtures.backend_with(&name(0), less));
    }
    (full, fewer)
}

async fn times(rounds: usize, mut call: impl AsyncFnMut(usize) -> Checked) -> Checked<Times> {
    let mut taken = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let start = Instant::now();
        call(round).await?;
        taken.push(start.elapsed());
    }
    taken.sort_unstable();
    Ok(Times { median: taken[taken.len() / 2], longest: taken[taken.len() - 1] })
}

fn unless_failed<T>(checked: Checked<T>) -> Result<T, Error> {
    checked.map_err(|ended| match ended {
        Ended::Failed(error) => error,
        Ended::Broken { expected, came } => Error::Unmeasured(format!("expected {expected}; {came}")),
        Ended::Skipped(reason) => Error::Unmeasured(reason),
    })
}

impl fmt::Display for Measurements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, provider, version, digest, compiled, cached, sizes } = self;
        let digest = digest.get(..12).unwrap_or(digest);
        writeln!(f, "{provider} {version}, {} (sha256:{digest})\n", component.display())?;
        writeln!(f, "{:<24}{:>18}", "compiled and described", shown(*compiled))?;
        writeln!(f, "{:<24}{:>18}\n", "the same from the cache", shown(*cached))?;
        write!(f, "{:<24}", "endpoints")?;
        sizes.iter().try_for_each(|size| write!(f, "{:>18}", size.endpoints))?;
        let mut row = |name: &str, of: &dyn Fn(&Size) -> Option<Times>| {
            write!(f, "\n{name:<24}")?;
            sizes.iter().try_for_each(|size| {
                let cell = of(size).map_or_else(|| "-".to_owned(), |times| times.to_string());
                write!(f, "{cell:>18}")
            })
        };
        row("first apply, served", &|size| Some(size.first))?;
        row("the same again", &|size| Some(size.again))?;
        row("one endpoint changed", &|size| size.changed)?;
        row("observe", &|size| Some(size.observe))?;
        write!(f, "\n\nThe median of {ROUNDS} calls; after the stroke the longest, where it is another one.")
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, longest) = (shown(self.median), shown(self.longest));
        if median == longest { f.write_str(&median) } else { write!(f, "{median} / {longest}") }
    }
}

/// In the unit that fits, with few digits.
fn shown(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 {
        format!("{milliseconds:.1} ms")
    } else if milliseconds < 1000.0 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{:.1} s", milliseconds / 1000.0)
    }
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1000.0)
}
