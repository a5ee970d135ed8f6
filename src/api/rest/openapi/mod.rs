//! The description of the API for programs, OpenAPI 3.1: `/v1/openapi.json`.
//!
//! It is made from the table of routes that the router is held against (`routes::access`): a route without an
//! operation, and an operation without a route, fail a test. What clients send and get is described beside the code
//! that reads and writes it, and held against real answers by a tool that others wrote (`tests/api/openapi.rs`).

mod operations;
mod parameters;
mod schemas;

use operations::{Body, OPERATIONS, Operation};
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The document, made once.
pub fn document() -> &'static [u8] {
    static DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::to_vec(&describe()).unwrap_or_default())
}

/// Every operation's method and path, for the test that compares them with the router.
#[cfg(test)]
pub fn described() -> Vec<(&'static str, &'static str)> {
    OPERATIONS.iter().map(|operation| (operation.method, operation.path)).collect()
}

fn describe() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        methods[operation.method.to_ascii_lowercase()] = describe_operation(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "dkron",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Dkron's REST API and what goes beyond it. Every refusal is a line of text that names the \
                field, its value and what is allowed.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Any server: writes find the leader by themselves."}],
        "security": [{}, {"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "parameters": parameters::all(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Dkron-Token"},
            },
        },
    })
}

fn describe_operation(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = path_parameters(operation.path);
    let of_all = ["pretty"].iter().filter(|_| operation.path.starts_with("/v1"));
    let named = operation.parameters.iter().chain(of_all);
    parameters.extend(named.map(|name| json!({"$ref": format!("#/components/parameters/{name}")})));
    let mut answers: Map<String, Value> = Map::new();
    for (status, body) in operation.answers {
        answers.insert(status.to_string(), answer(*body, operation.headers));
    }
    answers.insert("default".to_owned(), refusal());
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag()],
        "parameters": parameters,
        "responses": answers,
    });
    if let Some(body) = operation.body {
        described["requestBody"] = sent(body);
    }
    described
}

/// `{name}` in a path is a text that is not empty.
fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let described = names.map(|name| {
        json!({"name": name, "in": "path", "required": true,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200}})
    });
    described.collect()
}

fn answer(body: Body, headers: &[&str]) -> Value {
    let headers: Map<String, Value> =
        headers.iter().map(|name| ((*name).to_owned(), parameters::header(name))).collect();
    let content = match body {
        Body::Nothing => return json!({"description": "Done", "headers": headers}),
        Body::Schema(name) => json!({"application/json": {"schema": reference(name)}}),
        Body::List(name) => {
            json!({"application/json": {"schema": {"type": "array", "items": reference(name)}}})
        }
        Body::Text => json!({"text/plain": {"schema": {"type": "string"}}}),
        Body::Output => json!({
            "text/plain": {"schema": {"type": "string"}},
            "text/event-stream": {"schema": {"type": "string"}},
        }),
        Body::Form => json!({}),
    };
    json!({"description": "Done", "headers": headers, "content": content})
}

fn refusal() -> Value {
    json!({"description": "Refused, with the reason in a line of text", "content": {
        "text/plain": {"schema": {"type": "string"}},
        "application/json": {"schema": true},
    }})
}

fn sent(body: Body) -> Value {
    let content = match body {
        Body::Schema(name) => json!({"application/json": {"schema": reference(name)}}),
        Body::Form => json!({"multipart/form-data": {"schema": {
            "type": "object",
            "properties": {"file": {"type": "string", "format": "binary",
                "description": "The array that GET /v1/jobs gives"}},
            "required": ["file"],
        }}}),
        _ => json!({"text/plain": {"schema": {"type": "string"}}}),
    };
    json!({"required": true, "content": content})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::rest::routes::known_routes;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described: BTreeSet<_> = described().into_iter().collect();
        assert_eq!(described.len(), OPERATIONS.len(), "a route is described twice");
        // With and without the slash it is one route.
        let known: BTreeSet<_> = known_routes().filter(|(_, path)| *path != "/v1/").collect();
        let missing: Vec<_> = known.difference(&described).collect();
        assert!(missing.is_empty(), "without an operation: {missing:?}");
        let gone: Vec<_> = described.difference(&known).collect();
        assert!(gone.is_empty(), "described and not there: {gone:?}");
    }

    #[test]
    fn every_name_in_the_document_leads_somewhere_and_ids_are_unique() {
        let document: Value = serde_json::from_slice(document()).expect("JSON");
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let path = reference.split('"').next().expect("an end");
            assert!(document.pointer(path).is_some(), "{path}");
        }
        let ids: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
        assert!(text.contains("3.1.0"));
    }
}
