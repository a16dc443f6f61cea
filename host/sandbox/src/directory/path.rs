use lb_model::bindings::lb_controller::provider::files::FileError;

use super::TREES;

/// A path as a provider names it, in elements that are safe to hand to the system one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProviderPath<'a>(Vec<&'a str>);

impl<'a> ProviderPath<'a> {
    /// Most elements that a path may have, so that walking a tree is bounded.
    const DEPTH: usize = 16;

    /// Checks a path by the rules of `files`. The empty path is the directory itself.
    pub(super) fn parse(path: &'a str) -> Result<Self, FileError> {
        let invalid = |reason: &str| Err(FileError::InvalidPath(format!("{}: {reason}", path.escape_debug())));
        if path.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let elements: Vec<_> = path.split('/').collect();
        // The host's own name for a staged copy, the only dot that is let through.
        let checked = match elements.as_slice() {
            [TREES, copy, ..] if !copy.is_empty() => &elements[1..],
            _ => &elements[..],
        };
        if checked.len() > Self::DEPTH {
            return invalid("more than 16 elements");
        }
        for element in checked {
            if element.is_empty() {
                return invalid("must be relative, with single `/` between elements");
            }
            if element.len() > 255 {
                return invalid("an element is longer than 255 bytes");
            }
            if element.starts_with('.') {
                return invalid("an element starts with `.`");
            }
            if !element.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
                return invalid("elements may hold only A-Z a-z 0-9 . _ -");
            }
        }
        Ok(Self(elements))
    }

    pub(super) fn elements(&self) -> &[&'a str] {
        &self.0
    }

    /// Directories above, and the name. The directory itself has none.
    pub(super) fn file(&self) -> Result<(&[&'a str], &'a str), FileError> {
        match self.0.as_slice() {
            [] => Err(FileError::InvalidPath("the path is empty".to_owned())),
            [TREES, _] => Err(FileError::InvalidPath("a staged copy is a directory; name a file in it".to_owned())),
            [parents @ .., name] => Ok((parents, *name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderPath;

    #[test]
    fn paths_that_stay_inside_are_taken() {
        for path in ["", "a", "live/hosts/foo.bar.com_443.conf", "A-1/_b/c.d", ".trees/live-7", ".trees/live-7/a/b"] {
            assert!(ProviderPath::parse(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        let deep = ["d"; 17].join("/");
        for path in [
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            ".hidden",
            "a/.b",
            ".trees",
            ".trees/",
            ".trees/..",
            ".trees/../a",
            ".trees/.x",
            ".services/nginx.json",
            ".lock",
            "a\0b",
            "a\nb",
            "a b",
            "ä",
            "a\\b",
            "a:b",
            &long,
            &deep,
        ] {
            assert!(ProviderPath::parse(path).is_err(), "{path:?}");
        }
    }
}
