//! What the ports were asked, in order: the storage, the secret store and the executor write into the same one.

use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().expect("not poisoned").push(line.into());
    }

    /// Forgets the arrangement of a test.
    pub(crate) fn clear(&self) {
        self.0.lock().expect("not poisoned").clear();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|noted| *noted == line).count()
    }
}
