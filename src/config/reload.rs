//! What SIGHUP changes: the settings are read anew, those that can take effect at once do, and the others
//! are named, because they wait for a restart.

use super::{Config, ConfigErrors, Join, Surroundings, resolve};

/// Settings that were read again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reload {
    /// The settings in effect from now on: the new ones where that can be, the old ones elsewhere.
    pub config: Config,
    /// Which of them have changed: of `log-level`, `tag`, `join`, `retry-join` and those of notifications.
    pub changed: Vec<&'static str>,
    /// Which have changed in the file or the environment and need a restart; to be told.
    pub need_restart: Vec<&'static str>,
}

impl Config {
    /// Reads file and environment again, under the same command line.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every problem there is; the node goes on with the settings that it has.
    pub fn reload(&self, surroundings: &Surroundings) -> Result<Reload, ConfigErrors> {
        let new = resolve::resolve(self.flags.clone(), Vec::new(), surroundings)?;
        let (changed, need_restart): (Vec<_>, Vec<_>) =
            self.differing(&new).into_iter().partition(|setting| setting.live);
        let config = Config {
            log_level: new.log_level,
            tags: new.tags,
            join: Join { once: new.join.once, retry: new.join.retry, ..self.join.clone() },
            notices: new.notices,
            warnings: new.warnings,
            file: new.file,
            origins: new.origins,
            ..self.clone()
        };
        let names = |settings: Vec<&'static super::table::Setting>| {
            settings.into_iter().map(|setting| setting.name).collect()
        };
        Ok(Reload { config, changed: names(changed), need_restart: names(need_restart) })
    }
}
