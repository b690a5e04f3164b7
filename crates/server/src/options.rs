//! What the operator may choose.

use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use utoipa::ToSchema;

/// How the server listens and what it refuses. [`ServerOptions::default`] is right for one machine.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where to listen. The default is loopback: only this machine can reach it.
    pub listen: SocketAddr,
    /// Photos that the search page offers to begin with. Without any it offers pictures of the catalogue.
    pub examples: Vec<ExamplePhoto>,
    /// Web sites (`https://shop.example`) whose pages may call the API from a browser. Empty: none.
    pub cors_origins: Vec<String>,
    /// Networks that feeds and their pictures may be fetched from although they are not public.
    pub allow_nets: Vec<twinset_fetch::Net>,
    /// Bytes of one request body after decompression. Imports are streams and have no such limit.
    pub max_body_bytes: usize,
    /// Bytes of one picture.
    pub max_picture_bytes: usize,
    /// Results of one search, at most 500.
    pub max_results: usize,
    /// Articles told of one photo: the most certain ones, and the one that is searched.
    pub max_regions: usize,
    /// Bytes of all photos that were sent ahead (`/v1/uploads`); one key may have half of it.
    pub uploads_bytes: usize,
    /// How long such a photo is kept.
    pub upload_time: Duration,
    /// Bytes of one line of an import.
    pub max_line_bytes: usize,
    /// A request that takes longer is given up, a body that stands still for as long is too.
    pub request_timeout: Duration,
    /// The head of a request must be there within this time, and a body or a reader may stand still for as long.
    pub patience: Duration,
    /// Connections held at the same time; the next ones wait to be accepted.
    pub max_connections: usize,
    /// Bytes of all bodies in memory together; a body beyond them is refused with 503.
    pub body_budget_bytes: usize,
    /// Certificate and key; `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// One of so many searches is also answered exactly, and the two compared: the measured recall in the metrics.
    /// 0: none.
    pub recall_sample: u32,
    /// Photos looked at at the same time; 0: one a core.
    pub vision_slots: usize,
    /// Requests that may wait for a slot; the next one is refused with 503.
    pub queue: usize,
    /// Memory for thumbnails that were made before.
    pub thumbnail_cache_bytes: usize,
    /// What `/v1/config` tells: every setting as it was read.
    pub settings: Vec<Setting>,
    /// The program that `POST /v1/runs` starts to train a catalogue's model: this one. `None`: no trainings here.
    pub trainer: Option<PathBuf>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7878),
            examples: Vec::new(),
            cors_origins: Vec::new(),
            allow_nets: Vec::new(),
            max_body_bytes: 32 << 20,
            max_picture_bytes: 20 << 20,
            max_results: twinset_engine::MAX_LIMIT,
            max_regions: 10,
            uploads_bytes: 64 << 20,
            upload_time: Duration::from_secs(15 * 60),
            max_line_bytes: 1 << 20,
            request_timeout: Duration::from_secs(60),
            patience: Duration::from_secs(10),
            max_connections: 4096,
            body_budget_bytes: 256 << 20,
            tls: None,
            recall_sample: 200,
            vision_slots: 0,
            queue: 64,
            thumbnail_cache_bytes: 64 << 20,
            settings: Vec::new(),
            trainer: None,
        }
    }
}

impl ServerOptions {
    /// Slots, with 0 replaced by the machine's cores.
    pub(crate) fn slots(&self) -> usize {
        match self.vision_slots {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            slots => slots,
        }
    }
}

/// One setting as it was read. Never a secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Setting {
    /// As the configuration file writes it: `limits.queue`.
    pub name: &'static str,
    /// The value in use.
    pub value: serde_json::Value,
    /// Where it came from.
    pub source: Origin,
}

/// Where a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody chose it.
    Default,
    /// The configuration file.
    File,
    /// The command line.
    Argument,
    /// An environment variable.
    Environment,
}

/// PEM files. They are read when the server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those that vouch for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A photo to try the search with.
#[derive(Clone, Debug)]
pub struct ExamplePhoto {
    /// The catalogue whose page offers it.
    pub catalogue: String,
    /// The encoded photo.
    pub bytes: Vec<u8>,
}
