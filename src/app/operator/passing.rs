//! The way of an operator's request to the server that leads.

use crate::app::submit::changed;
use crate::app::{App, Error, Kind};
use crate::clock;
use crate::raft::Server;
use dkron_wire::operator::{Done, Task, done_from_wire, task_to_wire};
use dkron_wire::submit::service::LeaderClient;
use std::time::Duration;

/// How long a leader is looked for: several elections.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer is waited for: a transfer that fails takes an election.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

impl App {
    /// Does a task here, or has the leader do it. Tried again while servers elect: all tasks may be done twice.
    pub(super) async fn operate(&self, task: Task) -> Result<Done, Error> {
        let deadline = clock::runtime() + PATIENCE;
        let mut leadership = self.raft.leader();
        loop {
            let tried = match self.led_by() {
                Some(leader) => self.operate_at(&leader, task.clone()).await,
                None => Err(Error::new(
                    Kind::Unavailable,
                    "no server leads at the moment: a quorum of the voters must live",
                )),
            };
            match tried {
                Err(error) if error.kind() == Kind::Unavailable && clock::runtime() < deadline => {}
                other => return other,
            }
            changed(&mut leadership).await;
        }
    }

    /// What another server passed on, to be done here or not at all.
    pub async fn operated(&self, task: Task) -> Done {
        match self.operate_here(task).await {
            Ok(done) => done,
            Err(error) => Done::Failed(error.kind().number(), error.to_string()),
        }
    }

    async fn operate_at(&self, leader: &Server, task: Task) -> Result<Done, Error> {
        if leader.id == self.server() {
            return self.operate_here(task).await;
        }
        let mut client = LeaderClient::new(self.line_to(leader)?);
        let message = task_to_wire(self.head(leader.id)?, &task);
        let answer = tokio::time::timeout(ANSWER_WAIT, client.operate(message)).await;
        let unreached =
            |why: &str| Error::new(Kind::Unavailable, format!("the leader {leader} does not answer: {why}"));
        let reply = match answer {
            Ok(Ok(reply)) => reply.into_inner(),
            Ok(Err(status)) => return Err(unreached(status.message())),
            Err(_) => return Err(unreached("it takes too long")),
        };
        match done_from_wire(reply, clock::steady()) {
            Ok(Done::Failed(kind, message)) => {
                Err(Error::new(Kind::from_number(kind).unwrap_or(Kind::Internal), message))
            }
            Ok(done) => Ok(done),
            Err(error) => Err(Error::new(Kind::Internal, error.to_string())),
        }
    }
}
