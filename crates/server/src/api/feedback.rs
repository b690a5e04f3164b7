//! Feedback: what shoppers did with the results, and its export for training.

use crate::feedback::{Event, Exported, Fate};
use crate::problem::{INVALID_VALUE, Problem, ProblemBody};
use crate::receive::{Params, body, is_json, json, kind, wrong_kind};
use crate::state::App;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

/// Events of one call.
pub(crate) const MOST_EVENTS: usize = 100;
/// Characters of each text of an event.
const TEXT: usize = 256;
const AT_ONCE: usize = 1000;

/// What happened.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"events": [{"kind": "click", "search": "01K9ZK5Q3W8V7N2M4R6T8Y0B1C", "product": "MT-101-S", "rank": 1, "user": "visitor-7"}]}))]
pub(crate) struct FeedbackEvents {
    /// 1 to 100.
    events: Vec<Event>,
}

/// Tell what shoppers did with results.
///
/// Clicks and judgements, up to 100 at once. What one user can add is limited, see `capped` and `repeated`.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/feedback", tag = "feedback", operation_id = "send_feedback",
    params(("catalogue" = String, Path)),
    request_body(content = FeedbackEvents),
    responses((status = 202, body = Fate), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody))
)]
pub(crate) async fn send(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Fate>), Problem> {
    let kind = kind(request.headers());
    // `navigator.sendBeacon` cannot say more than text/plain, and pages send clicks with it.
    if !is_json(&kind) && kind != "text/plain" {
        return Err(wrong_kind(&kind, "application/json"));
    }
    let FeedbackEvents { events } = json(&body(request).await?)?;
    if !(1..=MOST_EVENTS).contains(&events.len()) {
        return Err(Problem::new(
            &INVALID_VALUE,
            format!("there are {} events, 1 to {MOST_EVENTS} are taken", events.len()),
        )
        .at("/events"));
    }
    for (at, event) in events.iter().enumerate() {
        let texts = [
            ("search", Some(&event.search)),
            ("product", Some(&event.product)),
            ("image", event.image.as_ref()),
            ("user", event.user.as_ref()),
        ];
        for (member, text) in texts {
            if text.is_some_and(|text| text.is_empty() || text.chars().count() > TEXT) {
                return Err(Problem::new(&INVALID_VALUE, format!("{member} has 1 to {TEXT} characters"))
                    .at(format!("/events/{at}/{member}")));
            }
        }
    }
    let state = app.clone();
    let work = move || {
        let shop = state.shop(&catalogue)?;
        if shop.catalogue().settings().feedback == Some(false) {
            return Err(super::unsupported(
                "this catalogue takes no feedback; its setting `feedback` says so",
            ));
        }
        let asked = |event: Event| {
            let asked = state.searches.of(&event.search, shop.name().as_str());
            (event, asked)
        };
        let events: Vec<_> = events.into_iter().map(asked).collect();
        Ok::<_, Problem>(state.feedback(&shop)?.add(&events, shop.catalogue().settings().retention_days)?)
    };
    let fate = app.store.run(work).await?;
    for (name, events) in [("accepted", fate.accepted), ("repeated", fate.repeated), ("capped", fate.capped)]
    {
        app.metrics.feedback(name, events);
    }
    Ok((StatusCode::ACCEPTED, Json(fate)))
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// Only events after this number.
    after: u64,
}

/// Export feedback, one event a line, in the form that training reads.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/feedback", tag = "feedback", operation_id = "export_feedback",
    params(("catalogue" = String, Path), ExportParams),
    responses((status = 200, body = Exported, content_type = "application/x-ndjson"), (status = 400, body = ProblemBody), (status = 404, body = ProblemBody))
)]
pub(crate) async fn export(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let state = app.clone();
    let feedback = app
        .store
        .run(move || {
            let shop = state.shop(&catalogue)?;
            state.feedback(&shop)
        })
        .await?;
    let (send, receive) = mpsc::channel::<Bytes>(4);
    tokio::spawn(async move {
        let mut after = params.after;
        loop {
            let (feedback, from) = (feedback.clone(), after);
            let part = tokio::task::spawn_blocking(move || feedback.export(from, AT_ONCE)).await;
            let Ok(Ok(part)) = part else {
                tracing::error!("feedback cannot be read to its end");
                return;
            };
            let Some(last) = part.last().map(Exported::number) else { return };
            after = last;
            let mut text = Vec::new();
            for event in &part {
                let _ = serde_json::to_writer(&mut text, event);
                text.push(b'\n');
            }
            if send.send(text.into()).await.is_err() {
                return;
            }
        }
    });
    let stream = Body::from_stream(ReceiverStream::new(receive).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], stream).into_response())
}
