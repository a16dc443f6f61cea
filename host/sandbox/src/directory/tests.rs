use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use lb_model::bindings::lb_controller::provider::files::{FileError, PutOutcome};
use tempfile::TempDir;

use super::{Directories, Directory, FILE_MODE, KEY_MODE};

const PLENTY: u64 = 1 << 30;

fn open(path: &Path) -> Directory {
    Directory::open(path.canonicalize().unwrap(), Duration::ZERO).unwrap()
}

fn fresh() -> (TempDir, Directory) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = open(temporary.path());
    (temporary, directory)
}

fn put(directory: &Directory, path: &str, content: &str) -> Result<PutOutcome, FileError> {
    directory.put(path, content.as_bytes(), FILE_MODE, PLENTY)
}

fn read(directory: &Directory, path: &str) -> Result<String, FileError> {
    directory.read(path).map(|content| String::from_utf8(content).unwrap())
}

fn stage(directory: &Directory, tree: &str) -> String {
    let copy = directory.reserve(tree).unwrap();
    directory.stage(tree, &copy).unwrap();
    copy
}

fn copies(temporary: &TempDir) -> usize {
    fs::read_dir(temporary.path().join(".trees")).map_or(0, Iterator::count)
}

fn is_invalid<R: std::fmt::Debug>(result: &Result<R, FileError>) -> bool {
    matches!(result, Err(FileError::InvalidPath(_)))
}

#[test]
fn a_put_is_seen_and_an_equal_one_changes_nothing() {
    let (temporary, directory) = fresh();
    assert_eq!(put(&directory, "a/b/c.conf", "one"), Ok(PutOutcome::Written));
    let before = fs::metadata(temporary.path().join("a/b/c.conf")).unwrap();
    assert_eq!(put(&directory, "a/b/c.conf", "one"), Ok(PutOutcome::Unchanged));
    assert_eq!(fs::metadata(temporary.path().join("a/b/c.conf")).unwrap().ino(), before.ino());
    assert_eq!(put(&directory, "a/b/c.conf", "two"), Ok(PutOutcome::Written));
    assert_eq!(read(&directory, "a/b/c.conf"), Ok("two".to_owned()));
    assert_eq!(directory.list("a/b"), Ok(vec!["c.conf".to_owned()]));
    assert_eq!(fs::read_dir(temporary.path().join("a/b")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn files_can_be_read_by_the_service_and_keys_by_the_owner_only() {
    let (temporary, directory) = fresh();
    let mode = |path: &str| fs::metadata(temporary.path().join(path)).unwrap().permissions().mode() & 0o7777;
    put(&directory, "sub/file", "x").unwrap();
    assert_eq!((mode("sub"), mode("sub/file")), (0o755, 0o644));
    directory.put("sub/file", b"x", KEY_MODE, PLENTY).unwrap();
    assert_eq!(mode("sub/file"), 0o600, "an equal file that all may read is no key file");
}

#[test]
fn what_is_not_there_is_told() {
    let (_temporary, directory) = fresh();
    assert_eq!(read(&directory, "a/b"), Err(FileError::NotFound("a".to_owned())));
    assert_eq!(read(&directory, "b"), Err(FileError::NotFound("b".to_owned())));
    assert_eq!(directory.list("a"), Ok(vec![]));
    assert_eq!(directory.remove("a/b"), Ok(()));
    assert_eq!(directory.discard(".trees/live-9"), Ok(()));
    assert_eq!(directory.activate("live", ".trees/live-9"), Err(FileError::NotFound(".trees/live-9".to_owned())));
    assert!(matches!(put(&directory, ".trees/live-9/a", "x"), Err(FileError::NotFound(_))));
}

#[test]
fn links_are_never_followed() {
    let (temporary, directory) = fresh();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), temporary.path().join("directory")).unwrap();
    symlink(outside.path().join("secret"), temporary.path().join("file")).unwrap();
    symlink(".trees/../..", temporary.path().join("live")).unwrap();
    for path in ["directory/secret", "file", "live/secret"] {
        assert!(is_invalid(&read(&directory, path)), "{path}");
        assert!(is_invalid(&put(&directory, path, "overwritten")), "{path}");
    }
    assert!(is_invalid(&directory.list("directory")));
    assert!(is_invalid(&directory.list("live")));
    assert_eq!(directory.list(""), Ok(vec![]), "links are not shown");
    directory.remove("directory").unwrap();
    directory.remove("file").unwrap();
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert!(!temporary.path().join("directory").exists());
}

#[test]
fn what_is_no_file_is_not_read() {
    let (temporary, directory) = fresh();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        temporary.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    put(&directory, "sub/file", "x").unwrap();
    assert!(is_invalid(&read(&directory, "pipe")));
    assert!(is_invalid(&read(&directory, "sub")));
    assert!(is_invalid(&put(&directory, "sub", "x")));
    assert!(is_invalid(&put(&directory, "sub/file/below", "x")));
    assert!(is_invalid(&directory.list("sub/file")));
}

#[test]
fn a_directory_is_removed_with_all_that_is_in_it() {
    let (temporary, directory) = fresh();
    put(&directory, "a/b/c", "x").unwrap();
    put(&directory, "a/d", "x").unwrap();
    directory.remove("a").unwrap();
    assert!(!temporary.path().join("a").exists());
    assert!(is_invalid(&directory.remove("")));
}

#[test]
fn the_directory_cannot_grow_beyond_its_limit() {
    let (_temporary, directory) = fresh();
    let most = 64 << 10;
    let put = |path: &str, bytes: usize| directory.put(path, &vec![b'x'; bytes], FILE_MODE, most);
    assert_eq!(put("a", 40 << 10), Ok(PutOutcome::Written));
    assert!(matches!(put("b", 40 << 10), Err(FileError::TooLarge(_))));
    directory.remove("a").unwrap();
    assert_eq!(put("b", 40 << 10), Ok(PutOutcome::Written), "what was removed counts no more");
    let empty = (0..1000).find(|number| put(&format!("empty-{number}"), 0).is_err());
    assert!(empty.is_some_and(|count| count <= 16), "empty files count too: {empty:?}");
}

#[test]
fn a_staged_copy_goes_live_in_one_step_and_back() {
    let (temporary, directory) = fresh();
    let first = stage(&directory, "live");
    put(&directory, &format!("{first}/conf"), "one").unwrap();
    assert_eq!(directory.list(""), Ok(vec![]));
    assert_eq!(directory.activate("live", &first), Ok(None));
    assert_eq!(directory.list(""), Ok(vec!["live/".to_owned()]));
    assert_eq!(read(&directory, "live/conf"), Ok("one".to_owned()));

    let second = stage(&directory, "live");
    assert_eq!(read(&directory, &format!("{second}/conf")), Ok("one".to_owned()));
    put(&directory, &format!("{second}/conf"), "two").unwrap();
    assert_eq!(read(&directory, "live/conf"), Ok("one".to_owned()), "the original is untouched");
    assert_eq!(directory.activate("live", &second), Ok(Some(first.clone())));
    assert_eq!(fs::read_to_string(temporary.path().join("live/conf")).unwrap(), "two");

    assert_eq!(directory.activate("live", &first), Ok(Some(second.clone())), "rolled back");
    assert_eq!(directory.activate("live", &first), Ok(Some(second.clone())), "twice is once");
    assert_eq!(read(&directory, "live/conf"), Ok("one".to_owned()));

    put(&directory, "live/conf", "three").unwrap();
    assert_eq!(fs::read_to_string(temporary.path().join("live/conf")).unwrap(), "three", "through the managed link");
    assert_eq!(directory.absolute("live/conf").unwrap(), temporary.path().canonicalize().unwrap().join("live/conf"));
}

#[test]
fn only_the_live_copy_and_the_one_before_are_kept() {
    let (temporary, directory) = fresh();
    for number in 0..5 {
        let copy = stage(&directory, "live");
        put(&directory, &format!("{copy}/{number}"), "x").unwrap();
        directory.activate("live", &copy).unwrap();
    }
    assert_eq!(copies(&temporary), 2);
    let staged = stage(&directory, "live");
    assert_eq!(copies(&temporary), 3);
    directory.discard(&staged).unwrap();
    directory.discard(&staged).unwrap();
    assert_eq!(copies(&temporary), 2);
    assert_eq!(directory.list("live").unwrap().len(), 5);
    directory.remove("live").unwrap();
    assert_eq!((copies(&temporary), directory.list("")), (0, Ok(vec![])));
}

#[test]
fn trees_cannot_be_mixed_up() {
    let (_temporary, directory) = fresh();
    let copy = stage(&directory, "live");
    assert!(is_invalid(&directory.activate("other", &copy)));
    assert!(is_invalid(&directory.activate("live", "live")));
    assert!(is_invalid(&directory.activate("live", ".trees/live-1/deep")));
    assert!(is_invalid(&directory.reserve("a/b")));
    assert!(is_invalid(&directory.reserve("")));
    assert!(is_invalid(&directory.reserve(".trees/live-1")));
    directory.activate("live", &copy).unwrap();
    assert!(is_invalid(&directory.discard(&copy)), "a live copy is not discarded");
    put(&directory, "plain/file", "x").unwrap();
    let plain = stage(&directory, "plain");
    assert_eq!(read(&directory, &format!("{plain}/file")), Ok("x".to_owned()));
    assert!(is_invalid(&directory.activate("plain", &plain)), "a plain directory is in the way");
}

#[test]
fn keys_stay_private_in_copies() {
    let (temporary, directory) = fresh();
    directory.put("tree/key", b"secret", KEY_MODE, PLENTY).unwrap();
    let copy = stage(&directory, "tree");
    let mode = fs::metadata(temporary.path().join(copy).join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn what_a_killed_process_left_is_cleaned() {
    let (temporary, directory) = fresh();
    let live = stage(&directory, "live");
    put(&directory, &format!("{live}/conf"), "kept").unwrap();
    directory.activate("live", &live).unwrap();
    let previous = stage(&directory, "live");
    directory.activate("live", &previous).unwrap();
    stage(&directory, "live");
    fs::write(temporary.path().join("live/.put-7"), "half").unwrap();
    fs::write(temporary.path().join(".put-8"), "half").unwrap();
    drop(directory);

    let directory = open(temporary.path());
    assert_eq!(copies(&temporary), 1);
    assert_eq!(read(&directory, "live/conf"), Ok("kept".to_owned()));
    assert!(!temporary.path().join("live/.put-7").exists() && !temporary.path().join(".put-8").exists());
    assert_eq!(directory.list(&stage(&directory, "live")), Ok(vec!["conf".to_owned()]));
    assert_eq!(copies(&temporary), 2, "a new copy got a new name");
}

#[test]
fn a_directory_is_held_by_one_process_and_shared_within() {
    let temporary = tempfile::tempdir().unwrap();
    let directories = Directories::default();
    let first = directories.open(temporary.path()).unwrap();
    let second = directories.open(&temporary.path().join(".")).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    let path = temporary.path().canonicalize().unwrap();
    let refused = Directory::open(path.clone(), Duration::ZERO).err().unwrap();
    assert!(refused.contains("in use by another controller"), "{refused}");
    drop((first, second));
    assert!(Directory::open(path, Duration::ZERO).is_ok());
}

#[test]
fn a_directory_that_cannot_be_used_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join("file"), "x").unwrap();
    let error = Directories::default().open(&temporary.path().join("file")).err().unwrap().to_string();
    assert!(error.contains("grants.files.path"), "{error}");
}
