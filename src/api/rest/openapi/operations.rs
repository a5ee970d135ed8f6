//! What each route does: its name, what it takes, what it answers. In the order of the table of routes.

/// What is sent or answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Body {
    /// Nothing.
    Nothing,
    /// JSON of this schema.
    Schema(&'static str),
    /// A list of it.
    List(&'static str),
    /// A text.
    Text,
    /// What an execution writes.
    Output,
    /// A form with a file.
    Form,
}

use Body::{Form, List, Nothing, Output, Schema, Text};

/// One method on one path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [&'static str],
    pub(super) headers: &'static [&'static str],
    pub(super) body: Option<Body>,
    pub(super) answers: &'static [(u16, Body)],
}

const fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answers: &'static [(u16, Body)],
) -> Operation {
    Operation { method, path, id, summary, parameters: &[], headers: &[], body: None, answers }
}

impl Operation {
    const fn takes(self, parameters: &'static [&'static str]) -> Operation {
        Operation { parameters, ..self }
    }

    const fn tells(self, headers: &'static [&'static str]) -> Operation {
        Operation { headers, ..self }
    }

    const fn sends(self, body: Body) -> Operation {
        Operation { body: Some(body), ..self }
    }

    /// The noun that it is about.
    pub(super) fn tag(&self) -> &'static str {
        let path = self.path.strip_prefix("/v1").unwrap_or(self.path);
        match path.split('/').nth(1).unwrap_or_default() {
            "" | "ui" | "health" | "livez" | "readyz" | "metrics" | "openapi.json" => "server",
            "jobs" if path.contains("executions") => "executions",
            "executions" | "busy" => "executions",
            "jobs" | "schedule" | "restore" | "default-zone" => "jobs",
            "tokens" => "tokens",
            _ => "cluster",
        }
    }
}

const PAGES: &[&str] = &["X-Next-Cursor", "Link"];
const COUNTED: &[&str] = &["X-Total-Count"];
const JOB: &[(u16, Body)] = &[(200, Schema("Job"))];
const STORED: &[(u16, Body)] = &[(201, Schema("Job"))];
const PAUSED: &[(u16, Body)] = &[(200, Schema("Paused"))];
const HELD: &[(u16, Body)] = &[(200, Schema("Held"))];
const PEER: &[(u16, Body)] = &[(200, Schema("Peer"))];
const NODE: &[(u16, Body)] = &[(200, Schema("Node"))];
const TICKS: &[(u16, Body)] = &[(200, Schema("TickList"))];
const WRITE: &[&str] = &["runoncreate", "If-Match", "If-None-Match", "Idempotency-Key"];
const LIST: &[&str] = &[
    "metadata",
    "q",
    "job_prefix",
    "job_status",
    "disabled",
    "job_sort",
    "order",
    "start",
    "end",
    "limit",
    "cursor",
    "consistent",
    "stale",
    "min_index",
];

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    operation("GET", "/", "front", "Send a browser to the pages", &[(303, Nothing)]),
    operation("GET", "/ui", "pages", "Send a browser to the pages", &[(301, Nothing)]),
    operation("GET", "/health", "health", "As Dkron: always healthy", &[(200, Schema("Healthy"))]),
    operation(
        "GET",
        "/livez",
        "live",
        "Whether the process answers and its state can be read",
        &[(200, Schema("Live"))],
    ),
    operation(
        "GET",
        "/readyz",
        "ready",
        "Whether writes and ticks are decided",
        &[(200, Schema("Ready")), (503, Schema("Ready"))],
    ),
    operation("GET", "/metrics", "metrics", "Metrics for Prometheus", &[(200, Text)]),
    operation("GET", "/v1", "status", "The node and its tags", &[(200, Schema("Status"))]),
    operation("GET", "/v1/openapi.json", "openapi", "This document", &[(200, Schema("Anything"))]),
    operation("GET", "/v1/members", "getMember", "All nodes", &[(200, List("Member"))]).tells(COUNTED),
    operation("GET", "/v1/leader", "getLeader", "The server that leads", &[(200, Schema("Leader"))]),
    operation(
        "GET",
        "/v1/isleader",
        "getIsLeader",
        "Whether this server leads",
        &[(200, Schema("Said")), (404, Schema("Said"))],
    ),
    operation("GET", "/v1/pause", "pauseStatus", "Whether submissions are refused", PAUSED),
    operation("POST", "/v1/pause", "pause", "Refuse job submissions", PAUSED),
    operation("POST", "/v1/unpause", "unpause", "Take job submissions again", PAUSED),
    operation("POST", "/v1/hold", "hold", "Stop all ticks", HELD),
    operation("POST", "/v1/release", "release", "Let ticks go on", HELD),
    operation("GET", "/v1/busy", "busy", "What runs now, the oldest first", &[(200, List("DkronExecution"))])
        .tells(COUNTED),
    operation("GET", "/v1/jobs", "getJobs", "List jobs", &[(200, List("Job"))]).takes(LIST).tells(&[
        "X-Total-Count",
        "X-Next-Cursor",
        "Link",
    ]),
    operation(
        "POST",
        "/v1/jobs",
        "createOrUpdateJob",
        "Store a job, new or in place of the one of its name",
        STORED,
    )
    .takes(WRITE)
    .tells(&["Location", "ETag"])
    .sends(Schema("SentJob")),
    operation("PATCH", "/v1/jobs", "createOrUpdateJobPatch", "The same: it does not merge", STORED)
        .takes(WRITE)
        .tells(&["Location", "ETag"])
        .sends(Schema("SentJob")),
    operation(
        "PUT",
        "/v1/jobs/{job}",
        "createOrUpdateJobPut",
        "The same: the name of the body counts",
        STORED,
    )
    .takes(WRITE)
    .tells(&["Location", "ETag"])
    .sends(Schema("SentJob")),
    operation("GET", "/v1/jobs/{job}", "showJobByName", "A job", JOB).tells(&["ETag"]),
    operation("DELETE", "/v1/jobs/{job}", "deleteJob", "Delete a job; the job as it was", JOB)
        .takes(&["If-Match"])
        .tells(&["ETag"]),
    operation("POST", "/v1/jobs/{job}", "runJob", "Run a job by hand; answered when that is decided", JOB)
        .takes(&["Idempotency-Key"])
        .tells(&["Location"]),
    operation("POST", "/v1/jobs/{job}/run", "runJobAgain", "The same", JOB)
        .takes(&["Idempotency-Key"])
        .tells(&["Location"]),
    operation(
        "POST",
        "/v1/jobs/{job}/toggle",
        "toggleJob",
        "Disable an enabled job, enable a disabled one",
        JOB,
    )
    .takes(&["If-Match"])
    .tells(&["Location", "ETag"]),
    operation("POST", "/v1/jobs/{job}/hold", "holdJob", "Stop the ticks of a job", JOB),
    operation("POST", "/v1/jobs/{job}/release", "releaseJob", "Let the ticks of a job go on", JOB),
    operation(
        "GET",
        "/v1/jobs/{job}/explain",
        "explainJob",
        "Why a job did or did not run, and what comes next",
        &[(200, Schema("Explained"))],
    )
    .takes(&["at"]),
    operation(
        "GET",
        "/v1/jobs/{job}/executions",
        "listExecutionsByJob",
        "A job's executions",
        &[(200, List("DkronExecution"))],
    )
    .takes(&["execution_sort", "order", "output_size_limit", "limit", "cursor"])
    .tells(PAGES),
    operation(
        "DELETE",
        "/v1/jobs/{job}/executions",
        "deleteExecutionsByJob",
        "Delete a job's executions, set its counters to zero",
        JOB,
    ),
    operation(
        "GET",
        "/v1/jobs/{job}/executions/{execution}",
        "showExecutionByID",
        "An execution with its output",
        &[(200, Schema("DkronExecution"))],
    ),
    operation(
        "GET",
        "/v1/jobs/{job}/executions/{execution}/output",
        "outputOfExecution",
        "What an execution writes",
        &[(200, Output)],
    )
    .takes(&["offset", "follow"]),
    operation(
        "POST",
        "/v1/jobs/{job}/executions/{execution}/cancel",
        "cancelExecution",
        "End an execution",
        &[(200, Schema("Execution")), (202, Schema("Execution"))],
    ),
    operation(
        "GET",
        "/v1/jobs/{job}/skips",
        "listSkipsByJob",
        "The ticks that were passed over",
        &[(200, List("Skip"))],
    )
    .tells(COUNTED),
    operation("POST", "/v1/jobs/{job}/backfill", "backfillJob", "Run ticks of the past", TICKS)
        .takes(&["Idempotency-Key"])
        .sends(Schema("Backfill")),
    operation(
        "GET",
        "/v1/jobs/{job}/backfill",
        "waitingBackfill",
        "The ticks of a backfill that wait",
        TICKS,
    ),
    operation("DELETE", "/v1/jobs/{job}/backfill", "callOffBackfill", "Call those off that wait", TICKS),
    operation(
        "GET",
        "/v1/executions",
        "listExecutions",
        "Executions of all jobs, the newest first",
        &[(200, List("Execution"))],
    )
    .takes(&[
        "job",
        "job_prefix",
        "execution_status",
        "node",
        "from",
        "to",
        "limit",
        "cursor",
        "output_size_limit",
    ])
    .tells(PAGES),
    operation(
        "GET",
        "/v1/schedule/next",
        "scheduleNext",
        "When an expression fires",
        &[(200, List("Instant"))],
    )
    .takes(&["expr", "tz", "dst", "from", "count", "named"]),
    operation(
        "GET",
        "/v1/default-zone",
        "defaultZone",
        "The zone of jobs that name none",
        &[(200, Schema("DefaultZone"))],
    ),
    operation(
        "PUT",
        "/v1/default-zone",
        "setDefaultZone",
        "Set it, or see what that would change",
        &[(200, Schema("ZoneChange"))],
    )
    .sends(Schema("SentZone")),
    operation(
        "POST",
        "/v1/restore",
        "restore",
        "Store all jobs of a backup, or none",
        &[(200, Schema("Said"))],
    )
    .sends(Form),
    operation(
        "POST",
        "/v1/leave",
        "leave",
        "Have this node leave its cluster and stop",
        &[(200, Schema("Anything"))],
    ),
    operation(
        "GET",
        "/v1/operator/health",
        "operatorHealth",
        "How well the servers are",
        &[(200, Schema("ServersHealth")), (503, Schema("ServersHealth"))],
    ),
    operation("GET", "/v1/cluster/peers", "listPeers", "Who votes and who leads", &[(200, List("Peer"))])
        .tells(COUNTED),
    operation("DELETE", "/v1/cluster/peers/{peer}", "removePeer", "Take a server out", PEER),
    operation("POST", "/v1/cluster/peers/{peer}/demote", "demotePeer", "Take a server's vote", PEER),
    operation("POST", "/v1/cluster/peers/{peer}/promote", "promotePeer", "Let a server vote", PEER),
    operation("POST", "/v1/cluster/transfer", "transferLeadership", "Have another server lead", PEER)
        .takes(&["leader_to"]),
    operation("GET", "/v1/nodes", "listNodes", "All nodes and what they may do", &[(200, List("Node"))])
        .tells(COUNTED),
    operation("POST", "/v1/nodes/{node}/drain", "drainNode", "Empty a node", NODE),
    operation("POST", "/v1/nodes/{node}/cordon", "cordonNode", "Keep new work from a node", NODE),
    operation("POST", "/v1/nodes/{node}/uncordon", "uncordonNode", "Give a node work again", NODE),
    operation(
        "GET",
        "/v1/tokens",
        "listTokens",
        "All tokens, without their secrets",
        &[(200, List("Token"))],
    )
    .tells(COUNTED),
    operation("POST", "/v1/tokens", "createToken", "Make a token", &[(201, Schema("Token"))])
        .sends(Schema("SentToken")),
    operation("GET", "/v1/tokens/self", "ownToken", "The token that was sent", &[(200, Schema("Token"))]),
    operation(
        "POST",
        "/v1/tokens/bootstrap",
        "bootstrapToken",
        "Make the first token: it closes the API",
        &[(201, Schema("Token"))],
    ),
    operation(
        "POST",
        "/v1/tokens/recover",
        "recoverToken",
        "Make a token by access to the server's disk",
        &[(201, Schema("Token"))],
    )
    .takes(&["recovery"]),
    operation(
        "GET",
        "/v1/tokens/{token}",
        "getToken",
        "A token, without its secret",
        &[(200, Schema("Token"))],
    ),
    operation("DELETE", "/v1/tokens/{token}", "revokeToken", "Revoke a token", &[(200, Schema("Token"))]),
];
