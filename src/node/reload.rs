//! SIGHUP: the settings are read anew, and those that can change while the node runs do.

use crate::config::{Config, Surroundings};
use crate::task;
use crate::telemetry::Logging;
use std::sync::Arc;

/// The settings in effect.
pub(super) struct Settings {
    config: Arc<Config>,
    logging: Logging,
}

impl Settings {
    pub(super) fn new(config: Config, logging: Logging) -> Settings {
        Settings { config: Arc::new(config), logging }
    }

    /// What is in effect now.
    pub(super) fn now(&self) -> Arc<Config> {
        self.config.clone()
    }

    /// Reads them again and says what comes of it. True if the rest of the node has to take some of them over.
    pub(super) async fn reload(&mut self) -> bool {
        let before = self.config.clone();
        let reading = task::blocking("reload", move || before.reload(&Surroundings::real()));
        let reload = match reading.await {
            Ok(Ok(reload)) => reload,
            Ok(Err(errors)) => {
                tracing::error!("SIGHUP: nothing is changed, because the settings are wrong: {errors}");
                return false;
            }
            Err(error) => {
                tracing::error!(%error, "SIGHUP: the settings could not be read");
                return false;
            }
        };
        for warning in &reload.config.warnings {
            tracing::warn!("{warning}");
        }
        // What is told now is seen by the old level and by the new one.
        self.logging.set_level(self.config.log_level.max(reload.config.log_level));
        if !reload.need_restart.is_empty() {
            tracing::warn!("SIGHUP: changed, and needs a restart: {}", reload.need_restart.join(", "));
        }
        match reload.changed.is_empty() {
            true => tracing::info!("SIGHUP: no setting that can change at once has changed"),
            false => tracing::info!("SIGHUP: changed at once: {}", reload.changed.join(", ")),
        }
        self.logging.set_level(reload.config.log_level);
        self.config = Arc::new(reload.config);
        !reload.changed.is_empty()
    }
}
