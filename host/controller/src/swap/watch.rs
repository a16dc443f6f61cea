//! Sees when the provider's files change. What is watched is directories: a file that is replaced, or a mounted ConfigMap whose
//! `..data` link moves, is another file under the same name.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Cause, Swapper};

/// For so long the files must stay as they are before they are read: whoever writes one may not be done.
const SETTLED: Duration = Duration::from_millis(300);

/// How often the files are looked at without any sign, for file systems that give none.
const LOOK: Duration = Duration::from_secs(30);

/// What a file looks like from outside; `None` if it is not there.
type Look = Vec<Option<(u64, SystemTime)>>;

/// Reloads the provider when its files change, and on SIGHUP.
pub(crate) async fn watch(swapper: Arc<Swapper>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let files = swapper.loader.files();
    let (sender, mut signs) = mpsc::channel(1);
    let watcher = watcher(&files, sender.clone());
    let mut known = look(&files);
    loop {
        let cause = tokio::select! {
            () = shutdown.cancelled() => break,
            _ = hangup.recv() => Cause::Signal,
            _ = timeout(LOOK, signs.recv()) => {
                known = match settle(&files, known, &mut signs).await {
                    Settled::Same(same) => { known = same; continue }
                    Settled::Changed(now) => now,
                };
                Cause::File
            }
        };
        info!(provider = swapper.name, cause = cause.label(), "looking at the provider's files");
        swapper.reload(cause).await;
    }
    drop((watcher, sender));
    Ok(())
}

enum Settled {
    Same(Look),
    Changed(Look),
}

/// Waits until nothing changes any more.
async fn settle(files: &[PathBuf], known: Look, signs: &mut mpsc::Receiver<()>) -> Settled {
    let mut now = look(files);
    if now == known {
        return Settled::Same(known);
    }
    loop {
        sleep(SETTLED).await;
        while signs.try_recv().is_ok() {}
        let again = look(files);
        if again == now {
            return if now == known { Settled::Same(known) } else { Settled::Changed(now) };
        }
        now = again;
    }
}

fn look(files: &[PathBuf]) -> Look {
    let seen = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    files.iter().map(seen).collect()
}

/// Signs from the directories of the files; `None` where the system gives none.
fn watcher(files: &[PathBuf], signs: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let made = notify::recommended_watcher(move |_event: notify::Result<notify::Event>| {
        // A full channel holds a sign already.
        let _full = signs.try_send(());
    });
    let mut watcher = match made {
        Ok(watcher) => watcher,
        Err(error) => {
            warn!(%error, "the provider's files cannot be watched; they are looked at every {} s", LOOK.as_secs());
            return None;
        }
    };
    let directory = |file: &PathBuf| match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => Path::new(".").to_owned(),
    };
    for directory in files.iter().map(directory).collect::<BTreeSet<_>>() {
        if let Err(error) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
            warn!(directory = %directory.display(), %error, "cannot be watched; it is looked at every {} s", LOOK.as_secs());
        }
    }
    Some(watcher)
}
