use super::*;

#[test]
fn a_put_tells_whether_anything_changed() {
    let directory = Directory::temporary();
    assert_eq!(directory.put("a/b", b"1"), Ok(PutOutcome::Written));
    assert_eq!(directory.put("a/b", b"1"), Ok(PutOutcome::Unchanged));
    assert_eq!(directory.put("a/b", b"2"), Ok(PutOutcome::Written));
    assert_eq!(directory.list("a"), Ok(vec!["b".to_owned()]));
    assert_eq!(directory.list(""), Ok(vec!["a/".to_owned()]));
    assert_eq!(directory.remove("a"), Ok(()));
    assert_eq!(directory.remove("a"), Ok(()));
    assert_eq!(directory.read("a/b"), Err(FileError::NotFound("a/b".to_owned())));
}

#[test]
fn nothing_leads_out() {
    let directory = Directory::temporary();
    for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a b", ".trees/../x"] {
        assert!(matches!(directory.put(path, b""), Err(FileError::InvalidPath(_))), "{path}");
    }
}

#[test]
fn a_staged_tree_goes_live_and_back() {
    let directory = Directory::temporary();
    let first = directory.stage("live").unwrap();
    directory.put(&format!("{first}/x/file"), b"old").unwrap();
    assert_eq!(directory.activate("live", &first), Ok(None));

    let second = directory.stage("live").unwrap();
    assert_eq!(directory.put(&format!("{second}/x/file"), b"old"), Ok(PutOutcome::Unchanged));
    directory.put(&format!("{second}/x/file"), b"new").unwrap();
    assert_eq!(directory.read("live/x/file"), Ok(b"old".to_vec()), "a copy is private");
    assert_eq!(directory.activate("live", &second), Ok(Some(first.clone())));
    assert_eq!(directory.read("live/x/file"), Ok(b"new".to_vec()));

    assert_eq!(directory.activate("live", &first), Ok(Some(second.clone())));
    assert_eq!(directory.read("live/x/file"), Ok(b"old".to_vec()));
    directory.discard(&second).unwrap();
    directory.remove("live").unwrap();
    assert_eq!(directory.list(""), Ok(vec![]));
}
