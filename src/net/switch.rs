//! A door that can change what is behind it: a server listens from its first moment on, and has more to offer
//! once it belongs to a cluster.

use axum::Router;
use axum::extract::Request;
use tokio::sync::watch;
use tower::ServiceExt;

/// A router that hands every request to the one that is current when it comes.
pub fn switch(current: watch::Receiver<Router>) -> Router {
    Router::new().fallback(move |request: Request| {
        let router = current.borrow().clone();
        async move {
            // A router never fails: its error type has no values.
            match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    })
}
