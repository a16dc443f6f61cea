//! `lb-controller render`: what a provider would be told, without a cluster.

use std::{
    io::{self, Write},
    sync::Arc,
};

use lb_model::{
    cluster::Change,
    translate::Translator,
    types::{BackendDetail, ChangeKind, Descriptor, Feature, Placement, Scope},
};

use crate::{args::Manifests, config::Options, objects::Objects};

/// Options of `render`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// The form of the result.
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Yaml,
    Json,
}

/// Prints the configuration to standard output and what is wrong with the objects to standard error.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let options = args.options.clone().with_file()?;
    let objects = Objects::read(&args.manifests.filename)?;
    let mut translators = Vec::new();
    for options in options.of_each_provider()? {
        let mut translate = options.translate()?;
        // Where there is a choice of providers, nobody but the operator makes it.
        translate.watch_without_class = options.watch_ingress_without_class.unwrap_or(options.bound.is_none());
        let mut translator = Translator::new(translate, Arc::new(everything()));
        translator.update(&objects, [Change::Everything]);
        translators.push(translator);
    }

    let configurations: Vec<_> = translators
        .iter()
        .flat_map(|translator| translator.load_balancers().filter_map(|id| translator.desired(id)))
        .collect();
    let mut stdout = io::stdout().lock();
    match args.output {
        Format::Json => {
            serde_json::to_writer_pretty(&mut stdout, &configurations)?;
            writeln!(stdout)?;
        }
        Format::Yaml => write!(stdout, "{}", serde_saphyr::to_string(&configurations)?)?,
    }
    for key in objects.ingresses.keys() {
        if translators.iter().all(|translator| translator.load_balancer_of(key).is_none()) {
            eprintln!("note: Ingress {key} is not of a class that is served here");
        }
        for notice in translators.iter().flat_map(|translator| translator.notices(key)) {
            let rejection = &notice.rejection;
            eprintln!("{:?}: Ingress {key}: {}: {}", notice.kind, rejection.field, rejection.message);
        }
    }
    Ok(())
}

/// A provider that honours all there is, so that nothing is left out.
fn everything() -> Descriptor {
    Descriptor {
        name: "render".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scope: Scope::PerClass,
        placement: Placement::Leader,
        change_sets: ChangeKind::Incremental,
        backend_detail: BackendDetail::Endpoints,
        features: vec![
            Feature::Https,
            Feature::TlsPassthrough,
            Feature::Tcp,
            Feature::Udp,
            Feature::PathExact,
            Feature::PathPrefix,
            Feature::HostWildcard,
            Feature::CookieAffinity,
            Feature::ClientIpAffinity,
            Feature::ProxyProtocol,
            Feature::BackendHttps,
            Feature::BackendH2c,
            Feature::BackendGrpc,
            Feature::Scale,
        ],
        annotation_prefixes: vec!["config".to_owned(), "io.rancher.".to_owned()],
        observe_interval: 0,
        settings_schema: "{}".to_owned(),
        grants: Vec::new(),
    }
}
