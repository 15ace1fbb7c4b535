//! What requests have in common, sent at once ([`http`](crate::http)) or queued
//! ([`outbox`](crate::outbox)): how one is put together.

/// The methods of a builder, inside its `impl`. It has `new(method, url)` and the
/// fields `headers` and `body`.
macro_rules! request_methods {
    () => {
        /// A `GET`.
        #[must_use]
        pub fn get(url: impl Into<String>) -> Self {
            Self::new("GET", url)
        }

        /// A `POST`.
        #[must_use]
        pub fn post(url: impl Into<String>) -> Self {
            Self::new("POST", url)
        }

        /// A `PUT`.
        #[must_use]
        pub fn put(url: impl Into<String>) -> Self {
            Self::new("PUT", url)
        }

        /// A `DELETE`.
        #[must_use]
        pub fn delete(url: impl Into<String>) -> Self {
            Self::new("DELETE", url)
        }

        /// Adds a header.
        #[must_use]
        pub fn header(mut self, name: &str, value: &str) -> Self {
            self.headers.push((name.to_owned(), value.to_owned()));
            self
        }

        /// A body of bytes. It has no `Content-Type` unless you add one.
        #[must_use]
        pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
            self.body = bytes.into();
            self
        }

        /// A body of JSON, with its `Content-Type`.
        ///
        /// # Errors
        /// When the value can't be made JSON. With `?` in a handler that is a reject.
        pub fn json<T: serde::Serialize + ?Sized>(
            self,
            value: &T,
        ) -> Result<Self, serde_json::Error> {
            let body = serde_json::to_vec(value)?;
            Ok(self.header("content-type", "application/json").body(body))
        }
    };
}

pub(crate) use request_methods;
