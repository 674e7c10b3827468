//! Hooks that the lifecycle calls: they run right after tables were made or changed, so the proxy has to
//! look at the database again before the applet does.

use std::sync::Arc;

use applet_datasource::catalog::CatalogOptions;
use applet_proxy::Proxy;
use applet_runtime::Runtime;
use applet_types::{
    Applets, ComponentDigest, ComponentReport, ErrorCode, Failure, HookCall, HookError, Invocation,
};
use async_trait::async_trait;

use crate::host::read_catalog;

/// The runtime, with a fresh catalogue before each call.
pub(crate) struct LifecycleHooks {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) proxy: Proxy,
    pub(crate) admin_url: String,
    pub(crate) catalog: CatalogOptions,
}

#[async_trait]
impl Applets for LifecycleHooks {
    async fn inspect(&self, component: &[u8]) -> Result<ComponentReport, Failure> {
        self.runtime.inspect(component).await
    }

    async fn call(
        &self,
        component: ComponentDigest,
        call: Arc<Invocation>,
        hook: HookCall,
    ) -> Result<String, HookError> {
        let catalog = read_catalog(&self.admin_url, &self.catalog).await.map_err(|error| {
            tracing::error!(%error, "the catalogue cannot be read before a lifecycle hook");
            Failure::new(ErrorCode::DatabaseUnavailable, "the database cannot be read at the moment")
        })?;
        self.proxy.set_catalog(Arc::new(catalog));
        self.runtime.call(component, call, hook).await
    }
}
