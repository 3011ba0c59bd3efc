//! What a listener serves at the moment, and how that changes under it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;

use super::http;
use super::tls::Tls;
use crate::serve::config::Limits;

/// What a listener serves: new connections get its certificate and limits, and every request its routes.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(super) router: Router,
    /// Without it plain HTTP.
    pub(super) tls: Option<Tls>,
    pub(super) limits: Limits,
    pub(super) http: Arc<Builder<TokioExecutor>>,
}

impl Serving {
    pub(crate) fn new(router: Router, tls: Option<Tls>, limits: Limits) -> Self {
        let http = Arc::new(http::builder(&limits));
        Self { router, tls, limits, http }
    }
}

/// What is served now. A request that has begun ends with what it began with.
#[derive(Clone, Debug)]
pub(crate) struct Current(Arc<ArcSwap<Serving>>);

impl Current {
    pub(crate) fn new(serving: Serving) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(serving)))
    }

    /// From now on requests get this.
    pub(crate) fn replace(&self, serving: Serving) {
        self.0.store(Arc::new(serving));
    }

    /// Not to be held for longer than a request: old rules stay in memory with it.
    pub(super) fn get(&self) -> Arc<Serving> {
        self.0.load_full()
    }

    pub(crate) fn speaks_tls(&self) -> bool {
        self.0.load().tls.is_some()
    }
}
