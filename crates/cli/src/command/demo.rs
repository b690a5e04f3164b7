//! `twinset demo`: a shop of drawn garments, to try everything without own pictures.
//!
//! The page is served at once and shows what is there so far; meanwhile products are drawn on all cores, put and
//! looked at.

use crate::args::Demo;
use crate::command::serve::{Read, listen, settings, url, walled};
use crate::failure::Done;
use crate::interrupt;
use crate::progress::Progress;
use crate::ui::Ui;
use anyhow::Context;
use rayon::prelude::*;
use serde_json::json;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, mpsc};
use twinset_catalogue::{
    Availability, CatalogueName, Condition, Image, Money, Product, ProductPut, Role, Settings,
};
use twinset_engine::{Engine, Goal, Shop};
use twinset_photo::worker::{PoolSettings, this_exe};
use twinset_server::{ExamplePhoto, Origin, ServerOptions, serve_on};
use twinset_synth::{CatalogueEntry, catalogue_product, query_photo};

const CATALOGUE: &str = "demo";
/// Drawn products that may wait to be put.
const DRAWN_AHEAD: usize = 64;
/// Photos that the page offers to begin with.
const EXAMPLES: u64 = 6;

pub(crate) fn run(args: &Demo, ui: &Ui) -> anyhow::Result<Done> {
    let folder = tempfile::Builder::new().prefix("twinset-demo-").tempdir().context("no temporary folder")?;
    let home = folder.path().to_path_buf();
    let engine = Arc::new(Engine::open(&home, walled(0, PoolSettings::default())?)?);
    let shop = engine.open_or_create(&CatalogueName::parse(CATALOGUE)?)?;
    // Whoever tries the demo sees all that the page can do.
    shop.catalogue().set_settings(Settings { feedback: Some(true), ..shop.catalogue().settings() })?;
    let runtime = tokio::runtime::Runtime::new().context("no threads to be had")?;
    let listener = runtime.block_on(async {
        let usual = SocketAddr::from(([127, 0, 0, 1], 7878));
        match args.listen {
            Some(address) => listen(address).await,
            // Something else may live on the usual port: the demo needs no particular one.
            None => match listen(usual).await {
                Ok(listener) => Ok(listener),
                Err(_) => listen(SocketAddr::from(([127, 0, 0, 1], 0))).await,
            },
        }
    })?;
    let address = listener.local_addr()?;
    let mut options = ServerOptions {
        listen: address,
        examples: examples(args),
        trainer: this_exe().ok().filter(|_| cfg!(feature = "train")),
        ..ServerOptions::default()
    };
    let decoding = PoolSettings::default();
    let read = Read {
        nets: &[],
        decoding: &decoding,
        goal: Goal::default(),
        index_memory_mb: None,
        threads: 0,
        home: &home,
    };
    options.settings = settings(&options, &read, |name| match name {
        "listen" | "home" => Origin::Argument,
        _ => Origin::Default,
    });
    let server = runtime.spawn(serve_on(listener, engine.clone(), options, interrupt::stop()));
    let page = url(address);
    ui.answer(&json!({ "address": page, "home": home, "catalogue": CATALOGUE, "products": args.products }), || {
        format!(
            "{}\n\nTry one of the photos that the page offers, or drop your own; tap another box to search for it.\n\
             Or from a second terminal:\n  \
             curl -s --data-binary @photo.jpg -H 'content-type: image/jpeg' '{page}v1/catalogues/{CATALOGUE}/search?limit=3'\n\
             Ctrl-C ends it.\n",
            ui.strong(&page)
        )
    })?;
    if !args.headless {
        open_browser(&page);
    }
    let filled = fill(args, &shop, ui);
    match filled {
        Ok(()) if interrupt::asked_to_stop() => {}
        Ok(()) => ui.note(format_args!("{} products are there", args.products)),
        // What is there can still be looked at.
        Err(error) => ui.error(format_args!("drawing stopped: {error:#}")),
    }
    runtime.block_on(server).context("the server ended")??;
    engine.close();
    if args.keep {
        let kept = folder.keep();
        ui.note(format_args!("kept: twinset serve --home {}", kept.display()));
    }
    Ok(Done::All)
}

/// Draws on all cores while the engine looks at what was drawn.
fn fill(args: &Demo, shop: &Shop, ui: &Ui) -> anyhow::Result<()> {
    let progress = Progress::new(ui, "drawing", "products", u64::from(args.products));
    // Threads of their own: they wait when they are ahead, and must not make others wait with them.
    let pool = rayon::ThreadPoolBuilder::new().thread_name(|i| format!("draw-{i}")).build()?;
    let (send, drawn) = mpsc::sync_channel(DRAWN_AHEAD);
    let seed = args.seed;
    let products = u64::from(args.products);
    pool.spawn(move || {
        (0..products).into_par_iter().for_each_with(send, |send, index| {
            if !interrupt::asked_to_stop() {
                // No one listens any more: putting has stopped.
                let _ = send.send(product(catalogue_product(seed, index)));
            }
        });
    });
    shop.put_many(drawn, &mut |state| {
        progress.set(state.products, products);
        !interrupt::asked_to_stop()
    })?;
    Ok(())
}

fn examples(args: &Demo) -> Vec<ExamplePhoto> {
    // Spread over the shop, the same for the same seed.
    let step = (u64::from(args.products) / EXAMPLES).max(1);
    let indexes: Vec<u64> =
        (0..EXAMPLES).map(|i| i * step).filter(|i| *i < u64::from(args.products)).collect();
    let photo =
        |&index: &u64| ExamplePhoto { catalogue: CATALOGUE.to_owned(), bytes: query_photo(args.seed, index) };
    indexes.par_iter().map(photo).collect()
}

fn product(entry: CatalogueEntry) -> ProductPut {
    let image = |(i, (name, _)): (usize, &(String, Vec<u8>))| Image {
        name: name.clone(),
        role: if i == 0 { Role::Main } else { Role::Additional },
        ..Image::default()
    };
    let product = Product {
        title: Some(entry.title),
        description: Some(entry.description),
        brand: Some(entry.brand),
        price: Money::parse(&entry.price, &entry.currency).ok(),
        availability: Availability::InStock,
        condition: Some(Condition::New),
        product_type: vec![vec![entry.category]],
        color: entry.colours,
        pattern: vec![entry.pattern],
        images: entry.pictures.iter().enumerate().map(image).collect(),
        ..Product::new(entry.id)
    };
    let pictures = entry.pictures.into_iter().map(|(name, bytes)| (name, Arc::from(bytes))).collect();
    ProductPut::upsert(product, pictures)
}

/// As people expect it from a demo; where it does not work the address has been printed.
fn open_browser(page: &str) {
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else {
        ("xdg-open", &[])
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(mut child) = command.spawn() {
        // Waited for elsewhere, so that it does not stay as a zombie while the demo runs.
        std::thread::spawn(move || child.wait());
    }
}
