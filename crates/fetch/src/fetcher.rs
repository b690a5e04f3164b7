//! One request with its redirects and retries.

use crate::guard::{Guard, Net, Refused};
use crate::hosts::{Hosts, NoTurn};
use crate::{FetchError, Result};
use std::io::Read;
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;
use url::Url;

/// How to behave towards strangers.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Networks that may be reached although they are not public.
    pub allow: Vec<Net>,
    /// Requests to one host at a time.
    pub per_host: usize,
    /// Redirects of one request.
    pub redirects: u32,
    /// Tries after the first.
    pub retries: u32,
    /// First pause between tries; it doubles.
    pub backoff: Duration,
    /// Longest pause that a host may ask for.
    pub patience: Duration,
    /// For resolving and connecting.
    pub connect: Duration,
    /// For the head of an answer, and for each piece of its body.
    pub silence: Duration,
    /// Who asks.
    pub user_agent: String,
    /// What one host is shown to let us in.
    pub bearer: Option<Bearer>,
}

/// A token that is shown to one host and to no other, whatever redirects say; over TLS, or on this machine.
#[derive(Clone)]
pub struct Bearer {
    origin: url::Origin,
    header: String,
}

impl Bearer {
    /// For the host of `url`; `None` if that is no address to send a secret to, or `token` is no token.
    #[must_use]
    pub fn new(url: &str, token: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let here = match url.host()? {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
        };
        let is_token = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        let safe = is_token && (here || url.scheme() == "https");
        safe.then(|| Self { origin: url.origin(), header: format!("Bearer {token}") })
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bearer for {}", self.origin.ascii_serialization())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            per_host: 4,
            redirects: 5,
            retries: 3,
            backoff: Duration::from_millis(500),
            patience: Duration::from_secs(60),
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            user_agent: concat!(
                "Twinset/",
                env!("CARGO_PKG_VERSION"),
                " (product search; fetches feeds and their pictures)"
            )
            .into(),
            bearer: None,
        }
    }
}

/// What the other side told about a body, to ask later whether it has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// An answer.
pub enum Reply {
    /// It is what it was.
    NotModified,
    /// It is there.
    Body(Body),
}

/// A body that has begun to arrive.
pub struct Body {
    /// Where it was found, after redirects.
    pub url: String,
    /// To ask the next time.
    pub validators: Validators,
    /// As the other side says.
    pub content_type: String,
    /// The first byte of it, where only a part was asked for.
    pub from: u64,
    /// The bytes, at most as many as asked for.
    pub reader: Box<dyn Read + Send>,
}

/// Fetches within a policy. Shared by all threads.
pub struct Fetcher {
    policy: Policy,
    agent: Agent,
    hosts: Hosts,
}

impl Fetcher {
    /// With connections kept between requests.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Ours follow below: each new address is looked at.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy of the environment would connect where it likes.
            .proxy(None)
            .user_agent(policy.user_agent.clone())
            .timeout_resolve(Some(policy.connect))
            .timeout_connect(Some(policy.connect))
            .timeout_recv_response(Some(policy.silence))
            .timeout_per_read(Some(policy.silence))
            .max_idle_connections_per_host(policy.per_host)
            .build();
        let guard = Guard { allowed: policy.allow.clone(), inner: Default::default() };
        let agent = Agent::with_parts(config, DefaultConnector::default(), guard);
        let hosts = Hosts::new(policy.per_host);
        Self { policy, agent, hosts }
    }

    /// Asks for `url`. With validators the answer may be that nothing has changed. `stop` is asked while waiting.
    ///
    /// # Errors
    /// [`FetchError`]; what may pass has been tried again already.
    pub fn get(
        &self,
        url: &str,
        validators: &Validators,
        most: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Reply> {
        self.patiently(stop, || self.follow(url, validators, most, None, 0, stop))
    }

    /// A body from its byte `from` on, at most `most` bytes of it, and the byte at which it really begins: 0 where the
    /// other side does not continue.
    ///
    /// # Errors
    /// [`FetchError`]; what may pass has been tried again already.
    pub fn get_from(&self, url: &str, from: u64, most: u64, stop: &dyn Fn() -> bool) -> Result<(Body, u64)> {
        match self.patiently(stop, || self.follow(url, &Validators::default(), most, None, from, stop))? {
            Reply::Body(body) => {
                let from = body.from;
                Ok((body, from))
            }
            Reply::NotModified => Err(FetchError::Status { status: 304 }),
        }
    }

    /// As [`Fetcher::get`], with the whole body in memory, within `most` bytes and `time`.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn get_bytes(
        &self,
        url: &str,
        validators: &Validators,
        most: u64,
        time: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<(Vec<u8>, Body)>> {
        self.patiently(stop, || match self.follow(url, validators, most, Some(time), 0, stop)? {
            Reply::NotModified => Ok(None),
            Reply::Body(mut body) => {
                let mut bytes = Vec::new();
                (&mut body.reader)
                    .take(most + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|error| told(error, most))?;
                if bytes.len() as u64 > most {
                    return Err(FetchError::TooLarge { most });
                }
                Ok(Some((bytes, body)))
            }
        })
    }

    /// Tries again what may pass.
    fn patiently<T>(&self, stop: &dyn Fn() -> bool, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
        let mut pause = self.policy.backoff;
        for _ in 0..self.policy.retries {
            match ask() {
                Err(FetchError::GivenUp { host, failures }) => {
                    return Err(FetchError::GivenUp { host, failures });
                }
                Err(error) if error.may_pass() => tracing::debug!(%error, "trying again"),
                other => return other,
            }
            let until = Instant::now() + pause;
            while Instant::now() < until {
                if stop() {
                    return Err(FetchError::Stopped);
                }
                std::thread::sleep(
                    until.saturating_duration_since(Instant::now()).min(Duration::from_millis(50)),
                );
            }
            pause *= 2;
        }
        ask()
    }

    fn follow(
        &self,
        url: &str,
        validators: &Validators,
        most: u64,
        time: Option<Duration>,
        from: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Reply> {
        let mut url = checked(url)?;
        for _ in 0..=self.policy.redirects {
            let host = url.host_str().unwrap_or_default().to_owned();
            let turn = self.hosts.turn(&host, stop).map_err(|none| match none {
                NoTurn::GivenUp(failures) => FetchError::GivenUp { host: host.clone(), failures },
                NoTurn::Stopped => FetchError::Stopped,
            })?;
            let mut request = self.agent.get(url.as_str()).config().timeout_global(time).build();
            if let Some(bearer) = self.policy.bearer.as_ref().filter(|bearer| bearer.origin == url.origin()) {
                request = request.header("authorization", &bearer.header);
            }
            if let Some(etag) = &validators.etag {
                request = request.header("if-none-match", etag);
            }
            if let Some(since) = &validators.last_modified {
                request = request.header("if-modified-since", since);
            }
            if from > 0 {
                // A compressed body would begin somewhere else.
                request =
                    request.header("range", format!("bytes={from}-")).header("accept-encoding", "identity");
            }
            let answer = request.call().map_err(|error| failed(error, &host));
            match &answer {
                Err(error) if error.is_silence() => self.hosts.silent(&host),
                Err(_) => {}
                Ok(_) => self.hosts.answered(&host),
            }
            let answer = answer?;
            drop(turn);
            let header = |name: &str| {
                answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
            };
            match answer.status().as_u16() {
                status @ (200 | 203 | 206) => {
                    let begins = if status == 206 { from } else { 0 };
                    let range = header("content-range").unwrap_or_default();
                    if status == 206 && !range.starts_with(&format!("bytes {from}-")) {
                        return Err(FetchError::Network(format!("{host} continues elsewhere: '{range}'")));
                    }
                    let found = Validators { etag: header("etag"), last_modified: header("last-modified") };
                    let content_type = header("content-type").unwrap_or_default();
                    if answer.body().content_length().is_some_and(|length| length > most) {
                        return Err(FetchError::TooLarge { most });
                    }
                    // One more byte than allowed shows that there are more.
                    let reader = answer.into_body().into_with_config().limit(most.saturating_add(2)).reader();
                    return Ok(Reply::Body(Body {
                        url: url.into(),
                        validators: found,
                        content_type,
                        from: begins,
                        reader: Box::new(reader),
                    }));
                }
                304 => return Ok(Reply::NotModified),
                301 | 302 | 303 | 307 | 308 => {
                    let to = header("location").unwrap_or_default();
                    let next = url
                        .join(&to)
                        .map_err(|e| FetchError::BadAddress { url: to.clone(), reason: e.to_string() })?;
                    url = checked(next.as_str())?;
                }
                status => {
                    if matches!(status, 429 | 503) {
                        let asked = header("retry-after")
                            .and_then(|text| text.trim().parse().ok())
                            .map(Duration::from_secs);
                        self.hosts
                            .rest(&host, asked.unwrap_or(self.policy.backoff).min(self.policy.patience));
                    }
                    return Err(FetchError::Status { status });
                }
            }
        }
        Err(FetchError::TooManyRedirects { most: self.policy.redirects })
    }
}

/// Web addresses without a name and password inside. Numbers in any writing become addresses here (`http://2130706433/`).
fn checked(text: &str) -> Result<Url> {
    let bad = |reason: &str| FetchError::BadAddress {
        url: text.chars().take(200).collect(),
        reason: reason.to_owned(),
    };
    let mut url = Url::parse(text.trim()).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("only http and https are fetched"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it carries a name or password"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("it names no host"));
    }
    url.set_fragment(None);
    Ok(url)
}

fn failed(error: ureq::Error, host: &str) -> FetchError {
    match error {
        ureq::Error::Timeout(_) => FetchError::Timeout,
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
            Some(refused) => {
                FetchError::NotPublic { host: refused.host.clone(), address: refused.address.to_string() }
            }
            None => FetchError::Network(format!("{host}: {error}")),
        },
        ureq::Error::HostNotFound => FetchError::Network(format!("{host} is not known")),
        ureq::Error::BadUri(reason) => FetchError::BadAddress { url: host.to_owned(), reason },
        other => FetchError::Network(format!("{host}: {other}")),
    }
}

fn told(error: std::io::Error, most: u64) -> FetchError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        Some(ureq::Error::BodyExceedsLimit(_)) => FetchError::TooLarge { most },
        Some(ureq::Error::Timeout(_)) => FetchError::Timeout,
        _ => FetchError::Network(error.to_string()),
    }
}
