//! `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`

use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    Missing,
    Greater,
    Less,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    label: String,
    operator: Operator,
    values: Vec<String>,
}

/// All of the requirements hold; none matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let mut requirements = Vec::new();
        parser.skip_space();
        while !parser.rest.is_empty() {
            let requirement = parser.requirement().map_err(|error| format!("unable to parse requirement: {error}"))?;
            requirements.push(requirement);
            parser.skip_space();
            if !parser.rest.is_empty() && !parser.take(",") {
                return Err(format!("found '{}', expected: ',' or 'end of string'", parser.rest));
            }
            parser.skip_space();
        }
        Ok(Self { requirements })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.requirements.iter().all(|requirement| requirement.matches(labels[&requirement.label].as_str()))
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = |text: &str| text.parse::<i64>().ok();
        let compare = |holds: fn(i64, i64) -> bool| {
            let (left, right) = (value.and_then(number), self.values.first().and_then(|text| number(text)));
            left.zip(right).is_some_and(|(left, right)| holds(left, right))
        };
        let listed = |value: &str| self.values.iter().any(|listed| listed == value);
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::Missing => value.is_none(),
            Operator::Greater => compare(|left, right| left > right),
            Operator::Less => compare(|left, right| left < right),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A label or a value; possibly empty.
    fn word(&mut self) -> &'a str {
        self.skip_space();
        let end = self
            .rest
            .find(|character: char| character.is_whitespace() || "=!<>(),".contains(character))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let missing = self.take("!");
        let label = self.word();
        if label.is_empty() {
            return Err(format!("found '{}', expected: !, identifier, or 'end of string'", self.rest));
        }
        let requirement = |operator, values| Ok(Requirement { label: label.to_owned(), operator, values });
        if missing {
            return requirement(Operator::Missing, Vec::new());
        }
        self.skip_space();
        if self.rest.is_empty() || self.rest.starts_with(',') {
            return requirement(Operator::Exists, Vec::new());
        }
        for (token, operator) in [
            ("==", Operator::In),
            ("=", Operator::In),
            ("!=", Operator::NotIn),
            (">", Operator::Greater),
            ("<", Operator::Less),
        ] {
            if self.take(token) {
                let value = self.word();
                if matches!(operator, Operator::Greater | Operator::Less) && value.parse::<i64>().is_err() {
                    return Err(format!(
                        "values[0][{label}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                    ));
                }
                return requirement(operator, vec![value.to_owned()]);
            }
        }
        let operator = match self.word() {
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            other => {
                let found = if other.is_empty() { self.rest } else { other };
                return Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        if !self.take("(") {
            return Err(format!("found '{}' expected: '('", self.rest));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.word().to_owned());
            if self.take(")") {
                return requirement(operator, values);
            }
            if !self.take(",") {
                return Err(format!("found '{}', expected: ',' or ')'", self.rest));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(selector: &str) -> bool {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "size": "3", "empty": ""}}});
        LabelSelector::parse(selector).unwrap().matches(&object)
    }

    #[test]
    fn every_operator() {
        for selector in [
            "",
            "app=web",
            "app==web",
            "app = web",
            "app!=api",
            "none!=x",
            "app",
            "!none",
            "app in (api, web)",
            "app notin (api)",
            "none notin (x)",
            "size>2",
            "size<4",
            "app=web,tier in (front),!none",
            "empty=",
        ] {
            assert!(matches(selector), "{selector}");
        }
        for selector in
            ["app=api", "none", "!app", "app in (api)", "app notin (web)", "size>3", "app>1", "app=web,none"]
        {
            assert!(!matches(selector), "{selector}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (selector, expected) in [
            ("app in web", "unable to parse requirement: found 'web' expected: '('"),
            ("app is web", "unable to parse requirement: found 'is', expected: in, notin, =, ==, !=, gt, lt"),
            ("=web", "unable to parse requirement: found '=web', expected: !, identifier, or 'end of string'"),
            ("app in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap_err(), expected);
        }
        assert!(LabelSelector::parse("size>x").unwrap_err().contains("must be an integer"));
    }
}
