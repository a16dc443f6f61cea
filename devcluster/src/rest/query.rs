//! Query parameters, as a real server reads them.

use crate::cluster::FieldValidation;
use crate::kind::Kind;
use crate::selector::{FieldSelector, LabelSelector, Selector};
use crate::status::{FieldError, Status};

/// The parameters of a request; of repeated ones the first counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Empty when it is absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.optional_flag(name).unwrap_or_default()
    }

    /// Anything but `false` and `0` is true, even nothing.
    pub(super) fn optional_flag(&self, name: &str) -> Option<bool> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(!(value == "0" || value.eq_ignore_ascii_case("false")))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Status> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax (parameter {name})"))
            }),
        }
    }

    /// A resource version; `None` when it is absent.
    pub(super) fn revision(&self) -> Result<Option<u64>, Status> {
        match self.text("resourceVersion") {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!(
                    "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
                ))
            }),
        }
    }

    pub(super) fn selector(&self, kind: &Kind) -> Result<Selector, Status> {
        Ok(Selector {
            labels: LabelSelector::parse(self.text("labelSelector")).map_err(Status::bad_request)?,
            fields: FieldSelector::parse(kind, self.text("fieldSelector")).map_err(Status::bad_request)?,
        })
    }

    /// Options of writing: `options` names them in a refusal, such as `CreateOptions`.
    pub(super) fn dry_run(&self, options: &str) -> Result<bool, Status> {
        match self.text("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let error = FieldError::unsupported("dryRun", &other.into(), &["All"]);
                Err(Status::invalid_named("meta.k8s.io", options, "", &[error]))
            }
        }
    }

    pub(super) fn validation(&self, options: &str) -> Result<FieldValidation, Status> {
        match self.text("fieldValidation") {
            "Ignore" => Ok(FieldValidation::Ignore),
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                let error = FieldError::unsupported("fieldValidation", &other.into(), &supported);
                Err(Status::invalid_named("meta.k8s.io", options, "", &[error]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("watch&limit=5&labelSelector=a%3Db%2Cc&allow=False&x=0");
        assert!(query.flag("watch") && !query.flag("allow") && !query.flag("x") && !query.flag("none"));
        assert_eq!(query.optional_flag("none"), None);
        assert_eq!(query.number("limit").unwrap(), Some(5));
        assert_eq!(query.text("labelSelector"), "a=b,c");
        assert!(query.selector(kind::find("", "v1", "secrets").unwrap()).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let query = Query::parse("limit=x&resourceVersion=y&dryRun=Some&fieldValidation=No&fieldSelector=a.b=c");
        assert_eq!(query.number("limit").unwrap_err().code, 400);
        assert!(query.revision().unwrap_err().message.contains(r#"Invalid value: "y""#));
        assert_eq!(
            query.dry_run("PatchOptions").unwrap_err().message,
            r#"PatchOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "Some": supported values: "All""#
        );
        assert_eq!(query.validation("PatchOptions").unwrap_err().code, 422);
        assert_eq!(query.selector(kind::find("", "v1", "secrets").unwrap()).unwrap_err().code, 400);
    }
}
