//! What the server does under more load than it can carry.
//!
//! `cargo run --release -p twinset-server --example load -- [SECONDS A PHASE] [PRODUCTS]`
//!
//! Serves a drawn catalogue in this process, measures its capacity X with as many callers as keep it busy, then sends
//! 0.8, 2, 5 and 10 times X, at random moments, without waiting for answers (an open loop: callers do not slow down
//! because the server does). After that: how soon it is as before, a noisy tenant at ten times its quota, and clients that
//! never finish. Prints CSV, then each promise beside what was measured; callers and server share the machine's cores.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use twinset_catalogue::{CatalogueName, Image, Product, ProductPut};
use twinset_engine::{Engine, Options};
use twinset_server::{Keys, NewKey, Rate, Right, ServerOptions, serve_on};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One answer: its status, how long it took, and whether a refusal said when to come again.
#[derive(Clone, Copy)]
struct Answer {
    status: u16,
    asked: Instant,
    took: Duration,
    retry_after: bool,
}

/// Callers of one tenant. Connections are kept and used again.
struct Caller {
    address: SocketAddr,
    path: String,
    token: String,
    photo: Vec<u8>,
    idle: Mutex<Vec<TcpStream>>,
}

impl Caller {
    /// A kept connection that the server has let go meanwhile is no answer: the call is made again on a new one, as
    /// clients do.
    async fn ask(&self) -> Result<Answer, Failure> {
        let started = Instant::now();
        loop {
            // Not in a `while let`: it would hold the lock that the answer needs.
            let kept = self.idle.lock().await.pop();
            let Some(kept) = kept else { break };
            if let Ok(answer) = self.ask_on(kept, started).await {
                return Ok(answer);
            }
        }
        let stream = TcpStream::connect(self.address).await?;
        // As browsers and curl do. Without it the end of a photo waits 40 ms for the server's acknowledgement (Nagle's
        // rule against delayed acknowledgements), which is no time of the server's.
        stream.set_nodelay(true)?;
        self.ask_on(stream, started).await
    }

    async fn ask_on(&self, mut stream: TcpStream, started: Instant) -> Result<Answer, Failure> {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: load\r\nauthorization: Bearer {}\r\ncontent-type: image/jpeg\r\ncontent-length: {}\r\n\r\n",
            self.path,
            self.token,
            self.photo.len()
        );
        stream.write_all(head.as_bytes()).await?;
        // A refusal may come while the photo is on its way; then the rest of it is not wanted.
        let _ = stream.write_all(&self.photo).await;
        let mut bytes = Vec::with_capacity(4096);
        let end = loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err("the connection ended before the head of the answer".into());
            }
            if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = head.get(9..12).and_then(|text| text.parse().ok()).ok_or("no status")?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|text| text.trim().parse::<usize>().ok())
            .unwrap_or(0);
        while bytes.len() < end + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err("the connection ended before the end of the answer".into());
            }
        }
        let retry_after = head.contains("\nretry-after:");
        let answer = Answer { status, asked: started, took: started.elapsed(), retry_after };
        if !head.contains("connection: close") {
            self.idle.lock().await.push(stream);
        }
        Ok(answer)
    }
}

/// The answers of one phase, and how many calls had none.
#[derive(Default)]
struct Phase {
    answers: Vec<Answer>,
    broken: usize,
    seconds: f64,
}

impl Phase {
    fn of(&self, admitted: bool) -> Vec<f64> {
        let mut ms: Vec<f64> = self
            .answers
            .iter()
            .filter(|answer| (answer.status == 200) == admitted)
            .map(|answer| answer.took.as_secs_f64() * 1e3)
            .collect();
        ms.sort_by(f64::total_cmp);
        ms
    }

    /// Answered with 200, each second.
    fn goodput(&self) -> f64 {
        self.of(true).len() as f64 / self.seconds
    }

    fn row(&self, name: &str, sent: f64) {
        let (admitted, refused) = (self.of(true), self.of(false));
        let mut statuses = BTreeMap::<u16, usize>::new();
        self.answers.iter().for_each(|answer| *statuses.entry(answer.status).or_default() += 1);
        let silent = self.answers.iter().filter(|answer| answer.status != 200 && !answer.retry_after).count();
        let statuses: Vec<String> = statuses.iter().map(|(status, n)| format!("{status}:{n}")).collect();
        println!(
            "{name},{sent:.1},{:.1},{:.1},{:.1},{:.1},{silent},{},{},{}",
            self.goodput(),
            at(&admitted, 0.5),
            at(&admitted, 0.99),
            at(&refused, 0.99),
            self.broken,
            statuses.join(" "),
            resident_mb()
        );
    }
}

/// A quantile of sorted numbers; NaN of none.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * quantile).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Of this process, server and callers together.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Seconds from `since` until, second by second and for good, half of the calls are answered within one and a half times
/// `median_ms`; `None` if they never are.
fn recovered_s(phase: &Phase, since: Instant, median_ms: f64) -> Option<u64> {
    let seconds = phase.seconds as u64;
    let slow = |second: &u64| {
        let asked =
            phase.answers.iter().filter(|answer| answer.asked.duration_since(since).as_secs() == *second);
        // What was refused was not answered in time either.
        let took = |answer: &Answer| match answer.status {
            200 => answer.took.as_secs_f64() * 1e3,
            _ => f64::INFINITY,
        };
        let mut ms: Vec<f64> = asked.map(took).collect();
        ms.sort_by(f64::total_cmp);
        at(&ms, 0.5) > 1.5 * median_ms
    };
    let last_slow = (0..seconds).rfind(slow);
    last_slow.map_or(Some(0), |second| (second + 1 < seconds).then_some(second + 1))
}

/// A promise beside what was measured.
fn promise(what: &str, measured: f64, most: f64) {
    let kept = if measured <= most { "kept" } else { "MISSED" };
    println!("# {what}: {measured:.1}, at most {most:.1}: {kept}");
}

/// As many callers as given, each asking again as soon as it is answered.
async fn closed(caller: &Arc<Caller>, callers: usize, seconds: u64) -> Phase {
    let end = Instant::now() + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while Instant::now() < end {
                    answers.extend(caller.ask().await.ok());
                }
                answers
            })
        })
        .collect();
    let mut phase = Phase { seconds: seconds as f64, ..Phase::default() };
    for task in tasks {
        phase.answers.extend(task.await.unwrap_or_default());
    }
    phase
}

/// `rate` calls a second at random moments, whatever becomes of the earlier ones.
async fn open(caller: &Arc<Caller>, rate: f64, seconds: u64) -> Phase {
    let start = tokio::time::Instant::now();
    let (mut due, mut tasks, mut state) = (0.0, Vec::new(), 0x9e37_79b9_7f4a_7c15_u64);
    loop {
        // xorshift64 (Marsaglia 2003), for exponential gaps between arrivals.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let chance = ((state >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        due -= chance.ln() / rate;
        if due >= seconds as f64 {
            break;
        }
        tokio::time::sleep_until(start + Duration::from_secs_f64(due)).await;
        let caller = caller.clone();
        tasks.push(tokio::spawn(async move { caller.ask().await }));
    }
    let mut phase = Phase { seconds: seconds as f64, ..Phase::default() };
    let mut reasons = BTreeMap::<String, usize>::new();
    for task in tasks {
        match task.await {
            Ok(Ok(answer)) => phase.answers.push(answer),
            Ok(Err(error)) => *reasons.entry(error.to_string()).or_default() += 1,
            Err(error) => *reasons.entry(error.to_string()).or_default() += 1,
        }
    }
    phase.broken = reasons.values().sum();
    if phase.broken > 0 {
        eprintln!("calls without an answer: {reasons:?}");
    }
    phase
}

/// Clients that send half a head or half a body, and hold on.
async fn endless(address: SocketAddr, clients: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for at in 0..clients {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let part: &[u8] = match at % 3 {
            0 => b"",
            1 => b"POST /v1/detect HTTP/1.1\r\nhost: x\r\n",
            _ => b"POST /v1/detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: 5000000\r\n\r\nabc",
        };
        let _ = stream.write_all(part).await;
        held.push(stream);
    }
    held
}

fn stock(engine: &Engine, name: &str, products: u64) -> Result<(), Failure> {
    let shop = engine.open_or_create(&CatalogueName::parse(name)?)?;
    let put = |at| {
        let drawn = twinset_synth::catalogue_product(7, at);
        let images =
            drawn.pictures.iter().map(|(name, _)| Image { name: name.clone(), ..Image::default() }).collect();
        let product = Product { title: Some(drawn.title), images, ..Product::new(drawn.id) };
        ProductPut::upsert(
            product,
            drawn.pictures.into_iter().map(|(name, bytes)| (name, bytes.into())).collect(),
        )
    };
    shop.put_many((0..products).map(put), &mut |_| true)?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let products: u64 = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let home = tempfile::tempdir()?;
    let engine = Arc::new(Engine::open(home.path(), Options::default())?);
    for name in ["quiet", "loud"] {
        stock(&engine, name, products)?;
    }
    eprintln!("{products} products in each of two catalogues are searchable");
    let keys = Keys::open(home.path())?;
    let key = |catalogue: &str, rate| {
        keys.create(NewKey {
            rights: [Right::Search].into(),
            catalogues: [catalogue.to_owned()].into(),
            rate,
            ..NewKey::default()
        })
    };
    // Apart, so that callers do not stand in line with what answers them.
    let (serving, calling) = (tokio::runtime::Runtime::new()?, tokio::runtime::Runtime::new()?);
    let listener = serving.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = serving.spawn(serve_on(listener, engine.clone(), ServerOptions::default(), async {
        drop(stopped.await);
    }));
    calling.block_on(async {
        let photo = twinset_synth::query_photo(7, 1);
        let caller = |catalogue: &str, token: String| {
            Arc::new(Caller {
                address,
                path: format!("/v1/catalogues/{catalogue}/search"),
                token,
                photo: photo.clone(),
                idle: Mutex::default(),
            })
        };
        let quiet = caller("quiet", key("quiet", None)?.token);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        println!(
            "# cargo run --release -p twinset-server --example load -- {seconds} {products} ({cores} cores, callers included)\n\
             phase,sent_per_s,answered_per_s,p50_ms,p99_ms,refused_p99_ms,refused_without_retry_after,broken,statuses,resident_mb"
        );
        closed(&quiet, cores, 3).await; // warm
        let capacity = closed(&quiet, 2 * cores, seconds).await;
        let x = capacity.of(true).len() as f64 / capacity.seconds;
        capacity.row("capacity X", x);
        let usual = open(&quiet, 0.5 * x, seconds.min(10)).await;
        usual.row("0.5 X", 0.5 * x);
        let busy = open(&quiet, 0.8 * x, seconds).await;
        busy.row("0.8 X", 0.8 * x);
        let mut overloads = Vec::new();
        for times in [2.0, 5.0, 10.0] {
            let phase = open(&quiet, times * x, seconds).await;
            phase.row(&format!("{times} X"), times * x);
            overloads.push((times, phase));
        }
        let over = Instant::now();
        let after = open(&quiet, 0.5 * x, seconds.min(20)).await;
        after.row("0.5 X after that", 0.5 * x);

        let quota = (0.3 * x).round().max(1.0);
        let loud = caller("loud", key("loud", Some(Rate { requests: quota as u32, window_s: 1 }))?.token);
        let mut beside = Vec::new();
        for (name, times) in [("at its quota", 1.0), ("at ten times its quota", 10.0)] {
            let (others, noise) = tokio::join!(open(&quiet, 0.3 * x, seconds), open(&loud, times * quota, seconds));
            others.row(&format!("0.3 X beside a tenant {name}"), 0.3 * x);
            noise.row(&format!("the tenant {name}"), times * quota);
            beside.push(at(&others.of(true), 0.99));
        }

        let held = endless(address, 900).await;
        open(&quiet, 0.5 * x, seconds.min(10)).await.row(&format!("0.5 X beside {} endless clients", held.len()), 0.5 * x);
        drop(held);
        for (times, phase) in &overloads {
            let lost = 100.0 * (1.0 - phase.goodput() / x);
            promise(&format!("{times} X: goodput lost, % of X"), lost, 10.0);
            promise(&format!("{times} X: p99 of the admitted, ms"), at(&phase.of(true), 0.99), 2.0 * at(&busy.of(true), 0.99));
            promise(&format!("{times} X: p99 of refusals, ms"), at(&phase.of(false), 0.99), 20.0);
        }
        let back = recovered_s(&after, over, at(&usual.of(true), 0.5));
        promise("seconds until it is as before", back.map_or(f64::INFINITY, |s| s as f64), 10.0);
        promise("p99 beside the noisy tenant, ms", beside[1], 1.2 * beside[0]);
        stop.send(()).map_err(|()| "the server ended by itself")?;
        server.await??;
        Ok::<_, Failure>(())
    })?;
    engine.close();
    Ok(())
}
