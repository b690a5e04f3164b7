//! Ctrl-C. The first asks long work to stop at a point from which it can go on; the second ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

static STOP: AtomicBool = AtomicBool::new(false);
static TOLD: OnceLock<watch::Sender<bool>> = OnceLock::new();

/// Exit status of a program that Ctrl-C ended, by the shells' custom.
const ENDED: i32 = 130;

/// From now on Ctrl-C (and SIGTERM) is ours.
pub(crate) fn install() {
    let (told, _) = watch::channel(false);
    let _ = TOLD.set(told);
    let listen = || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            while asked().await.is_ok() {
                if STOP.swap(true, Ordering::SeqCst) {
                    std::process::exit(ENDED);
                }
                eprintln!("stopping; again to end at once");
                if let Some(told) = TOLD.get() {
                    told.send_replace(true);
                }
            }
        });
    };
    // Without the thread Ctrl-C ends the program as it always did.
    let _ = std::thread::Builder::new().name("interrupt".to_owned()).spawn(listen);
}

#[cfg(unix)]
async fn asked() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    Ok(())
}

#[cfg(not(unix))]
async fn asked() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Whether to stop.
pub(crate) fn asked_to_stop() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// The same as a flag for others to watch.
#[cfg(feature = "train")]
pub(crate) fn flag() -> &'static AtomicBool {
    &STOP
}

/// Resolves when asked to stop.
pub(crate) async fn stop() {
    if let Some(told) = TOLD.get() {
        let mut told = told.subscribe();
        if told.wait_for(|stop| *stop).await.is_ok() {
            return;
        }
    }
    std::future::pending::<()>().await;
}
