//! What is sent and answered.

use crate::app::executions::Status;
use serde_json::{Map, Value, json};

/// All schemas by their names.
pub(super) fn all() -> Value {
    let mut found = Map::new();
    for part in [jobs(), executions(), explained(), cluster(), tokens(), small()] {
        found.extend(part.as_object().cloned().unwrap_or_default());
    }
    Value::Object(found)
}

/// An object with all of these keys.
fn object(properties: Value) -> Value {
    let keys: Vec<String> =
        properties.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    json!({"type": "object", "properties": properties, "required": keys})
}

/// The keys of both.
fn both(mut one: Value, other: Value) -> Value {
    for (key, value) in other.as_object().into_iter().flatten() {
        one[key] = value.clone();
    }
    one
}

pub(super) fn text() -> Value {
    json!({"type": "string"})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

pub(super) fn instant() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

pub(super) fn list(schema: Value) -> Value {
    json!({"type": "array", "items": schema})
}

fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn words() -> Value {
    or_null(json!({"type": "object", "additionalProperties": {"type": "string"}}))
}

fn jobs() -> Value {
    let processors = or_null(json!({"type": "object", "additionalProperties": words()}));
    let shown = json!({
        "id": text(), "name": text(), "displayname": text(), "timezone": text(), "schedule": text(),
        "owner": text(), "owner_email": text(), "success_count": count(), "error_count": count(),
        "last_success": or_null(instant()), "last_error": or_null(instant()), "disabled": boolean(),
    });
    let more = json!({
        "tags": words(), "metadata": words(), "retries": count(), "dependent_jobs": or_null(list(text())),
        "parent_job": text(), "processors": processors.clone(),
        "concurrency": {"enum": ["allow", "forbid", "queue", "replace"]},
        "executor": text(), "executor_config": words(),
        "status": {"enum": ["", "success", "failed", "partially_failed"]},
        "next": instant(), "ephemeral": boolean(), "starts_at": or_null(instant()), "expires_at": or_null(instant()),
    });
    let shown = object(both(shown, more));
    let duration = json!({"type": ["string", "null"], "description": "As 90s, 1h30m"});
    let sent = json!({
            "name": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[a-z0-9_-]+$"},
            "displayname": {"type": "string"},
            "timezone": {"type": "string", "examples": ["Europe/Berlin"]},
            "schedule": {"type": "string", "examples": ["@every 10s", "0 30 2 * * *"]},
            "owner": {"type": "string"},
            "owner_email": {"type": "string"},
            "disabled": {"type": ["boolean", "null"]},
            "tags": words(), "metadata": words(),
            "retries": {"type": ["integer", "null"], "minimum": 0},
            "parent_job": {"type": ["string", "null"]},
            "processors": processors,
    });
    let more = json!({
            "concurrency": {"enum": ["allow", "forbid", "queue", "replace", "", null]},
            "executor": {"type": "string", "examples": ["shell"]},
            "executor_config": words(),
            "ephemeral": {"type": ["boolean", "null"]},
            "starts_at": or_null(instant()), "expires_at": or_null(instant()),
            "catchup": {"enum": ["latest", "none", "all", null]},
            "catchup_window": duration, "start_deadline": duration, "jitter": duration, "lost_after": duration,
            "dst": {"enum": ["once", "skip", "both", "dkron", null]},
            "backoff": {"type": ["string", "null"]},
    });
    let sent = json!({
        "type": "object",
        "description": "Keys in any case, others are passed over, null is nothing said",
        "properties": both(sent, more),
        "required": ["name", "schedule"],
    });
    json!({"Job": shown, "SentJob": sent})
}

fn executions() -> Value {
    let dkron = json!({
        "type": "object",
        "properties": {
            "id": text(), "job_name": text(), "started_at": instant(), "finished_at": instant(),
            "success": boolean(), "output": text(), "node_name": text(), "group": {"type": "integer"},
            "attempt": count(), "output_truncated": boolean(),
        },
        "required": ["started_at", "finished_at", "success"],
    });
    let names = json!({
        "id": or_null(text()), "execution_id": text(), "job_name": text(),
        "status": {"enum": Status::all().map(Status::word).collect::<Vec<_>>()},
        "origin": {"enum": ["schedule", "manual", "backfill", "dependent"]},
    });
    let ours = json!({
        "scheduled_at": instant(), "decided_at": instant(), "started_at": or_null(instant()),
        "finished_at": or_null(instant()), "success": boolean(), "node_name": text(),
        "group": {"type": "integer"}, "attempt": count(), "exit_code": {"type": ["integer", "null"]},
        "error": text(), "output_bytes": count(),
    });
    let mut ours = object(both(names, ours));
    ours["properties"]["output"] = text();
    ours["properties"]["output_truncated"] = boolean();
    let skip = object(json!({
        "job": text(), "from": instant(), "to": instant(), "count": count(), "reason": text(), "origin": text(),
        "blocked_by": or_null(text()), "decided_at": instant(),
    }));
    json!({"DkronExecution": dkron, "Execution": ours, "Skip": skip})
}

fn explained() -> Value {
    let reason = object(json!({
        "code": text(), "text": text(), "since": or_null(instant()), "until": or_null(instant()),
        "execution_id": or_null(text()),
    }));
    let ticks =
        object(json!({"is_tick": boolean(), "before": or_null(instant()), "after": or_null(instant())}));
    let next = object(json!({"scheduled_at": instant(), "starts_at": instant()}));
    let explained = object(json!({
        "job": text(), "now": instant(), "at": or_null(instant()),
        "answer": {"enum": ["ran", "running", "waiting", "skipped", "undecided", "planned", "not_planned",
            "no_tick", "no_record"]},
        "text": text(), "reasons": list(reason), "ticks": or_null(ticks), "open": list(named("Execution")),
        "ran": list(named("Execution")), "skipped": list(named("Skip")), "next": or_null(next),
        "decided_up_to": instant(), "history_complete": boolean(),
    }));
    json!({"Explained": explained})
}

fn cluster() -> Value {
    let mut leader = object(json!({
        "Name": text(), "Addr": text(), "Port": count(),
        "Tags": {"type": "object", "additionalProperties": {"type": "string"}}, "Status": count(),
        "ProtocolMin": count(), "ProtocolMax": count(), "ProtocolCur": count(), "DelegateMin": count(),
        "DelegateMax": count(), "DelegateCur": count(),
    }));
    let member = {
        let mut properties = leader["properties"].clone();
        properties["id"] = text();
        properties["statusText"] = text();
        object(properties)
    };
    leader["description"] = json!("As a member, without id and statusText");
    let peer = json!({
        "id": text(), "name": text(), "address": text(), "voter": boolean(), "leader": boolean(),
        "wish": or_null(text()),
    });
    let mut server = peer.clone();
    for (key, schema) in [
        ("healthy", boolean()),
        ("since", or_null(instant())),
        ("last_contact_ms", or_null(json!({"type": "integer"}))),
        ("lag", or_null(count())),
        ("clock_ahead_ms", or_null(json!({"type": "integer"}))),
        ("complaints", list(text())),
    ] {
        server[key] = schema;
    }
    let health = object(json!({
        "healthy": boolean(), "failure_tolerance": {"type": "integer"}, "quorum": count(),
        "servers": list(object(server)),
    }));
    let node = object(json!({
        "id": text(), "name": text(), "address": text(), "server": boolean(), "status": text(), "work": text(),
        "drained": boolean(), "executions": count(), "slots": count(),
    }));
    let status = object(json!({
        "agent": {"type": "object"}, "serf": {"type": "object"}, "tags": {"type": "object"},
    }));
    json!({"Leader": leader, "Member": member, "Peer": object(peer), "ServersHealth": health, "Node": node,
        "Status": status})
}

fn tokens() -> Value {
    let token = json!({
        "id": text(), "name": text(), "allow": list(text()), "jobs": list(text()), "created_at": instant(),
        "expires_at": or_null(instant()), "expired": boolean(),
    });
    let mut token = object(token);
    token["properties"]["token"] = text();
    let sent = json!({
        "type": "object",
        "properties": {
            "name": text(), "allow": list(text()), "jobs": list(text()), "ttl": text(), "expires_at": instant(),
        },
        "required": ["name", "allow"],
    });
    json!({"Token": token, "SentToken": sent})
}

fn small() -> Value {
    let backfill = json!({
        "type": "object",
        "properties": {
            "from": instant(), "to": instant(), "dry_run": boolean(),
            "limit": {"type": "integer", "minimum": 0, "maximum": 1_000},
        },
        "required": ["from", "to"],
        "additionalProperties": false,
    });
    let mut ticks = object(json!({"job": text(), "count": count(), "ticks": list(instant())}));
    ticks["properties"]["dry_run"] = boolean();
    let moved = object(json!({"job": text(), "before": or_null(instant()), "after": or_null(instant())}));
    let change = object(json!({
        "zone": text(), "before": text(), "jobs": count(), "changed": count(), "moved": list(moved),
        "dry_run": boolean(),
    }));
    let zone = json!({
        "type": "object",
        "properties": {"zone": {"type": "string", "minLength": 1}, "dry_run": boolean()},
        "required": ["zone"],
        "additionalProperties": false,
    });
    json!({
        "Anything": {},
        "Said": text(),
        "Instant": instant(),
        "Healthy": object(json!({"status": text()})),
        "Live": object(json!({"live": boolean(), "applied": count(), "jobs": count(), "digest": text()})),
        "Ready": object(json!({"ready": boolean(), "reasons": list(text())})),
        "Paused": object(json!({"paused": boolean()})),
        "Held": object(json!({"held": boolean()})),
        "DefaultZone": object(json!({"zone": text(), "zone_data": text(), "refiling": boolean()})),
        "Backfill": backfill, "TickList": ticks, "ZoneChange": change, "SentZone": zone,
    })
}
