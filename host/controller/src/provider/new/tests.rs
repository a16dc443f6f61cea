use super::*;

fn new(name: &str, directory: &Path, sdk: Option<&str>) -> anyhow::Result<PathBuf> {
    let path = Some(directory.to_owned());
    create(&Args { name: name.to_owned(), lang: Language::Rust, path, sdk: sdk.map(str::to_owned) })
}

fn all(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(all(&path));
        } else {
            files.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

#[test]
fn the_project_has_its_name_everywhere() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("edge-9");
    new("edge-9", &directory, None).unwrap();
    for (path, text) in all(&directory) {
        let stale = [NAME, CRATE, TYPE].iter().any(|word| text.contains(word) || path.ends_with(word));
        assert!(!stale, "{}", path.display());
    }
    let read = |path: &str| fs::read_to_string(directory.join(path)).unwrap();
    assert!(read("Cargo.toml").contains("name = \"edge-9\"") && read("Cargo.toml").contains("name = \"edge_9\""));
    assert!(read("src/lib.rs").contains("pub struct Edge9;"));
    assert!(read("edge-9.yaml").contains("path: edge-9"));
    assert!(read("vendor/wit/world.wit").contains("world plugin"));
    assert!(read(".cargo/config.toml").contains("wasm-component-ld"));
    let sdk = read("vendor/sdk/Cargo.toml");
    assert!(!sdk.contains("workspace") && sdk.contains("wit-bindgen = { version"), "{sdk}");
}

#[test]
fn an_sdk_that_is_elsewhere_is_not_copied() {
    let temporary = tempfile::tempdir().unwrap();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");
    let cargo = |directory: &str| fs::read_to_string(temporary.path().join(directory).join("Cargo.toml")).unwrap();
    new("a", &temporary.path().join("a"), sdk.to_str()).unwrap();
    let expected = format!("lb-provider = {{ path = {:?} }}", sdk.canonicalize().unwrap());
    assert!(cargo("a").contains(&expected), "{}", cargo("a"));
    assert!(!temporary.path().join("a/vendor").exists());
    new("b", &temporary.path().join("b"), Some("https://git.example.com/lb.git")).unwrap();
    assert!(cargo("b").contains("lb-provider = { git = \"https://git.example.com/lb.git\" }"), "{}", cargo("b"));
    let error = new("c", &temporary.path().join("c"), Some("/nowhere")).unwrap_err();
    assert!(error.is::<Usage>() && error.to_string().starts_with("--sdk /nowhere: "), "{error}");
}

#[test]
fn other_languages_bring_the_contract_instead_of_an_sdk() {
    let temporary = tempfile::tempdir().unwrap();
    for (lang, file, text) in
        [(Language::Python, "app.py", "name=\"edge-9\""), (Language::JavaScript, "src/provider.js", "name: \"edge-9\"")]
    {
        let directory = temporary.path().join(format!("{lang:?}"));
        let args = |sdk: Option<&str>| Args {
            name: "edge-9".to_owned(),
            lang,
            path: Some(directory.clone()),
            sdk: sdk.map(str::to_owned),
        };
        let error = create(&args(Some("/anywhere"))).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("--sdk is for Rust"), "{error}");
        create(&args(None)).unwrap();
        for (path, text) in all(&directory) {
            let stale = [NAME, CRATE, TYPE].iter().any(|word| text.contains(word) || path.ends_with(word));
            assert!(!stale, "{}", path.display());
        }
        let read = |path: &str| fs::read_to_string(directory.join(path)).unwrap();
        assert!(read(file).contains(text), "{file}");
        assert!(read("wit/edge-9.wit").contains("world edge-9 {"));
        assert!(read("wit/deps/lb-controller/world.wit").contains("world plugin"));
        assert!(!directory.join("vendor").exists());
    }
}

#[test]
fn nothing_is_written_over() {
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join("mine"), "").unwrap();
    let error = new("my-lb", temporary.path(), None).unwrap_err();
    assert!(error.is::<Usage>() && error.to_string().contains("is not empty"), "{error}");
    assert_eq!(all(temporary.path()).len(), 1);
}

#[test]
fn names_are_checked() {
    for name in ["lb", "my-lb", "a1-2b"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    let long = "a".repeat(64);
    for name in ["", "-a", "a-", "a--b", "9lb", "My-lb", "my_lb", "../lb", "test", "loop", "lb-provider", &long] {
        assert!(check_name(name).is_err(), "{name}");
    }
}
