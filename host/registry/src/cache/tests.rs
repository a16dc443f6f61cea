use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::Cache;
use crate::Digest;

fn cache(max_bytes: u64) -> (TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path(), max_bytes).unwrap();
    (directory, cache)
}

/// Makes a file look as if it was used so many hours ago.
fn age(path: &Path, hours: u64) {
    let then = SystemTime::now() - Duration::from_hours(hours);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(then)).unwrap();
}

#[test]
fn what_was_written_is_found_by_its_digest() {
    let (_directory, cache) = cache(1000);
    let digest = cache.write(b"content").unwrap();
    assert_eq!(digest, Digest::of(b"content"));
    assert_eq!(cache.read(digest).unwrap().unwrap(), b"content");
    assert_eq!(fs::read(cache.find(digest).unwrap().unwrap()).unwrap(), b"content");
    assert_eq!(cache.read(Digest::of(b"other")).unwrap(), None);
    assert_eq!(cache.find(Digest::of(b"other")).unwrap(), None);
}

#[test]
fn a_damaged_file_is_no_file() {
    let (_directory, cache) = cache(1000);
    let digest = cache.write(b"content").unwrap();
    fs::write(cache.blob(digest), b"c0ntent").unwrap();
    assert_eq!(cache.find(digest).unwrap(), None);
    assert!(!cache.blob(digest).exists());
    cache.write(b"content").unwrap();
    fs::write(cache.blob(digest), b"conten").unwrap();
    assert_eq!(cache.read(digest).unwrap(), None);
    assert!(!cache.blob(digest).exists());
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let (_directory, cache) = cache(250);
    let digests: Vec<_> = (0..2).map(|byte| cache.write(&[byte; 100]).unwrap()).collect();
    age(&cache.blob(digests[0]), 3);
    age(&cache.blob(digests[1]), 2);
    cache.find(digests[0]).unwrap().unwrap();
    let third = cache.write(&[2; 100]).unwrap();
    assert!(cache.blob(digests[0]).exists() && cache.blob(third).exists());
    assert!(!cache.blob(digests[1]).exists());
}

#[test]
fn what_is_held_stays_until_it_is_let_go() {
    let (_directory, cache) = cache(150);
    let first = cache.write(&[0; 100]).unwrap();
    let slot = cache.slot(first);
    cache.write(&[1; 100]).unwrap();
    assert!(cache.blob(first).exists());
    drop(slot);
    age(&cache.blob(first), 1);
    cache.write(&[2; 10]).unwrap();
    assert!(!cache.blob(first).exists());
}

#[test]
fn one_content_larger_than_the_cache_can_be_used() {
    let (_directory, cache) = cache(10);
    let digest = cache.write(&[0; 100]).unwrap();
    assert!(cache.find(digest).unwrap().is_some());
}

#[test]
fn a_tag_is_remembered_across_processes() {
    let (directory, cache) = cache(1000);
    let (first, second) = (cache.write(b"1").unwrap(), cache.write(b"2").unwrap());
    assert_eq!(cache.remembered("r/nginx:v1").unwrap(), None);
    cache.remember("r/nginx:v1", first).unwrap();
    cache.remember("r/nginx:v1", second).unwrap();
    let reopened = Cache::open(directory.path(), 1000).unwrap();
    assert_eq!(reopened.remembered("r/nginx:v1").unwrap(), Some(second));
    assert_eq!(reopened.remembered("r/nginx:v2").unwrap(), None);
    for half in [&b"sha256:00"[..], b"", b"\xff", format!("{first} r/nginx:v2\n").as_bytes()] {
        fs::write(cache.tag("r/nginx:v1"), half).unwrap();
        assert_eq!(reopened.remembered("r/nginx:v1").unwrap(), None);
    }
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let (directory, cache) = cache(1000);
    let (_, old) = cache.begin().unwrap().keep().unwrap();
    let (_, young) = cache.begin().unwrap().keep().unwrap();
    age(&old, 2);
    cache.remember("r/gone:v1", Digest::of(b"gone")).unwrap();
    Cache::open(directory.path(), 1000).unwrap();
    assert!(!old.exists() && young.exists() && !cache.tag("r/gone:v1").exists());
}

#[test]
fn only_this_user_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("state/registry");
    Cache::open(&below, 1000).unwrap();
    assert_eq!(fs::metadata(below.join("blobs")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Cache::open(&file, 1000).err().unwrap().to_string();
    assert!(error.contains(file.to_str().unwrap()) && error.contains("writable directory"), "{error}");
}
