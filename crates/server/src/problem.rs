//! Every failure as `application/problem+json` (RFC 9457), with a stable code and a page that says what to do.

use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use twinset_catalogue::{CatalogueError, FilterError};
use twinset_engine::EngineError;
use twinset_nets::NetError;
use twinset_photo::{Fault, PhotoError};
use utoipa::ToSchema;

/// A documented kind of failure.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Stable, as in the member `code`; with `-` for `_` it names the page under `/problems/`.
    pub name: &'static str,
    /// The status it comes with.
    pub status: u16,
    /// The same request may succeed later.
    pub retryable: bool,
    /// One line.
    pub title: &'static str,
    /// What to do next.
    pub next: &'static str,
}

macro_rules! codes {
    ($($constant:ident $name:literal $status:literal $retryable:literal, $title:literal, $next:literal;)*) => {
        $(pub(crate) const $constant: Code =
            Code { name: $name, status: $status, retryable: $retryable, title: $title, next: $next };)*
        /// Every kind of failure that the API answers with.
        pub const CODES: &[Code] = &[$($constant),*];
    };
}

codes! {
    BAD_REQUEST "bad_request" 400 false, "The request cannot be read",
        "`errors` names the member or parameter. Members that the API does not know are refused too, since a typing error must not pass in silence.";
    FILTER_SYNTAX "filter_syntax" 400 false, "The filter cannot be read",
        "`detail` tells the column and what was expected there. Texts stand in single quotes: `color in ('red','navy') and price < 100`.";
    UNAUTHORIZED "unauthorized" 401 false, "A key is needed",
        "Send `authorization: Bearer tw_...` or `x-api-key: tw_...`. The operator makes keys with `twinset keys create`.";
    FORBIDDEN "forbidden" 403 false, "This key may not do that",
        "Use a key that has the right which `detail` names. `twinset keys list` shows what each key may do.";
    CROSS_ORIGIN "cross_origin" 403 false, "This web page may not change anything here",
        "The request came from a page of another site. The operator can allow that site by its origin, in the key (`--origin`) or for all (`cors_origins`).";
    NOT_FOUND "not_found" 404 false, "There is nothing at this address",
        "All addresses are listed in /docs.";
    CATALOGUE_NOT_FOUND "catalogue_not_found" 404 false, "There is no such catalogue",
        "List them with GET /v1/catalogues, or create this one with PUT.";
    PRODUCT_NOT_FOUND "product_not_found" 404 false, "There is no such product",
        "Ids are kept exactly, upper and lower case matter. In an address they are percent-encoded.";
    IMAGE_NOT_FOUND "image_not_found" 404 false, "There is no such image",
        "The product lists its images by name; one that has only a `url` has no picture stored yet.";
    EXAMPLE_NOT_FOUND "example_not_found" 404 false, "There is no such example photo",
        "List them with GET /v1/catalogues/{catalogue}/examples.";
    KEY_NOT_FOUND "key_not_found" 404 false, "There is no such key",
        "List them with GET /v1/keys. A key is named by its id, the part before its secret.";
    UPLOAD_NOT_FOUND "upload_not_found" 404 false, "There is no such upload",
        "Photos that were sent ahead are kept for the time that /version lists, and belong to the key that sent them. Send the photo again.";
    FINDING_NOT_FOUND "finding_not_found" 404 false, "There is no such finding",
        "List them with GET /v1/catalogues/{catalogue}/findings; those of an audit before the last are gone unless somebody decided about them.";
    MODEL_NOT_FOUND "model_not_found" 404 false, "There is no such model",
        "List them with GET /v1/models; `twinset model import` keeps a package in the home.";
    BODY_STALLED "body_stalled" 408 true, "The body came too slowly",
        "Send it again over a steady connection; the limits are listed at /version.";
    IDEMPOTENCY_RUNNING "idempotency_running" 409 true, "The first request is still running",
        "Wait for its answer, then send this one again to have the same.";
    SOURCE_NOT_FOUND "source_not_found" 404 false, "There is no such source",
        "List them with GET /v1/catalogues/{catalogue}/sources, or make this one with PUT.";
    JOB_NOT_FOUND "job_not_found" 404 false, "There is no such job",
        "List them with GET /v1/jobs. Jobs are remembered as long as the server runs; runs of a source are kept with the source.";
    EVALUATION_NOT_FOUND "evaluation_not_found" 404 false, "There is no such evaluation",
        "List them with GET /v1/evaluations.";
    RUN_NOT_FOUND "run_not_found" 404 false, "There is no such training run",
        "List them with GET /v1/runs; those of this server lie under `runs` in its home.";
    METHOD_NOT_ALLOWED "method_not_allowed" 405 false, "This address does not know this method",
        "The header `allow` lists those that it knows.";
    CONFLICT "already_running" 409 true, "That is being done already",
        "`detail` names the job. Wait for it, or cancel it.";
    PRODUCT_EXISTS "product_exists" 409 false, "The product exists already",
        "Import with mode=upsert or mode=update, or choose another id.";
    CATALOGUE_REMOVED "catalogue_removed" 410 false, "The catalogue has been removed",
        "It was removed while this request was under way.";
    CHANGED_MEANWHILE "changed_meanwhile" 412 false, "The resource is not the one in if-match",
        "Read it again, apply your change to what it is now, and send the new `etag`.";
    BODY_TOO_LARGE "body_too_large" 413 false, "The body is too large",
        "The limits are listed at /version. Many products go through products:import, which has none.";
    PICTURE_TOO_LARGE "picture_too_large" 413 false, "The picture is too large",
        "Send a smaller one; 1,280 pixels on the long side are as good for the search as any more.";
    PICTURE_FORMAT "picture_format" 415 false, "This is not a picture that is read here",
        "Send JPEG, PNG, WebP or GIF.";
    CONTENT_TYPE "content_type" 415 false, "The body is of a kind that is not read here",
        "Set `content-type` to what the body is; /docs lists the kinds for each address.";
    PICTURE_NOT_FETCHED "picture_not_fetched" 422 false, "The picture could not be fetched from its address",
        "`detail` says why. Send the picture itself, as base64 or as the body; that needs no address at all.";
    PICTURE_UNREADABLE "picture_unreadable" 422 false, "The picture cannot be read",
        "It is damaged, cut short, or of a rare variant. Open it in a picture editor and save it anew.";
    MODEL_FAILED "model_failed" 422 false, "The model in use failed on this",
        "Another photo or other words may do. The log of the server says why; the operator can take another model into use, or go back to the one before.";
    SYNC_FAILED "sync_failed" 422 false, "The feed could not be synced",
        "`detail` says why. What was written before stays; the next run goes on from there.";
    TRAINING_FAILED "training_failed" 422 false, "The training came to nothing",
        "`detail` says why: too few products with pictures, or a model that was not better on held-out products. What answers now goes on answering.";
    INVALID_PRODUCT "invalid_product" 422 false, "The product cannot be kept as it is",
        "`detail` names the member at fault and its limit.";
    INVALID_VALUE "invalid_value" 422 false, "A value is out of its range",
        "`detail` names the member, its value and the range.";
    NO_PICTURE "no_picture" 422 false, "The product has no stored picture",
        "Put the bytes of one of its images first.";
    IDEMPOTENCY_MISMATCH "idempotency_mismatch" 422 false, "The idempotency-key belongs to another request",
        "Use a new key for a new request; the same one only to repeat a request as it was.";
    UNSUPPORTED "unsupported" 422 false, "This server cannot do that",
        "`detail` says what was asked for and what works instead.";
    PRECONDITION_REQUIRED "precondition_required" 428 false, "This catalogue wants if-match",
        "Read the resource, and send its `etag` as `if-match` with the change. The catalogue's setting `require_if_match` asks for it.";
    RATE_LIMITED "rate_limited" 429 true, "This key is used too often",
        "Wait as long as `retry-after` says. The header `ratelimit` tells with every answer what is left.";
    TIMEOUT "timeout" 503 true, "The request took too long",
        "Try again in a moment, or ask for less at once.";
    BUSY "busy" 503 true, "The server is busy",
        "Wait as long as `retry-after` says, then try again.";
    UPLOADS_FULL "uploads_full" 503 true, "There is no room for more photos sent ahead",
        "Remove those that are done with (DELETE /v1/uploads/{upload}), wait as long as `retry-after` says, or send the photo with the request itself.";
    SNAPSHOT_NOT_REACHED "snapshot_not_reached" 503 true, "The change asked for is not searchable yet",
        "Try again in a moment. A new picture takes about as long as a search; after a large import there is a queue.";
    STORAGE_FULL "storage_full" 507 true, "The disk is full",
        "Nothing of this write was kept, and searches go on. Free some space, then write again.";
    INTERNAL "internal" 500 true, "That did not work",
        "It is our fault. The log has more under the id in `instance` and in the header `x-request-id`.";
}

/// One failure, ready to be sent.
#[derive(Clone, Debug)]
pub struct Problem {
    code: &'static Code,
    detail: String,
    errors: Vec<Pointer>,
    retry_after_s: Option<u64>,
}

/// A member at fault.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Pointer {
    /// JSON pointer (RFC 6901) into the body, or the name of a parameter.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) detail: String,
}

/// A failure (RFC 9457). `code` is stable; `type` is a page that says what to do next.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Address of the page about this kind of failure.
    #[schema(example = "/problems/filter-syntax")]
    r#type: String,
    /// One line about this kind of failure.
    title: String,
    /// The HTTP status.
    status: u16,
    /// The facts of this failure.
    detail: String,
    /// This request: what the operator finds it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Stable name of this kind of failure.
    #[schema(example = "filter_syntax")]
    code: String,
    /// The members at fault, where they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Pointer>,
    /// The same request may succeed later.
    retryable: bool,
}

impl Problem {
    /// `detail`: the facts, then the next step, without personal data.
    pub(crate) fn new(code: &'static Code, detail: impl Into<String>) -> Self {
        let retry_after_s = code.retryable.then_some(1);
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after_s }
    }

    /// When the same request may succeed; in whole seconds, at least one.
    pub(crate) fn retry_after(mut self, wait: std::time::Duration) -> Self {
        self.retry_after_s = Some((wait.as_secs_f64().ceil() as u64).clamp(1, 3600));
        self
    }

    pub(crate) fn at(mut self, pointer: impl Into<String>) -> Self {
        self.errors.push(Pointer { pointer: pointer.into(), detail: self.detail.clone() });
        self
    }

    /// Which kind of failure.
    #[must_use]
    pub fn code(&self) -> &'static Code {
        self.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn body(&self, request: Option<&str>) -> ProblemBody {
        ProblemBody {
            r#type: format!("/problems/{}", self.code.name.replace('_', "-")),
            title: self.code.title.into(),
            status: self.code.status,
            detail: self.detail.clone(),
            instance: request.map(|id| format!("/v1/requests/{id}")),
            code: self.code.name.into(),
            errors: self.errors.clone(),
            retryable: self.code.retryable,
        }
    }

    /// As an answer; `guard` calls it with the request's id.
    pub(crate) fn response(&self, request: Option<&str>) -> Response {
        let body = serde_json::to_vec(&self.body(request)).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
        let mut response = (self.status(), kind, body).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == &UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"twinset\""));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.response(None);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<PhotoError> for Problem {
    fn from(error: PhotoError) -> Self {
        let code = match error.fault() {
            Fault::Picture if matches!(error, PhotoError::NotAPicture | PhotoError::OtherFormat { .. }) => {
                &PICTURE_FORMAT
            }
            Fault::Picture => &PICTURE_UNREADABLE,
            Fault::Limit => &PICTURE_TOO_LARGE,
            Fault::Machine => &BUSY,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(what) => Self::new(&INVALID_VALUE, what),
            other => Self::internal(&other),
        }
    }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        Self::new(&FILTER_SYNTAX, error.to_string()).at("/filter")
    }
}

impl From<CatalogueError> for Problem {
    fn from(error: CatalogueError) -> Self {
        use CatalogueError as E;
        match &error {
            E::InvalidProduct(fault) => {
                Self::new(&INVALID_PRODUCT, fault.to_string()).at(format!("/{}", fault.field))
            }
            E::InvalidName { .. } => Self::new(&INVALID_VALUE, error.to_string()),
            // The message of the catalogue names the folder, which is no business of a caller.
            E::NoSuchCatalogue { name, .. } => {
                Self::new(&CATALOGUE_NOT_FOUND, format!("there is no catalogue '{name}'"))
            }
            E::Removed { name } => {
                Self::new(&CATALOGUE_REMOVED, format!("catalogue '{name}' has been removed"))
            }
            E::DiskFull { .. } => {
                Self::new(&STORAGE_FULL, "the disk is full; nothing of this write was kept")
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        use EngineError as E;
        match error {
            E::Photo(error) => error.into(),
            E::Catalogue(error) => error.into(),
            E::BadRegion { .. } => Self::new(&INVALID_VALUE, error.to_string()).at("/region"),
            E::BadRequest { field, .. } => {
                Self::new(&INVALID_VALUE, error.to_string()).at(format!("/{field}"))
            }
            E::NoSuchProduct { .. } => Self::new(&PRODUCT_NOT_FOUND, error.to_string()),
            E::NoPicture { .. } => Self::new(&NO_PICTURE, error.to_string()),
            E::NotYetSearchable { .. } => Self::new(&SNAPSHOT_NOT_REACHED, error.to_string()),
            E::NoSuchModel { .. } => Self::new(&MODEL_NOT_FOUND, error.to_string()),
            E::ReadsNoWords => Self::new(&UNSUPPORTED, error.to_string()).at("/text"),
            E::SameModels | E::NoEarlierModels => Self::new(&INVALID_VALUE, error.to_string()),
            E::GenerationBusy => Self::new(&BUSY, error.to_string()),
            E::Closed => Self::new(&BUSY, error.to_string()),
            E::SyncRuns { .. } => Self::new(&CONFLICT, error.to_string()),
            E::Feed(_) | E::Fetch(_) => Self::new(&SYNC_FAILED, error.to_string()),
            E::Model(NetError::Failed { on, .. }) => {
                // The reason may name files of this machine.
                tracing::error!(%error, "a brought model failed");
                Self::new(&MODEL_FAILED, format!("the model in use failed on this {on}; the log says why"))
            }
            E::Index(_) | E::Model(_) | E::Disk { .. } => Self::internal(&error),
        }
    }
}

impl Problem {
    /// What happened goes to the log, not to the caller: it may name folders and files.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, "a request failed");
        Self::new(&INTERNAL, "the server could not do this; its log says why")
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES, Problem};
    use twinset_photo::PhotoError;

    /// A picture that is late because the machine is busy may be sent again; one that computes for ever may not.
    #[test]
    fn late_on_a_busy_machine_is_busy_and_a_bomb_is_too_large() {
        let told = |error: PhotoError| {
            let problem = Problem::from(error);
            (problem.code.name, problem.code.status, problem.code.retryable, problem.retry_after_s)
        };
        let starved = PhotoError::Starved { waited_ms: 10_000, limit_ms: 2000 };
        assert_eq!(told(starved), ("busy", 503, true, Some(1)));
        assert_eq!(told(PhotoError::TimedOut { limit_ms: 2000 }), ("picture_too_large", 413, false, None));
    }

    #[test]
    fn codes_are_unique_and_documented() {
        for (at, code) in CODES.iter().enumerate() {
            assert!(CODES[..at].iter().all(|other| other.name != code.name), "{} twice", code.name);
            assert!(code.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", code.name);
            assert!((400..600).contains(&code.status) && !code.title.is_empty() && !code.next.is_empty());
        }
    }
}
