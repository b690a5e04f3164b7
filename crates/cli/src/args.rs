//! What can be asked of `twinset`. The doc comments are its help texts.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use twinset_catalogue::CatalogueName;

/// Finds products from a photo.
#[derive(Debug, Parser)]
#[command(name = "twinset", version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit status: 0 done, 1 failed, 2 wrong use, 3 done with some items rejected (they are listed)."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Answer with one JSON document on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder with all catalogues [default: twinset in the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "TWINSET_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Log more; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// No progress, and of logs only errors
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a catalogue of drawn garments and serve it, to try everything without own pictures
    Demo(Demo),
    /// Serve every catalogue in the home: search page and HTTP API
    Serve(Serve),
    /// Make, list and revoke the keys of the server; works while it runs
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Bring a folder of pictures or a data set into a catalogue
    Import(Import),
    /// Bring a catalogue to what a product feed says; only what changed is computed again
    Sync(Box<Sync>),
    /// Write all products as JSON Lines or Parquet, which `sync` reads again without a change
    Export(Export),
    /// Back up a whole catalogue while it is used, and restore it
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// Put one product
    Put(Put),
    /// Show one product
    Get(Get),
    /// Remove products
    Remove(Remove),
    /// List products, or the catalogues of the home
    List(List),
    /// Find products from a photo
    Search(Search),
    /// Find the garments in photos
    Detect(Detect),
    /// Compare two photos part by part
    Match(Match),
    /// Write one embedding for each picture of a manifest
    Embed(Embed),
    /// Measure retrieval, detection, categories or an index
    #[command(subcommand)]
    Eval(Eval),
    /// Look after a catalogue's index
    #[command(subcommand)]
    Index(Index),
    /// Model packages: look at them, keep them, take them into use
    #[command(subcommand)]
    Model(Model),
    /// Compare what sellers claim with what is seen: wrong categories, colours and titles, copies, poor pictures
    Audit(Audit),
    /// Train a detector, an embedder, or the weights of the score
    #[command(subcommand)]
    Train(Train),
    /// Click logs: make one up, see which listings are one product to shoppers
    #[cfg(feature = "train")]
    #[command(subcommand)]
    Clicks(Clicks),
    /// Speak the protocol of the index benchmark on stdin and stdout
    Ann,
    /// Print a completion script for a shell
    Completion(Completion),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to listen [default: 127.0.0.1:7878, or a free port]; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) headless: bool,
    /// Products to draw
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) products: u32,
    /// Keep the home when done; it is told where it lies
    #[arg(long)]
    pub(crate) keep: bool,
    /// Draw other garments
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen [default: 127.0.0.1:7878]; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// TOML file with `listen`, `home` and limits; arguments win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it: this once
    Create(CreateKey),
    /// List all keys, revoked ones too; secrets are not kept
    List,
    /// Make a key useless
    Revoke {
        /// Its id, or the whole key
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// search, read, write or admin (which holds the others); may be repeated
    #[arg(long = "right", value_name = "RIGHT", value_delimiter = ',', required_unless_present_any = ["public", "anonymous"])]
    pub(crate) rights: Vec<twinset_server::Right>,
    /// Only this catalogue; may be repeated [default: all]
    #[arg(long = "catalogue", short, value_name = "NAME")]
    pub(crate) catalogues: Vec<CatalogueName>,
    /// A web site whose pages may use it, such as `https://shop.example`; may be repeated [default: none but ours]
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// How often it may be used, such as 300/m [default: no limit; public keys 600/m]
    #[arg(long, value_name = "N/s|m|h")]
    pub(crate) rate: Option<twinset_server::Rate>,
    /// For web pages: only search, always with a rate
    #[arg(long)]
    pub(crate) public: bool,
    /// Requests without a key count as made with this one, so that the search page of the server works
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InCatalogue {
    /// Which catalogue
    #[arg(long, short, value_name = "NAME")]
    pub(crate) catalogue: CatalogueName,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) of: InCatalogue,
    /// Only findings of this kind, such as `category` or `copy`
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Show the findings of the last audit, without a new one
    #[arg(long)]
    pub(crate) last: bool,
    /// The findings with these ids are right: searches trust the claims less
    #[arg(long, value_name = "ID")]
    pub(crate) accept: Vec<String>,
    /// The findings with these ids are wrong: the claims stand
    #[arg(long, value_name = "ID")]
    pub(crate) reject: Vec<String>,
    /// Write all decisions as clean labels, one JSON line each
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Folder of pictures (sub-folder or file stem names the product), or a data set with manifest.csv
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) into: InCatalogue,
    /// Only this split of a data set
    #[arg(long)]
    pub(crate) split: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// A file, `-` for stdin, or an http(s) address: Google Merchant, Shopify, WooCommerce, JSON, pages with schema.org
    /// data, a sitemap; recognised by content, packed or not
    #[arg(value_name = "SOURCE")]
    pub(crate) feed: String,
    #[command(flatten)]
    pub(crate) into: InCatalogue,
    /// Show what would change, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What to do about products that the feed no longer lists
    #[arg(long, value_enum, default_value_t = DeleteMissing::Ask, value_name = "WHAT")]
    pub(crate) delete_missing: DeleteMissing,
    /// With `ask`: remove without asking up to this share of the source's products, in percent
    #[arg(long, default_value_t = 30.0, value_name = "PERCENT")]
    pub(crate) guard: f64,
    /// Name of the source: only its own products can go missing
    #[arg(long, default_value = "feed")]
    pub(crate) name: String,
    /// TOML file that says which column is which, for tables that are not known
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    /// Currency of prices that come without one, such as EUR
    #[arg(long, value_name = "CODE")]
    pub(crate) currency: Option<String>,
    /// Host of the shop, such as shop.example, for links that the feed does not tell
    #[arg(long, value_name = "HOST")]
    pub(crate) shop_domain: Option<String>,
    /// Where bare names of WooCommerce pictures lie
    #[arg(long, value_name = "URL")]
    pub(crate) uploads_url: Option<String>,
    /// What relative addresses in a file are relative to
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Language of the shop, such as ko: a hint for encodings
    #[arg(long, value_name = "TAG")]
    pub(crate) language: Option<String>,
    /// Folder with pictures, looked at before the network: by host and path of their address, by path, or by name
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: Option<PathBuf>,
    /// Fetch no pictures from the network
    #[arg(long)]
    pub(crate) no_fetch: bool,
    /// Ask for every picture again whether it has changed
    #[arg(long)]
    pub(crate) recheck: bool,
    /// A picture under more products than this is a placeholder and is not searched
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) placeholder_over: u64,
    /// Network that may be fetched from although it is not public, such as 10.0.0.0/8; may be repeated
    #[arg(long, value_name = "NET")]
    pub(crate) allow_net: Vec<String>,
    /// Requests to one host at a time
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) per_host: usize,
}

/// What to do about products that a feed no longer lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeleteMissing {
    /// Remove them, unless more would vanish than the guard allows
    Ask,
    /// Remove them
    Yes,
    /// Keep them
    No,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) of: InCatalogue,
    /// Write here instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How to write [default: parquet for a FILE.parquet, else jsonl]
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// Write the pictures into this folder, named by their hashes; `sync --pictures` takes them from there
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line
    Jsonl,
    /// One column a member
    Parquet,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshot {
    /// Copy a catalogue into one file, also while a server uses it
    Create {
        #[command(flatten)]
        of: InCatalogue,
        /// The file [default: one in HOME/snapshots]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make a new catalogue of a copy
    Restore {
        /// The copy
        file: PathBuf,
        #[command(flatten)]
        into: InCatalogue,
    },
    /// List the copies in HOME/snapshots
    List,
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) into: InCatalogue,
    /// Its id; may be left out if `--product` has one
    #[arg(required_unless_present = "product")]
    pub(crate) id: Option<String>,
    /// JSON file with the whole product (`-`: stdin); without it the other claims of a known product stay
    #[arg(long, value_name = "FILE")]
    pub(crate) product: Option<PathBuf>,
    /// A picture, as FILE or NAME=FILE; the first is the main one
    #[arg(long = "image", value_name = "[NAME=]FILE")]
    pub(crate) images: Vec<String>,
    /// What the seller calls it
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Its price, as "12.50 EUR"
    #[arg(long)]
    pub(crate) price: Option<String>,
    /// Its brand
    #[arg(long)]
    pub(crate) brand: Option<String>,
    /// A colour as claimed; may be repeated
    #[arg(long, value_name = "COLOUR")]
    pub(crate) color: Vec<String>,
    /// Another claim; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    pub(crate) attributes: Vec<String>,
    /// Return when it can be found, not already when it is durable
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) of: InCatalogue,
    /// Its id
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    pub(crate) from: InCatalogue,
    /// Their ids
    #[arg(required = true)]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Which catalogue; without it the catalogues are listed
    #[arg(long, short, value_name = "NAME")]
    pub(crate) catalogue: Option<CatalogueName>,
    /// Only products whose claims pass, such as "price < 50 and color = 'red'"
    #[arg(long, value_name = "EXPR", requires = "catalogue")]
    pub(crate) filter: Option<String>,
    /// Go on behind this (`next` of the last answer)
    #[arg(long, requires = "catalogue")]
    pub(crate) after: Option<String>,
    /// At most so many; 0 is all
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// A photo (`-`: stdin); may be left out with --text
    pub(crate) photo: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: InCatalogue,
    /// Products wanted
    #[arg(short = 'k', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) k: u16,
    /// Search this part, in pixels of the upright photo
    #[arg(long = "box", value_name = "X,Y,W,H", value_parser = rect)]
    pub(crate) region: Option<twinset_photo::Rect>,
    /// Only products whose claims pass, such as "price < 50 and color = 'red'"
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Do not compare the best candidates part by part
    #[arg(long)]
    pub(crate) no_rerank: bool,
    /// Compare with every picture, whatever the index
    #[arg(long)]
    pub(crate) exact: bool,
    /// Words, alone or with the photo; for catalogues whose model has a text tower
    #[arg(long, value_name = "WORDS", required_unless_present = "photo")]
    pub(crate) text: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Detect {
    /// Photos
    #[arg(required = true)]
    pub(crate) photos: Vec<PathBuf>,
    /// Write the photo with its boxes (.png or .jpg); for one photo only
    #[arg(long, value_name = "OUT.png")]
    pub(crate) draw: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Match {
    /// A photo
    pub(crate) first: PathBuf,
    /// Another one
    pub(crate) second: PathBuf,
    /// Write both photos with their matched parts (.png or .jpg)
    #[arg(long, value_name = "OUT.png")]
    pub(crate) draw: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// manifest.csv of a data set, or its folder
    #[arg(long, value_name = "M")]
    pub(crate) manifest: PathBuf,
    /// Vectors: u32 rows, u32 columns, little-endian f32
    #[arg(long, value_name = "V.fbin")]
    pub(crate) out: PathBuf,
    /// Only this split
    #[arg(long)]
    pub(crate) split: Option<String>,
    /// What of each picture is embedded
    #[arg(long = "box", value_enum, default_value_t = BoxOf::Given)]
    pub(crate) region: BoxOf,
    #[command(flatten)]
    pub(crate) models: Models,
}

/// What of a picture is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BoxOf {
    /// The whole picture
    None,
    /// The first box of its row, else the whole picture
    Given,
    /// The garment that the detector chooses, else the whole picture
    Detected,
    /// The garment that it finds where the first box of the row is, as a shopper would tap it
    Tapped,
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    /// Folder of a model package, or of two named `detector` and `embedder`; may be repeated [default: those
    /// inside the binary]
    #[arg(long = "model", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// Is the right product among the first?
    Retrieval(Box<EvalRetrieval>),
    /// Is the same garment told from its near twins, on drawn garments?
    Twins(EvalTwins),
    /// Is a garment found that is shown among others, on drawn garments?
    Clutter(EvalClutter),
    /// Is what is drawn as matched what the score rests on?
    Evidence(EvalEvidence),
    /// Are copies of a picture found, and others left alone?
    Copies(EvalCopies),
    /// How well does a public data set fare, by the protocol of its makers?
    Public(EvalPublic),
    /// Are the garments found?
    Detection(EvalData),
    /// Are they called by their right names?
    Category(EvalData),
    /// Are false claims and poor pictures found?
    Audit(EvalAudit),
    /// Is the index right, fast and small?
    Index(EvalIndex),
    /// Can a network learn from clicks alone? Simulated clicks on drawn garments
    #[cfg(feature = "train")]
    Clicks(EvalClicks),
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct EvalClicks {
    /// Products to learn from
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(6..=1_000_000))]
    pub(crate) products: u64,
    /// Products to measure on, of patterns and grounds that the others never have
    #[arg(long, value_name = "N", default_value_t = 150, value_parser = clap::value_parser!(u64).range(6..=1_000_000))]
    pub(crate) held_out: u64,
    /// Steps of each training of embedders
    #[arg(long, default_value_t = 600)]
    pub(crate) steps: u64,
    /// Steps of the training of boxes
    #[arg(long, default_value_t = 1200)]
    pub(crate) box_steps: u64,
    /// Share of the clicks that robots make
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub(crate) robots: f32,
    /// Only measure virtual ids
    #[arg(long, conflicts_with = "only_boxes")]
    pub(crate) only_ids: bool,
    /// Only measure boxes
    #[arg(long)]
    pub(crate) only_boxes: bool,
    /// Measure the boxes on the split `val` of this data set too; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Vec<PathBuf>,
    /// Keep shop, log and runs here, and go on with what is there
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Of everything that chance decides
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[cfg(feature = "train")]
#[derive(Debug, Subcommand)]
pub(crate) enum Clicks {
    /// Write the log of made-up shoppers, some of them robots, over a data set or a drawn shop
    Simulate(ClicksSimulate),
    /// Group the listings of a log by what is clicked together
    Ids(ClicksIds),
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct ClicksSimulate {
    /// Data set whose train split is searched, or `synth:` for a drawn shop
    #[arg(long, value_name = "DIR", default_value = "synth:")]
    pub(crate) data: PathBuf,
    /// Where to write the log, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where to draw the shop [default: beside the log]
    #[arg(long, value_name = "DIR")]
    pub(crate) shop: Option<PathBuf>,
    /// Products of a drawn shop
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) products: u64,
    /// Searches of people
    #[arg(long, value_name = "N", default_value_t = 8000)]
    pub(crate) searches: usize,
    /// People
    #[arg(long, value_name = "N", default_value_t = 1500)]
    pub(crate) users: usize,
    /// Share of the clicks that robots make
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub(crate) robots: f32,
    /// View of the rows that are shoppers' photos, all others are listings; may be repeated [default: photo]
    #[arg(long = "photo-view", value_name = "VIEW")]
    pub(crate) photo_views: Vec<String>,
    /// Of everything that chance decides
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct ClicksIds {
    /// The log: `twinset clicks simulate`, or the feedback export of a server
    pub(crate) log: PathBuf,
    /// Where to write the groups, as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EvalAudit {
    /// Data set, a catalogue of its own; may be repeated
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Only this split of each [default: all]
    #[arg(long, value_name = "S")]
    pub(crate) split: Option<String>,
    /// Score only products of this split, with the others around them [default: all]
    #[arg(long, value_name = "S")]
    pub(crate) scored: Option<String>,
    /// CSV of `file,colour`: what a person saw where the set itself says something else
    #[arg(long, value_name = "FILE")]
    pub(crate) seen: Option<PathBuf>,
    /// Share of the claims that are made wrong
    #[arg(long, value_name = "SHARE", default_value_t = 0.15)]
    pub(crate) noise: f64,
    /// Times that wrong claims are drawn
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) draws: u64,
    /// Seed of the draws and the intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[derive(Debug, Args)]
pub(crate) struct EvalRetrieval {
    /// Data set of the queries
    #[arg(long, value_name = "DIR")]
    pub(crate) queries: PathBuf,
    /// Its split [default: all]
    #[arg(long, value_name = "S")]
    pub(crate) query_split: Option<String>,
    /// Data set of the gallery; may be repeated
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "leave_one_out",
        conflicts_with = "leave_one_out"
    )]
    pub(crate) gallery: Vec<PathBuf>,
    /// Split of the gallery [default: all]
    #[arg(long, value_name = "S")]
    pub(crate) gallery_split: Option<String>,
    /// Only gallery pictures of this view, such as `main`; may be repeated [default: all]
    #[arg(long, value_name = "VIEW")]
    pub(crate) gallery_view: Vec<String>,
    /// Only queries of this view; may be repeated [default: all]
    #[arg(long, value_name = "VIEW")]
    pub(crate) query_view: Vec<String>,
    /// More gallery pictures, which are nobody's answer; may be repeated
    #[arg(long, value_name = "DIR:SPLIT")]
    pub(crate) distractors: Vec<String>,
    /// What of a query is searched
    #[arg(long, value_enum, default_value_t = BoxOf::Detected)]
    pub(crate) query_box: BoxOf,
    /// What of a gallery picture is embedded
    #[arg(long, value_enum, default_value_t = BoxOf::Detected)]
    pub(crate) gallery_box: BoxOf,
    /// What counts as found
    #[arg(long, value_enum, default_value_t = IdColumn::ItemId)]
    pub(crate) id: IdColumn,
    /// Queries are the gallery, and none finds itself
    #[arg(long)]
    pub(crate) leave_one_out: bool,
    /// Weights of the score [default: those inside the binary, if they were fitted for this embedder]
    #[arg(long, value_name = "FILE")]
    pub(crate) fusion: Option<PathBuf>,
    /// The gallery keeps its local features in the compact form, as with the setting `compact_features`
    #[arg(long)]
    pub(crate) compact_features: bool,
    #[command(flatten)]
    pub(crate) by: Searching,
}

/// How measured searches are made and told of.
#[derive(Debug, Args)]
pub(crate) struct Searching {
    /// Do not compare the best candidates part by part
    #[arg(long)]
    pub(crate) no_rerank: bool,
    /// What to measure beside; `none` for nothing
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMES",
        default_value = "colour_histogram,random_weights,hog,raw_pixels"
    )]
    pub(crate) baselines: Vec<String>,
    /// Where to write one JSON line a query [default of `eval retrieval`: a file in HOME/evaluations]
    #[arg(long, value_name = "FILE")]
    pub(crate) per_query: Option<PathBuf>,
    /// Seed of random weights and intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[derive(Debug, Args)]
pub(crate) struct EvalPublic {
    /// in-shop, consumer-to-shop, deepfashion2, stanford-online-products or grocery-store
    #[arg(value_name = "NAME", value_parser = public_set)]
    pub(crate) set: twinset_dataset::PublicSet,
    /// Folder that it was unpacked into
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) by: Searching,
}

#[derive(Debug, Args)]
pub(crate) struct EvalTwins {
    /// Families of three products [default: all of the frozen set]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) families: Option<u64>,
    /// Keep the drawn set in this folder, in the data layout [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Weights of the score [default: those inside the binary, if they were fitted for this embedder]
    #[arg(long, value_name = "FILE")]
    pub(crate) fusion: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[derive(Debug, Args)]
pub(crate) struct EvalClutter {
    /// Products, each asked for with two photos [default: all of the frozen set]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=30_000))]
    pub(crate) products: Option<u64>,
    /// Keep the drawn set in this folder, in the data layout [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Weights of the score [default: those inside the binary, if they were fitted for this embedder]
    #[arg(long, value_name = "FILE")]
    pub(crate) fusion: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[derive(Debug, Args)]
pub(crate) struct EvalEvidence {
    /// Families of three drawn products
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    pub(crate) families: u64,
    /// Weights of the score [default: those inside the binary, if they were fitted for this embedder]
    #[arg(long, value_name = "FILE")]
    pub(crate) fusion: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[derive(Debug, Args)]
pub(crate) struct EvalCopies {
    /// Pictures to edit; may be repeated [default: drawn ones]
    #[arg(long, value_name = "DIR:SPLIT")]
    pub(crate) data: Vec<String>,
    /// At most so many pictures
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub(crate) pictures: usize,
    /// At most so many pairs of different products
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) false_pairs: usize,
    /// Seed of edits and intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// The column of a manifest that tells whether a hit is right.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum IdColumn {
    ItemId,
    VariantId,
    Category,
}

#[derive(Debug, Args)]
pub(crate) struct EvalData {
    /// Data set
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Its split [default: all]
    #[arg(long, value_name = "S")]
    pub(crate) split: Option<String>,
    /// Seed of the intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[derive(Debug, Args)]
pub(crate) struct EvalIndex {
    /// Vectors to search in (.fbin)
    #[arg(long, value_name = "F")]
    pub(crate) base: PathBuf,
    /// Vectors to search for (.fbin)
    #[arg(long, value_name = "F")]
    pub(crate) queries: PathBuf,
    /// Answers wanted
    #[arg(short = 'k', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) k: u16,
    /// How vectors are compared; `ip` needs vectors of length 1
    #[arg(long, value_enum, default_value_t = MetricName::Ip)]
    pub(crate) metric: MetricName,
    /// Which index
    #[arg(long, value_enum, default_value_t = IndexKind::Exact)]
    pub(crate) index: IndexKind,
    /// Only the first so many queries
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MetricName {
    Ip,
    L2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IndexKind {
    /// Compares with every vector
    Exact,
    /// Walks a graph over quantised vectors
    Graph,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// How far it is
    Status(InCatalogue),
    /// Compare it with the catalogue
    Verify(InCatalogue),
    /// Make it anew from the catalogue
    Rebuild(InCatalogue),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Packages of the program and of the home, and the catalogues that use them
    List,
    /// The card of a package
    Show {
        /// `detector` or `embedder` for those inside the binary, a package's folder, or the name or first hash digits
        /// of one that is kept in the home [default: both inside]
        which: Option<String>,
    },
    /// Keep a model in the home, so that it can be used by name: our own packages, ONNX files, vision transformers
    Import(ModelImport),
    /// Bring a model from a model hub, and keep it
    Pull(ModelPull),
    /// Take other models into use: build beside, compare, swap
    Use(ModelUse),
    /// Go back to the models that were in use before
    Rollback(InCatalogue),
}

#[derive(Debug, Args)]
pub(crate) struct ModelImport {
    /// Folder of a package, or of two named `detector` and `embedder`; an ONNX file or model.safetensors of a vision
    /// transformer, or a folder laid out as models are published
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// ONNX file of the text tower [default: text_model.onnx beside the model]
    #[arg(long, value_name = "FILE")]
    pub(crate) text: Option<PathBuf>,
    /// How words become ids [default: tokenizer.json beside the model]
    #[arg(long, value_name = "FILE")]
    pub(crate) tokenizer: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) told: ModelTold,
}

/// What a brought model does not tell itself.
#[derive(Debug, Args)]
pub(crate) struct ModelTold {
    /// Name for its card [default: the file's or the hub's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// `embedder` or `detector` [default: by its outputs]
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// How it takes pixels: `clip`, `siglip`, `imagenet`, `half` or `plain`; of a detector what its outputs are:
    /// `yolo-columns`, `yolo-rows`, `yolo-objectness`, `final`, `detr`, `detr-softmax`, `deployed` [default: found out]
    #[arg(long)]
    pub(crate) family: Option<String>,
    /// Side of its input in pixels [default: found out]
    #[arg(long, value_name = "PX")]
    pub(crate) side: Option<usize>,
    /// Mean of red, green and blue, in 0..=1
    #[arg(long, value_name = "R,G,B", value_parser = three)]
    pub(crate) mean: Option<Three>,
    /// Standard deviation of red, green and blue
    #[arg(long, value_name = "R,G,B", value_parser = three)]
    pub(crate) std: Option<Three>,
    /// Margin around a box, as a share of its longer side [default: 0.1]
    #[arg(long)]
    pub(crate) margin: Option<f32>,
    /// Categories of a detector, in the order of its outputs [default: as the file says]
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    pub(crate) categories: Vec<String>,
    /// Certainty from which it reports a garment [default: 0.25]
    #[arg(long)]
    pub(crate) threshold: Option<f32>,
    /// Licence of its weights, for the card
    #[arg(long)]
    pub(crate) licence: Option<String>,
}

/// One number for each colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Three(pub(crate) [f32; 3]);

fn three(text: &str) -> Result<Three, String> {
    let numbers: Vec<f32> =
        text.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|e| format!("{e}"))?;
    Ok(Three(numbers.try_into().map_err(|_| "three numbers are needed, R,G,B".to_owned())?))
}

#[derive(Debug, Args)]
pub(crate) struct ModelPull {
    /// OWNER/NAME on the hub
    pub(crate) id: String,
    /// Branch, tag or commit
    #[arg(long, default_value = "main")]
    pub(crate) revision: String,
    /// The graph or weights to take, as the hub lists it [default: the usual names, graphs before weights]
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<String>,
    /// Address of the hub
    #[arg(long, env = "TWINSET_HUB", value_name = "URL", default_value = "https://huggingface.co")]
    pub(crate) hub: String,
    #[command(flatten)]
    pub(crate) told: ModelTold,
}

#[derive(Debug, Args)]
pub(crate) struct ModelUse {
    #[command(flatten)]
    pub(crate) of: InCatalogue,
    /// Folder, name or first hash digits of a package; `shipped` for those inside the binary. What is not named is
    /// the binary's own
    #[arg(required = true)]
    pub(crate) models: Vec<String>,
    /// Take them even if they find less, or if nothing can be said about it
    #[arg(long)]
    pub(crate) force: bool,
    /// Threads that look at pictures [default: half the cores]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) threads: usize,
    /// Share of their time that these threads work
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    pub(crate) share: f32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Train {
    /// Finds garments
    #[cfg(feature = "train")]
    Detector(TrainArgs),
    /// Turns crops into embeddings
    #[cfg(feature = "train")]
    Embedder(TrainArgs),
    /// Learns an embedder, and boxes that nobody drew, from a click log
    #[cfg(feature = "train")]
    Clicks(TrainArgs),
    /// Turns what is known of a pair into the probability that both are the same; a few minutes, for each embedder
    Fusion(TrainFusion),
}

#[derive(Debug, Args)]
pub(crate) struct TrainFusion {
    /// Data set with several views of its products, of which the split `train` is used, or `synth:` for drawn ones;
    /// may be repeated [default: synth:]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Vec<String>,
    /// Where to write the weights
    #[arg(long, value_name = "FILE", default_value = "fusion.json")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// TOML or JSON file with the options; arguments win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data set to train on, `synth:` for drawn garments, `catalogue:NAME` to fit the shipped model to a shop's own
    /// products, or `clicks:FILE` for a click log, whose virtual ids take the place of the sets' own; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Vec<String>,
    /// Run folder: checkpoints, metrics and the package
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Package to start from
    #[arg(long, value_name = "DIR")]
    pub(crate) init: Option<PathBuf>,
    /// Embedder that teaches this one: a kept model by name, or a package's folder, brought or not. Or a folder of its
    /// features
    #[arg(long, value_name = "MODEL", conflicts_with = "window")]
    pub(crate) teacher: Option<String>,
    /// Go on from the last checkpoint of the run folder
    #[arg(long)]
    pub(crate) resume: bool,
    /// Optimiser steps
    #[arg(long)]
    pub(crate) steps: Option<u64>,
    /// contrastive, proxy-anchor for a closed set of products, or sub-centre-arcface for ids that are partly wrong
    /// [default: contrastive]
    #[arg(long)]
    pub(crate) loss: Option<twinset_train::Loss>,
    /// Bring products into one batch that the network takes for each other
    #[arg(long, conflicts_with = "window")]
    pub(crate) mine: bool,
    /// Batches whose gradients make one step [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) accumulate: Option<u64>,
    /// Keep this share of the train split's products from training, look for them at every checkpoint, and take the
    /// checkpoint that finds most
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) hold_out: Option<f32>,
    /// End after so many checkpoints without a better one; needs --hold-out
    #[arg(long, value_name = "N", requires = "hold_out")]
    pub(crate) patience: Option<u64>,
    /// Read the sets window by window, so many rows each: memory does not grow with the data
    #[arg(long, value_name = "ROWS")]
    pub(crate) window: Option<usize>,
    /// Only look for a good learning rate: a few steps while it rises
    #[arg(long, conflicts_with = "resume")]
    pub(crate) find_rate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

fn public_set(text: &str) -> Result<twinset_dataset::PublicSet, String> {
    let names = twinset_dataset::PublicSet::ALL.map(|set| set.name());
    twinset_dataset::PublicSet::named(text).ok_or_else(|| format!("known are {}", names.join(", ")))
}

/// Above 0, at most 1.
fn share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|v: &f32| *v > 0.0 && *v <= 1.0);
    share.ok_or_else(|| "expected a number above 0 and at most 1".to_owned())
}

/// `X,Y,W,H`.
fn rect(text: &str) -> Result<twinset_photo::Rect, String> {
    let numbers: Vec<f32> = text
        .split(',')
        .map(|part| part.trim().parse().ok().filter(|v: &f32| v.is_finite()))
        .collect::<Option<_>>()
        .ok_or("expected four numbers, X,Y,W,H")?;
    match numbers[..] {
        [x, y, w, h] if w > 0.0 && h > 0.0 => Ok(twinset_photo::Rect { x, y, w, h }),
        [_, _, _, _] => Err("width and height must be above 0".to_owned()),
        _ => Err("expected four numbers, X,Y,W,H".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn boxes_are_four_numbers() {
        assert!(rect("1,2,3,4.5").is_ok());
        for bad in ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "a,b,c,d", "1,2,nan,4"] {
            assert!(rect(bad).is_err(), "{bad}");
        }
    }
}
