use lb_provider::{ObjectRef, Rejection};

/// What cannot be served, told to each object once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rejections(Vec<Rejection>);

impl Rejections {
    /// Tells an object.
    pub(crate) fn push(&mut self, object: &ObjectRef, message: impl Into<String>) {
        let rejection = Rejection { object: object.clone(), field: String::new(), message: message.into() };
        if !self.0.contains(&rejection) {
            self.0.push(rejection);
        }
    }

    /// Tells several objects the same.
    pub(crate) fn push_all<'a>(&mut self, objects: impl IntoIterator<Item = &'a ObjectRef>, message: &str) {
        objects.into_iter().for_each(|object| self.push(object, message));
    }

    /// Adds those of a part.
    pub(crate) fn extend(&mut self, others: Self) {
        others.0.into_iter().for_each(|rejection| self.push(&rejection.object, rejection.message));
    }

    pub(crate) fn into_vec(self) -> Vec<Rejection> {
        self.0
    }
}
