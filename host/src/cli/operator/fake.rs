//! A host for tests: answers from a closure, remembers what it was asked.

use std::cell::RefCell;

use serde_json::Value;

use super::client::{Api, ClientError, Query};

type Answer<'f> = dyn Fn(&str, &Query) -> Result<Value, ClientError> + 'f;
type Reaction<'f> = dyn Fn(&str, &Value) -> Result<Value, ClientError> + 'f;

pub(crate) struct Fake<'f> {
    get: Box<Answer<'f>>,
    post: Box<Reaction<'f>>,
    pub(crate) posts: RefCell<Vec<(String, Value)>>,
}

impl<'f> Fake<'f> {
    pub(crate) fn new(get: impl Fn(&str, &Query) -> Result<Value, ClientError> + 'f) -> Self {
        Self {
            get: Box::new(get),
            post: Box::new(|path, _| panic!("nothing is to be posted to {path}")),
            posts: RefCell::default(),
        }
    }

    pub(crate) fn on_post(
        mut self,
        post: impl Fn(&str, &Value) -> Result<Value, ClientError> + 'f,
    ) -> Self {
        self.post = Box::new(post);
        self
    }
}

impl Api for Fake<'_> {
    fn get(&self, path: &str, query: &Query) -> Result<Value, ClientError> {
        (self.get)(path, query)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.posts
            .borrow_mut()
            .push((path.to_owned(), body.clone()));
        (self.post)(path, body)
    }
}
