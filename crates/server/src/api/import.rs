//! Import and export as streams of JSON lines: any size, in constant memory.

use super::line::{Line, id_of, read};
use super::products::status_name;
use super::{Wait, wait};
use crate::jobs::{Handle, Job, JobState};
use crate::problem::{
    BAD_REQUEST, BODY_TOO_LARGE, PRODUCT_EXISTS, PRODUCT_NOT_FOUND, Problem, ProblemBody, TIMEOUT,
};
use crate::receive::{Params, kind, wrong_kind};
use crate::shapes::ProductSchema;
use crate::state::App;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{BufRead, Read};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use twinset_catalogue::{Mode, Outcome, Product, ProductPut, Status};
use twinset_engine::{Shop, Signal};
use twinset_photo::{PictureHash, without_metadata};
use utoipa::{IntoParams, ToSchema};

const NDJSON: &str = "application/x-ndjson";
/// Lines of one transaction, at most.
const BATCH_LINES: usize = 64;
/// Bytes of one transaction, about.
const BATCH_BYTES: usize = 4 << 20;

/// What an import does.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportParams {
    #[param(inline)]
    mode: ImportMode,
    /// Read and check everything, change nothing.
    dry_run: bool,
    /// As a job: the answer is 202, the job's result has the counts and the first failed lines.
    r#async: bool,
    /// `searchable`: the last line is answered when searches see everything.
    #[param(value_type = Option<String>)]
    wait: Option<Wait>,
    /// At most so long; 5000 if left out, 30000 at most.
    timeout_ms: Option<u64>,
}

/// What a line may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ImportMode {
    /// Make it, or change it.
    #[default]
    Upsert,
    /// Only make it.
    Create,
    /// Only change it.
    Update,
}

/// The answer to one line.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineAnswer {
    /// Counted from 1.
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// `created`, `updated`, `unchanged`, `deleted` or `failed`.
    status: &'static str,
    /// Everything up to this number is durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemBody>,
}

/// Import products, one JSON object a line.
///
/// The body is a stream of any size, compressed or not. Lines are written in transactions of a few; each is answered by
/// one line, in order, once it is durable. A line that cannot be kept is answered with `failed` and stops nothing.
/// A line is a product, and may also have `deleted: true`, `image_link`, `additional_image_link`, prices as text, and
/// `pictures` (base64 by image name). Read the answers while you send: after a million unread ones the server waits.
#[utoipa::path(
    post, path = "/v1/catalogues/{catalogue}/products:import", tag = "products", operation_id = "import_products",
    params(("catalogue" = String, Path), ImportParams),
    request_body(content = ProductSchema, content_type = "application/x-ndjson"),
    responses(
        (status = 200, body = LineAnswer, content_type = "application/x-ndjson"), (status = 202, body = Job), (status = 400, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 415, body = ProblemBody), (status = 422, body = ProblemBody),
    )
)]
pub(crate) async fn import(
    State(app): State<App>,
    Path(catalogue): Path<String>,
    Params(params): Params<ImportParams>,
    request: Request,
) -> Result<Response, Problem> {
    let kind = kind(request.headers());
    if !matches!(
        kind.as_str(),
        NDJSON | "application/ndjson" | "application/jsonl" | "application/jsonlines" | "application/json"
    ) {
        return Err(wrong_kind(&kind, NDJSON));
    }
    let state = app.clone();
    let name = catalogue.clone();
    app.store.run(move || state.shop(&name)).await?; // a missing catalogue is told before the body is read
    if params.r#async {
        let file = super::sources::spooled(request.into_body(), app.options.request_timeout).await?;
        return Ok(super::jobs::accepted(&in_background(app, catalogue, params, file)?).into_response());
    }
    // Room for about a million answers: a client that reads only after it has sent everything is served too.
    let (answers, stream) = mpsc::channel::<Bytes>(16_384);
    let body = request.into_body();
    let work = Import { app, catalogue, params, answers, batch: Vec::new(), batch_bytes: 0, line: 0 };
    tokio::spawn(tracing::Instrument::instrument(work.run(body), tracing::Span::current()));
    let stream = Body::from_stream(ReceiverStream::new(stream).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, NDJSON)], stream).into_response())
}

/// Failed lines told in the result of a job.
const FAILED_TOLD: usize = 1_000;

/// Imports a whole body as a job.
fn in_background(
    app: App,
    catalogue: String,
    params: ImportParams,
    file: std::fs::File,
) -> Result<Handle, Problem> {
    let total = file.metadata().map_or(0, |file| file.len());
    let handle = app.jobs.begin("import", Some(&catalogue), None, "bytes");
    let job = handle.clone();
    let work = move || {
        job.start();
        let done = import_file(&app, &catalogue, params, file, total, &job);
        job.update(|job| match done {
            Ok(state) => job.state = state,
            Err(problem) => {
                job.state = JobState::Failed;
                job.problem = Some(json!(problem.body(None)));
            }
        });
    };
    let spawned = std::thread::Builder::new().name("import".into()).spawn(work);
    spawned.map(|_| handle).map_err(|error| Problem::internal(&error))
}

fn import_file(
    app: &App,
    catalogue: &str,
    params: ImportParams,
    file: std::fs::File,
    total: u64,
    job: &Handle,
) -> Result<JobState, Problem> {
    let shop = app.shop(catalogue)?;
    let most = app.options.max_line_bytes as u64;
    let mut input = std::io::BufReader::with_capacity(1 << 16, file);
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    let (mut line, mut read, mut last) = (0, 0, None);
    loop {
        let mut batch: Vec<(u64, Result<Bytes, Problem>)> = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_LINES && bytes < BATCH_BYTES {
            let mut text = Vec::new();
            let taken = (&mut input)
                .take(most + 1)
                .read_until(b'\n', &mut text)
                .map_err(|e| Problem::internal(&e))?;
            if taken == 0 {
                break;
            }
            read += taken as u64;
            bytes += taken;
            line += 1;
            if taken as u64 > most && !text.ends_with(b"\n") {
                // The rest of it, wherever it ends.
                loop {
                    let rest = input.fill_buf().map_err(|e| Problem::internal(&e))?;
                    let end = rest.iter().position(|b| *b == b'\n');
                    let (used, over) =
                        (end.map_or(rest.len(), |at| at + 1), end.is_some() || rest.is_empty());
                    input.consume(used);
                    read += used as u64;
                    if over {
                        break;
                    }
                }
                batch.push((
                    line,
                    Err(Problem::new(&BODY_TOO_LARGE, format!("the line is longer than {most} bytes"))),
                ));
            } else if !text.trim_ascii().is_empty() {
                batch.push((line, Ok(text.trim_ascii().to_vec().into())));
            }
        }
        if batch.is_empty() && bytes == 0 {
            break;
        }
        for answer in apply(app, &shop, params, batch) {
            app.metrics.line(answer.status);
            *counts.entry(answer.status).or_default() += 1;
            last = last.max(answer.change);
            if answer.problem.is_some() && failed.len() < FAILED_TOLD {
                failed.push(answer);
            }
        }
        job.update(|job| {
            (job.progress.done, job.progress.total) = (read, total);
            job.counts = json!(counts);
        });
        loop {
            match job.signal() {
                Signal::Go => break,
                Signal::Stop => return Ok(JobState::Cancelled),
                Signal::Pause => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
    if let Some(change) = last {
        wait(&shop, change, params.wait, params.timeout_ms);
    }
    job.update(|job| job.result = json!({ "lines": line, "failed": failed, "change": last }));
    Ok(JobState::Succeeded)
}

struct Import {
    app: App,
    catalogue: String,
    params: ImportParams,
    answers: mpsc::Sender<Bytes>,
    /// Number and text of the lines of the next transaction.
    batch: Vec<(u64, Result<Bytes, Problem>)>,
    batch_bytes: usize,
    line: u64,
}

impl Import {
    /// Reads the body to its end, or until the client is gone. What was answered stays.
    async fn run(mut self, body: Body) {
        let idle = self.app.options.request_timeout;
        let mut body = body.into_data_stream();
        let mut rest: Vec<u8> = Vec::new();
        // A line beyond the limit is skipped without being kept.
        let mut skipping = false;
        loop {
            // Whatever has arrived is written as soon as nothing more is at hand: a slow sender gets its answers too.
            let next = match tokio::time::timeout(Duration::from_millis(50), body.next()).await {
                Ok(next) => next,
                Err(_) if !self.batch.is_empty() => {
                    if self.flush(false).await.is_err() {
                        return;
                    }
                    continue;
                }
                Err(_) => match tokio::time::timeout(idle, body.next()).await {
                    Ok(next) => next,
                    Err(_) => {
                        let problem =
                            Problem::new(&TIMEOUT, "nothing more arrived; lines answered so far are kept");
                        self.push(Err(problem));
                        let _ = self.flush(true).await;
                        return;
                    }
                },
            };
            let chunk = match next {
                None => break,
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => {
                    self.push(Err(Problem::new(&BAD_REQUEST, format!("the body ends in an error: {error}"))));
                    let _ = self.flush(true).await;
                    return;
                }
            };
            let mut chunk = &chunk[..];
            while let Some(end) = chunk.iter().position(|&b| b == b'\n') {
                if skipping {
                    skipping = false;
                } else if rest.len() + end > self.app.options.max_line_bytes {
                    self.too_long();
                } else {
                    rest.extend_from_slice(&chunk[..end]);
                    self.push(Ok(Bytes::from(std::mem::take(&mut rest))));
                }
                rest.clear();
                chunk = &chunk[end + 1..];
                if (self.batch.len() >= BATCH_LINES || self.batch_bytes >= BATCH_BYTES)
                    && self.flush(false).await.is_err()
                {
                    return;
                }
            }
            if !skipping {
                rest.extend_from_slice(chunk);
                if rest.len() > self.app.options.max_line_bytes {
                    self.too_long();
                    (rest, skipping) = (Vec::new(), true);
                }
            }
        }
        if !rest.is_empty() {
            self.push(Ok(rest.into()));
        }
        let _ = self.flush(true).await;
    }

    fn push(&mut self, line: Result<Bytes, Problem>) {
        self.line += 1;
        // A blank line is a line (numbers stay those of the file) and no product.
        if line.as_ref().is_ok_and(|line| line.trim_ascii().is_empty()) {
            return;
        }
        self.batch_bytes += line.as_ref().map_or(0, Bytes::len);
        self.batch.push((self.line, line));
    }

    fn too_long(&mut self) {
        let most = self.app.options.max_line_bytes;
        self.push(Err(Problem::new(&BODY_TOO_LARGE, format!("the line is longer than {most} bytes"))));
    }

    /// Writes what is waiting and answers it. `Err`: nobody listens any more.
    async fn flush(&mut self, last: bool) -> Result<(), ()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let (app, params, catalogue) = (self.app.clone(), self.params, self.catalogue.clone());
        let numbers: Vec<u64> = lines.iter().map(|(number, _)| *number).collect();
        let work = move || {
            let shop = app.shop(&catalogue)?;
            let answers = apply(&app, &shop, params, lines);
            if let (true, Some(change)) = (last, answers.iter().filter_map(|answer| answer.change).max()) {
                wait(&shop, change, params.wait, params.timeout_ms);
            }
            Ok::<_, Problem>(answers)
        };
        // An import waits for its turn instead of being refused half way.
        let answers = loop {
            match self.app.store.run(work.clone()).await {
                Err(problem) if problem.code() == &crate::problem::BUSY => {
                    tokio::time::sleep(Duration::from_millis(200)).await
                }
                other => break other,
            }
        };
        let answers = answers.unwrap_or_else(|problem| {
            let failed = |line| LineAnswer {
                line,
                id: None,
                status: "failed",
                change: None,
                problem: Some(problem.body(None)),
            };
            numbers.into_iter().map(failed).collect()
        });
        let mut text = Vec::with_capacity(answers.len() * 80);
        for answer in &answers {
            self.app.metrics.line(answer.status);
            let _ = serde_json::to_writer(&mut text, answer);
            text.push(b'\n');
        }
        self.answers.send(text.into()).await.map_err(|_| ())
    }
}

/// Blocking: one transaction for the puts and one for the removals between them, in the order of the lines.
fn apply(
    app: &App,
    shop: &Shop,
    params: ImportParams,
    lines: Vec<(u64, Result<Bytes, Problem>)>,
) -> Vec<LineAnswer> {
    let mode = match params.mode {
        ImportMode::Upsert => Mode::Upsert,
        ImportMode::Create => Mode::Create,
        ImportMode::Update => Mode::Update,
    };
    let failed = |line: u64, id: Option<String>, problem: Problem| LineAnswer {
        line,
        id,
        status: "failed",
        change: None,
        problem: Some(problem.body(None)),
    };
    let mut answers: Vec<Option<LineAnswer>> = Vec::with_capacity(lines.len());
    let mut run: Vec<(usize, u64, Line)> = Vec::new();
    for (line, text) in lines {
        let read = text.and_then(|text| {
            read(app, &text, mode).map_err(|problem| (problem, id_of(&text))).map_err(|(problem, id)| {
                answers.push(Some(failed(line, id, problem.clone())));
                problem
            })
        });
        match read {
            Ok(asked) => {
                run.push((answers.len(), line, asked));
                answers.push(None);
            }
            // Unless the text itself was refused, its answer has been pushed above.
            Err(problem)
                if answers.last().and_then(Option::as_ref).is_none_or(|answer| answer.line != line) =>
            {
                answers.push(Some(failed(line, None, problem)));
            }
            Err(_) => {}
        }
    }
    let lock = app.writers(shop);
    let _shared = lock.read();
    let mut run = run.into_iter().peekable();
    while let Some(first) = run.next() {
        // Neighbours of one kind share a transaction; a removal after a put of the same id must stay after it.
        let removal = matches!(first.2, Line::Remove(_));
        let mut group = vec![first];
        while let Some(next) = run.next_if(|(_, _, line)| matches!(line, Line::Remove(_)) == removal) {
            group.push(next);
        }
        let places: Vec<(usize, u64)> = group.iter().map(|(at, line, _)| (*at, *line)).collect();
        let ids: Vec<String> = group
            .iter()
            .map(|(_, _, line)| match line {
                Line::Put(put) => put.product.id.clone(),
                Line::Remove(id) => id.clone(),
            })
            .collect();
        let outcomes = if params.dry_run {
            group.iter().map(|(_, _, line)| preview(shop, line)).collect()
        } else if removal {
            shop.remove(&ids).map_err(Problem::from)
        } else {
            let puts: Vec<ProductPut> = group
                .into_iter()
                .filter_map(|(_, _, line)| match line {
                    Line::Put(put) => Some(*put),
                    Line::Remove(_) => None,
                })
                .collect();
            shop.put(puts).map_err(Problem::from)
        };
        match outcomes {
            Ok(outcomes) => {
                for ((at, line), outcome) in places.into_iter().zip(outcomes) {
                    answers[at] = Some(answer(line, outcome, removal));
                }
            }
            Err(problem) => {
                for ((at, line), id) in places.into_iter().zip(ids) {
                    answers[at] = Some(failed(line, Some(id), problem.clone()));
                }
            }
        }
    }
    answers.into_iter().flatten().collect()
}

fn answer(line: u64, outcome: Outcome, removal: bool) -> LineAnswer {
    let problem = match outcome.status {
        Status::Exists => {
            Some(Problem::new(&PRODUCT_EXISTS, format!("there is a product '{}' already", outcome.id)))
        }
        Status::Absent if !removal => {
            Some(Problem::new(&PRODUCT_NOT_FOUND, format!("there is no product '{}' to update", outcome.id)))
        }
        _ => None,
    };
    let status = match (&problem, outcome.status) {
        (Some(_), _) => "failed",
        (None, Status::Absent) => "unchanged", // removing what is not there
        (None, status) => status_name(status),
    };
    LineAnswer {
        line,
        id: Some(outcome.id),
        status,
        change: outcome.seq,
        problem: problem.map(|problem| problem.body(None)),
    }
}

/// What a line would do.
fn preview(shop: &Shop, line: &Line) -> Result<Outcome, Problem> {
    let (id, status) = match line {
        Line::Remove(id) => {
            (id, if shop.catalogue().get(id)?.is_some() { Status::Deleted } else { Status::Absent })
        }
        Line::Put(put) => {
            let status = match (shop.catalogue().get(put.product.id.trim())?, put.mode) {
                (Some(_), Mode::Create) => Status::Exists,
                (None, Mode::Update) => Status::Absent,
                (None, _) => Status::Created,
                (Some(now), _) if same(&now, put) => Status::Unchanged,
                (Some(_), _) => Status::Updated,
            };
            (&put.product.id, status)
        }
    };
    Ok(Outcome { id: id.clone(), seq: None, status })
}

fn same(now: &Product, put: &ProductPut) -> bool {
    let mut wanted = put.product.clone();
    for image in &mut wanted.images {
        let given = put.pictures.iter().find(|(name, _)| *name == image.name);
        let kept = now.images.iter().find(|old| old.name == image.name).and_then(|old| old.picture);
        image.picture =
            given.map(|(_, bytes)| PictureHash::of(&without_metadata(bytes))).or(image.picture).or(kept);
    }
    *now == wanted
}

/// Export all products, one JSON object a line, as they were at one moment.
///
/// Importing an export changes nothing. Pictures are named by hash, their bytes are not in it.
#[utoipa::path(
    get, path = "/v1/catalogues/{catalogue}/products:export", tag = "products", operation_id = "export_products", params(("catalogue" = String, Path)),
    responses((status = 200, body = ProductSchema, content_type = "application/x-ndjson"), (status = 404, body = ProblemBody))
)]
pub(crate) async fn export(
    State(app): State<App>,
    Path(catalogue): Path<String>,
) -> Result<Response, Problem> {
    let state = app.clone();
    let shop = app.store.run(move || state.shop(&catalogue)).await?;
    // Read transactions are short of nothing but a thread: a slow reader holds one, so it is not a slot of the store.
    let (send, receive) = mpsc::channel::<Bytes>(16);
    let (failed, failure) = mpsc::unbounded_channel::<std::io::Error>();
    tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        let outcome = shop.catalogue().export(&mut |product| {
            let _ = serde_json::to_writer(&mut text, &product);
            text.push(b'\n');
            text.len() < 64 << 10 || send.blocking_send(std::mem::take(&mut text).into()).is_ok()
        });
        match outcome {
            Ok(()) => drop(send.blocking_send(text.into())),
            // The answer breaks off, so that nobody takes a part for the whole.
            Err(error) => drop(failed.send(std::io::Error::other(error.to_string()))),
        }
    });
    let stream = ReceiverStream::new(receive).map(Ok).chain(UnboundedReceiverStream::new(failure).map(Err));
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(stream)).into_response())
}
