//! One table each from the kinds of errors to HTTP and gRPC status codes, and how an error is told.

use crate::app::{Error, Kind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dkron_core::command::Refusal;
use dkron_wire::WireError;
use dkron_wire::operator::KIND;

/// The status code of a kind of error. Where Dkron has one that clients depend on, it is that.
fn code(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::NotFound | Kind::ParentNotFound => StatusCode::NOT_FOUND,
        Kind::Changed => StatusCode::PRECONDITION_FAILED,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Paused | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Unknown => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
    }
}

/// The gRPC code of a kind of error. The kind itself goes along as a metadatum: two kinds may have one code.
fn grpc_code(kind: Kind) -> tonic::Code {
    match kind {
        Kind::Invalid => tonic::Code::InvalidArgument,
        Kind::NotFound | Kind::ParentNotFound => tonic::Code::NotFound,
        Kind::Changed => tonic::Code::Aborted,
        Kind::Conflict => tonic::Code::FailedPrecondition,
        Kind::TooLarge => tonic::Code::ResourceExhausted,
        Kind::Paused | Kind::Unavailable => tonic::Code::Unavailable,
        Kind::Unknown => tonic::Code::DeadlineExceeded,
        Kind::Internal => tonic::Code::Internal,
        Kind::Unauthenticated => tonic::Code::Unauthenticated,
        Kind::Forbidden => tonic::Code::PermissionDenied,
    }
}

/// An error as a gRPC status.
pub(super) fn grpc_status(error: &Error) -> tonic::Status {
    if error.kind() == Kind::Internal {
        tracing::error!(%error, "a call failed");
    }
    let mut status = tonic::Status::new(grpc_code(error.kind()), error.to_string());
    status.metadata_mut().insert(KIND, error.kind().number().into());
    status
}

/// A message that cannot be understood.
pub(super) fn unreadable(error: WireError) -> tonic::Status {
    tonic::Status::invalid_argument(error.to_string())
}

/// An answer that is not what was asked for: a status and a sentence.
#[derive(Debug)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) String);

impl Problem {
    /// The client's mistake, told by field, value and what is allowed.
    pub(super) fn bad_request(message: impl Into<String>) -> Problem {
        Problem(StatusCode::BAD_REQUEST, message.into())
    }
}

impl Problem {
    /// As Dkron where its clients know no other answer: a parent that has dependents and a disabled job that is to
    /// be run are 404 there. What is wrong stands in the body.
    pub(super) fn as_dkron(error: Error) -> Problem {
        match error.refusal() {
            Some(Refusal::HasDependents(_) | Refusal::Disabled(_)) => {
                Problem(StatusCode::NOT_FOUND, error.to_string())
            }
            _ => error.into(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        if error.kind() == Kind::Internal {
            tracing::error!(%error, "a request failed");
        }
        Problem(code(error.kind()), error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        let mut response = (self.0, [(header::CONTENT_TYPE, text)], self.1).into_response();
        if self.0 == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
