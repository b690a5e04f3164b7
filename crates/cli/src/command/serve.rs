//! `twinset serve`

use crate::args::Serve;
use crate::failure::{Done, WrongUse};
use crate::ui::Ui;
use crate::{interrupt, session};
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use twinset_engine::{Decoder, Engine, Goal, Options};
use twinset_photo::worker::{DecodePool, PoolSettings, this_exe};
use twinset_server::{Origin, ServerOptions, Setting, TlsFiles, guarded, serve_on};

/// The file of `--config`. Everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    listen: Option<SocketAddr>,
    home: Option<PathBuf>,
    /// Web sites whose pages may call the API from a browser.
    cors_origins: Vec<String>,
    /// Certificate and key; left out: plain HTTP.
    tls: Option<ConfigTls>,
    /// One of so many searches is also answered exactly, to measure the index; 0: none.
    recall_sample: Option<u32>,
    /// Networks that feeds and their pictures may be fetched from although they are not public.
    allow_nets: Vec<String>,
    /// Threads that look at new pictures; 0: one a core.
    threads: usize,
    limits: ConfigLimits,
    index: ConfigIndex,
}

/// What searches of catalogues aim at that say nothing of it themselves: one of the two.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigIndex {
    recall: Option<f64>,
    index_ms: Option<f64>,
    /// Megabytes of memory that the index of each catalogue may take.
    memory_mb: Option<u64>,
}

impl ConfigIndex {
    fn goal(&self) -> anyhow::Result<Goal> {
        let goal = match (self.recall, self.index_ms) {
            (None, None) => Goal::default(),
            (Some(recall), None) => Goal::Recall(recall),
            (None, Some(ms)) => Goal::LatencyMs(ms),
            (Some(_), Some(_)) => {
                return Err(WrongUse("[index]: give recall or index_ms, not both".into()).into());
            }
        };
        goal.check().map_err(|e| WrongUse(format!("[index]: {e}")).into())
    }
}

/// PEM files, relative to where the server is started.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigTls {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigLimits {
    picture_bytes: Option<usize>,
    picture_pixels: Option<u64>,
    decode_memory_bytes: Option<u64>,
    decode_time_ms: Option<u64>,
    body_bytes: Option<usize>,
    line_bytes: Option<usize>,
    results: Option<usize>,
    regions: Option<usize>,
    all_uploads_bytes: Option<usize>,
    upload_ms: Option<u64>,
    request_timeout_ms: Option<u64>,
    stall_ms: Option<u64>,
    connections: Option<usize>,
    all_bodies_bytes: Option<usize>,
    vision_slots: Option<usize>,
    queue: Option<usize>,
}

pub(crate) fn run(args: &Serve, home: Option<&Path>, ui: &Ui) -> anyhow::Result<Done> {
    let (config, written) = args.config.as_deref().map(read).transpose()?.unwrap_or_else(nothing);
    let told = home;
    let home = session::home(home.or(config.home.as_deref()))?;
    let mut server = ServerOptions::default();
    if let Some(listen) = args.listen.or(config.listen) {
        server.listen = listen;
    }
    server.cors_origins = config.cors_origins;
    server.tls = config.tls.map(|tls| TlsFiles { cert: tls.cert, key: tls.key });
    set(&mut server.recall_sample, config.recall_sample);
    for net in &config.allow_nets {
        server.allow_nets.push(net.parse().map_err(|e| WrongUse(format!("allow_nets: {e}")))?);
    }
    let limits = &config.limits;
    let mut decoding = PoolSettings::default();
    set(&mut server.max_picture_bytes, limits.picture_bytes);
    set(&mut server.max_body_bytes, limits.body_bytes);
    set(&mut server.max_line_bytes, limits.line_bytes);
    set(&mut server.max_results, limits.results);
    set(&mut server.max_regions, limits.regions);
    set(&mut server.uploads_bytes, limits.all_uploads_bytes);
    set(&mut server.upload_time, limits.upload_ms.map(Duration::from_millis));
    set(&mut server.request_timeout, limits.request_timeout_ms.map(Duration::from_millis));
    set(&mut server.patience, limits.stall_ms.map(Duration::from_millis));
    set(&mut server.max_connections, limits.connections);
    set(&mut server.body_budget_bytes, limits.all_bodies_bytes);
    set(&mut server.vision_slots, limits.vision_slots);
    set(&mut server.queue, limits.queue);
    set(&mut decoding.limits.max_bytes, limits.picture_bytes.map(|bytes| bytes as u64));
    set(&mut decoding.limits.max_pixels, limits.picture_pixels);
    set(&mut decoding.limits.max_memory_bytes, limits.decode_memory_bytes);
    set(&mut decoding.time_limit, limits.decode_time_ms.map(Duration::from_millis));

    let (goal, index_memory_mb) = (config.index.goal()?, config.index.memory_mb);
    let chosen = |name: &str| match name {
        "listen" if args.listen.is_some() => Some(Origin::Argument),
        "home" if told.is_some() => Some(match std::env::var_os("TWINSET_HOME") {
            Some(place) if told == Some(Path::new(&place)) => Origin::Environment,
            _ => Origin::Argument,
        }),
        _ => None,
    };
    let source = |name: &str| {
        let file = || name.split('.').try_fold(&written, |at, part| at.get(part)).map(|_| Origin::File);
        chosen(name).or_else(file).unwrap_or(Origin::Default)
    };
    let read = Read {
        nets: &config.allow_nets,
        decoding: &decoding,
        goal,
        index_memory_mb,
        threads: config.threads,
        home: &home,
    };
    server.settings = settings(&server, &read, source);
    if cfg!(feature = "train") {
        server.trainer = Some(this_exe().context("this program's own file cannot be found")?);
    }
    let options = Options { goal, index_memory_mb, ..walled(config.threads, decoding)? };
    let engine = Arc::new(Engine::open(&home, options)?);
    // Opened now, so that what an earlier process left behind is caught up before the first search asks for it.
    for name in engine.catalogues()? {
        if let Err(error) = engine.catalogue(&name) {
            ui.error(format_args!("catalogue {name} cannot be opened: {error}"));
        }
    }
    let runtime = tokio::runtime::Runtime::new().context("no threads to be had")?;
    let listener = runtime.block_on(listen(server.listen))?;
    let address = listener.local_addr()?;
    guarded(address, &home)?;
    let page = match server.tls {
        Some(_) => url(address).replacen("http://", "https://", 1),
        None => url(address),
    };
    ui.answer(&json!({ "address": page, "home": home }), || {
        format!("serving {} at {}\n", home.display(), ui.strong(&page))
    })?;
    runtime.block_on(serve_on(listener, engine.clone(), server, interrupt::stop()))?;
    engine.close();
    Ok(Done::All)
}

/// What was read and is no option of the server itself.
pub(crate) struct Read<'a> {
    pub(crate) nets: &'a [String],
    pub(crate) decoding: &'a PoolSettings,
    pub(crate) goal: Goal,
    pub(crate) index_memory_mb: Option<u64>,
    pub(crate) threads: usize,
    pub(crate) home: &'a Path,
}

/// Every setting by its name in the file, as it holds now.
pub(crate) fn settings(
    server: &ServerOptions,
    read: &Read<'_>,
    source: impl Fn(&str) -> Origin,
) -> Vec<Setting> {
    let Read { nets, decoding, goal, index_memory_mb, threads, home } = *read;
    let (recall, index_ms) = match goal {
        Goal::Recall(share) => (json!(share), Value::Null),
        Goal::LatencyMs(ms) => (Value::Null, json!(ms)),
    };
    let tls = |file: fn(&TlsFiles) -> &Path| json!(server.tls.as_ref().map(file));
    let limits = decoding.limits;
    let values = [
        ("listen", json!(server.listen)),
        ("home", json!(home)),
        ("cors_origins", json!(server.cors_origins)),
        ("allow_nets", json!(nets)),
        ("recall_sample", json!(server.recall_sample)),
        ("threads", json!(threads)),
        ("tls.cert", tls(|files| &files.cert)),
        ("tls.key", tls(|files| &files.key)),
        ("index.recall", recall),
        ("index.index_ms", index_ms),
        ("index.memory_mb", json!(index_memory_mb)),
        ("limits.picture_bytes", json!(server.max_picture_bytes)),
        ("limits.picture_pixels", json!(limits.max_pixels)),
        ("limits.decode_memory_bytes", json!(limits.max_memory_bytes)),
        ("limits.decode_time_ms", json!(decoding.time_limit.as_millis() as u64)),
        ("limits.body_bytes", json!(server.max_body_bytes)),
        ("limits.line_bytes", json!(server.max_line_bytes)),
        ("limits.results", json!(server.max_results)),
        ("limits.regions", json!(server.max_regions)),
        ("limits.all_uploads_bytes", json!(server.uploads_bytes)),
        ("limits.upload_ms", json!(server.upload_time.as_millis() as u64)),
        ("limits.request_timeout_ms", json!(server.request_timeout.as_millis() as u64)),
        ("limits.stall_ms", json!(server.patience.as_millis() as u64)),
        ("limits.connections", json!(server.max_connections)),
        ("limits.all_bodies_bytes", json!(server.body_budget_bytes)),
        ("limits.vision_slots", json!(server.vision_slots)),
        ("limits.queue", json!(server.queue)),
    ];
    values.into_iter().map(|(name, value)| Setting { name, value, source: source(name) }).collect()
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn nothing() -> (Config, toml::Value) {
    (Config::default(), toml::Value::Table(toml::Table::new()))
}

/// The file, and what of it was written: a value may be told from the one it has anyway.
fn read(path: &Path) -> anyhow::Result<(Config, toml::Value)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let wrong = |e: toml::de::Error| WrongUse(format!("{}: {e}", path.display()));
    let written = toml::from_str::<toml::Table>(&text).map_err(wrong)?;
    Ok((toml::from_str(&text).map_err(wrong)?, toml::Value::Table(written)))
}

/// An engine that decodes what strangers send in processes of their own.
pub(crate) fn walled(threads: usize, mut decoding: PoolSettings) -> anyhow::Result<Options> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    decoding.workers = cores + 1;
    let limits = decoding.limits;
    let exe = this_exe().context("this program's own file cannot be found")?;
    let pool = DecodePool::start_with(&exe, decoding)?;
    Ok(Options { threads, limits, decoder: Decoder::Pool(Arc::new(pool)), ..Options::default() })
}

/// A socket that listens.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with --listen"))
}

/// As a browser takes it.
pub(crate) fn url(address: SocketAddr) -> String {
    let host = match address {
        SocketAddr::V4(a) if a.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(a) if a.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(a) => a.ip().to_string(),
        SocketAddr::V6(a) => format!("[{}]", a.ip()),
    };
    format!("http://{host}:{}/", address.port())
}
