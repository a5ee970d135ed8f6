//! What this server answers to servers on their way into a cluster, and to nodes that look for servers.

use super::Formation;
use crate::raft;
use dkron_core::bootstrap::{Promise, Stage, Verdict};
use dkron_core::delivery::ServerAddress;
use dkron_core::ids::{NodeId, Stamp};
use dkron_wire::WireError;
use dkron_wire::formation::service::{self, AbortReply, HelloReply, PromiseReply, ServersReply};
use dkron_wire::formation::{
    abort_from_wire, answer_to_wire, hello_formats, hello_from_wire, question_from_wire, request_from_wire,
    servers_to_wire, verdict_to_wire,
};
use std::sync::PoisonError;
use tonic::{Request, Response, Status};

impl Formation {
    /// The servers of this region that live, where they take calls.
    pub fn servers(&self) -> Vec<ServerAddress> {
        let roster = self.inner.roster.borrow().clone();
        let near = roster.alive().filter(|server| server.region == self.inner.region);
        near.map(|server| ServerAddress { id: server.id, address: server.calls.clone() }).collect()
    }

    fn stamp(&self) -> Option<Stamp> {
        match self.forming().stage() {
            Stage::Empty => None,
            Stage::Initialised(stamp) | Stage::Founded(stamp) => Some(stamp),
        }
    }

    /// An address that now belongs to another server must not be taken for the one that was there before.
    fn is_meant(&self, target: NodeId) -> Result<(), Status> {
        let own = self.inner.own;
        match target == own {
            true => Ok(()),
            false => Err(refused(WireError::ForeignTarget { found: target, own })),
        }
    }

    /// Stores for another server.
    async fn store_for(&self, promise: Option<Promise>) -> Result<(), Status> {
        let stored = self.store(promise).await;
        self.noted(stored)
    }

    /// Without its disk this server can promise nothing, and ends.
    fn noted(&self, noted: Result<(), raft::Error>) -> Result<(), Status> {
        let result = noted.map_err(|error| {
            let status = Status::internal(error.to_string());
            *self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            status
        });
        self.inner.news.notify_one();
        result
    }
}

#[tonic::async_trait]
impl service::Formation for Formation {
    async fn hello(&self, request: Request<service::HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let message = request.into_inner();
        let (theirs, own) = (hello_formats(&message).map_err(refused)?, self.inner.formats);
        let (target, hello) = hello_from_wire(message).map_err(refused)?;
        self.is_meant(target)?;
        if !theirs.meet(own) {
            return Err(Status::failed_precondition(format!(
                "server {} reads log formats {theirs}, this one {own}: upgrade one release at a time",
                hello.from
            )));
        }
        let (answer, forsworn) = self.forming().on_hello(&hello);
        if let Some(cluster) = forsworn {
            let noted = self.forswear(cluster).await;
            self.noted(noted)?;
        }
        Ok(Response::new(answer_to_wire(&answer)))
    }

    async fn promise(
        &self,
        request: Request<service::PromiseRequest>,
    ) -> Result<Response<PromiseReply>, Status> {
        let (target, promise) = request_from_wire(request.into_inner()).map_err(refused)?;
        self.is_meant(target)?;
        let roster = self.inner.roster.borrow().clone();
        let verdict = self.forming().on_promise_request(&promise, &roster);
        let verdict = match verdict {
            Verdict::Granted => Ok(()),
            Verdict::Store(promise) => {
                tracing::info!(cluster = %promise.cluster, initialiser = %promise.initialiser, "promises");
                self.store_for(Some(promise)).await.map(Ok)?
            }
            Verdict::Refused(refusal) => {
                tracing::info!(initialiser = %promise.initialiser, %refusal, "refuses a promise");
                Err(refusal)
            }
        };
        Ok(Response::new(verdict_to_wire(verdict)))
    }

    async fn abort(&self, request: Request<service::AbortRequest>) -> Result<Response<AbortReply>, Status> {
        let (target, from, cluster) = abort_from_wire(&request.into_inner()).map_err(refused)?;
        self.is_meant(target)?;
        let clears = self.forming().on_abort(from, cluster);
        if clears {
            self.store_for(None).await?;
        }
        Ok(Response::new(AbortReply {}))
    }

    async fn servers(
        &self,
        request: Request<service::ServersRequest>,
    ) -> Result<Response<ServersReply>, Status> {
        let (cluster, region) = question_from_wire(request.into_inner()).map_err(refused)?;
        if region != *self.inner.region {
            let own = &self.inner.region;
            return Err(Status::failed_precondition(format!(
                "region: '{region}' is not that of this server, which is '{own}'"
            )));
        }
        let own = self.stamp();
        if let (Some(found), Some(own)) = (cluster, own)
            && found != own.cluster
        {
            return Err(refused(WireError::ForeignCluster { found, own: own.cluster }));
        }
        Ok(Response::new(servers_to_wire(own, &self.servers())))
    }
}

fn refused(error: WireError) -> Status {
    match error {
        WireError::ForeignTarget { .. } | WireError::ForeignCluster { .. } => {
            Status::failed_precondition(error.to_string())
        }
        _ => Status::invalid_argument(error.to_string()),
    }
}
