//! A server leaves for good: no voter and no member any more, then its process ends.

use crate::app::{App, Error, Kind};
use dkron_core::voters::Wish;

impl App {
    /// Gives up this server's vote and membership, and then has its node stop. Refused while the others could not
    /// decide without it; then it runs on, and nothing is changed.
    pub async fn leave(&self) -> Result<(), Error> {
        self.resign().await?;
        tracing::info!("this server is no member of its cluster any more and stops");
        self.leave.cancel();
        Ok(())
    }

    /// Gives up this server's vote and membership: the wish stands in the log before anything else happens, and
    /// this is back when another leader, if this one led, has carried it out.
    pub async fn resign(&self) -> Result<(), Error> {
        match self.change_peer(&self.server().to_string(), Wish::Remove).await {
            Ok(_) => Ok(()),
            // It is none already.
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
