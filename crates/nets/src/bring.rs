//! Finds out how a brought model wants to be spoken to, by running it, and makes a package of it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinset_brought::{Array, BroughtError, Graph, Numbers, Outline, Port, Words, vit};
use twinset_photo::Photo;

use twinset_disk::RealDisk;

use crate::architecture::{MODEL, TEXT_MODEL, TOKENIZER};
use crate::brought::{fits, picture, pooled};
use crate::package::read_inside;
use crate::{
    Boxes, Card, Layout, NetError, OnnxDetector, OnnxEmbedder, Package, Pixels, Pool, TextTower, Tokens,
};

/// The files of a brought model, as they came.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    /// An ONNX graph, or with `is_safetensors` the weights of a vision transformer.
    pub model: Vec<u8>,
    /// What `model` is.
    pub is_safetensors: bool,
    /// The ONNX graph of a text tower.
    pub text: Option<Vec<u8>>,
    /// `tokenizer.json`.
    pub tokenizer: Option<Vec<u8>>,
    /// `config.json`.
    pub config: Option<Vec<u8>>,
    /// `preprocessor_config.json`.
    pub preprocessor: Option<Vec<u8>>,
}

/// Where exports for the web and published models keep their graphs, best first; the last one is bare weights.
const GRAPHS: [&str; 6] = [
    "onnx/vision_model.onnx",
    "vision_model.onnx",
    "onnx/model.onnx",
    "model.onnx",
    "visual.onnx",
    "model.safetensors",
];
const TEXT_GRAPHS: [&str; 3] = ["onnx/text_model.onnx", "text_model.onnx", "textual.onnx"];
const SIDE_FILES: [&str; 3] = ["tokenizer.json", "config.json", "preprocessor_config.json"];
/// Largest graph or weights, and largest of the other files, in bytes.
const MAX_MODEL: u64 = (2 << 30) - 1;
const MAX_SIDE_FILE: u64 = 64 << 20;

impl Brought {
    /// Which of a published model's `files` make it up: its graph or weights (`wanted`, if named), the text tower's,
    /// and what tells of them.
    #[must_use]
    pub fn choose<'a>(files: &[&'a str], wanted: Option<&str>) -> Vec<&'a str> {
        let find = |name: &str| files.iter().copied().find(|file| *file == name);
        let model = match wanted {
            Some(name) => find(name),
            None => GRAPHS.iter().find_map(|name| find(name)),
        };
        let lone = || {
            let mut graphs = files.iter().copied().filter(|file| file.ends_with(".onnx"));
            graphs.next().filter(|_| graphs.next().is_none())
        };
        let model = if wanted.is_some() { model } else { model.or_else(lone) };
        let text = TEXT_GRAPHS
            .iter()
            .find_map(|name| find(name))
            .filter(|_| model.is_some_and(|model| !model.ends_with(".safetensors")));
        let beside = SIDE_FILES.iter().filter_map(|name| find(name));
        model.map_or_else(Vec::new, |model| [model].into_iter().chain(text).chain(beside).collect())
    }

    /// Reads a brought model from a folder laid out as models are published, or from one `.onnx` or `.safetensors` file
    /// with what lies beside it. Only files of that folder are read.
    ///
    /// # Errors
    /// Nothing of the kind is there, a file is too large or leads out of its folder.
    pub fn gather(path: &Path, text: Option<&Path>, tokenizer: Option<&Path>) -> Result<Self, NetError> {
        let named = |path: &Path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (folder.to_path_buf(), name.unwrap_or_default())
        };
        let (folder, wanted) = if path.is_dir() {
            (path.to_path_buf(), None)
        } else {
            let (folder, name) = named(path);
            (folder, Some(name))
        };
        let known = GRAPHS.iter().chain(&TEXT_GRAPHS).chain(&SIDE_FILES).map(|name| (*name).to_owned());
        let mut there: Vec<String> = known.filter(|name| folder.join(name).is_file()).collect();
        there.extend(wanted.clone().filter(|name| !there.contains(name)));
        if wanted.is_none() && there.iter().all(|name| !GRAPHS.contains(&name.as_str())) {
            let lying = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
            there.extend(
                lying.filter_map(|e| e.file_name().into_string().ok()).filter(|name| name.ends_with(".onnx")),
            );
        }
        let names: Vec<&str> = there.iter().map(String::as_str).collect();
        let chosen = Self::choose(&names, wanted.as_deref());
        let Some((&model, beside)) = chosen.split_first() else {
            return Err(NetError::Unusable(format!(
                "in {} is neither a package (card.json) nor one ONNX file, nor model.safetensors",
                folder.display()
            )));
        };
        let mut brought = Self {
            model: read_inside(&RealDisk, &folder, model, "the model", MAX_MODEL)?,
            is_safetensors: model.ends_with(".safetensors"),
            ..Self::default()
        };
        for &name in beside {
            let most = if name.ends_with(".onnx") { MAX_MODEL } else { MAX_SIDE_FILE };
            let bytes = Some(read_inside(&RealDisk, &folder, name, "a file of the model", most)?);
            match name {
                "tokenizer.json" => brought.tokenizer = bytes,
                "config.json" => brought.config = bytes,
                "preprocessor_config.json" => brought.preprocessor = bytes,
                _ => brought.text = bytes,
            }
        }
        if let Some(path) = text {
            let (folder, name) = named(path);
            brought.text = Some(read_inside(&RealDisk, &folder, &name, "the text tower", MAX_MODEL)?);
        }
        if let Some(path) = tokenizer {
            let (folder, name) = named(path);
            brought.tokenizer = Some(read_inside(&RealDisk, &folder, &name, "the tokenizer", MAX_SIDE_FILE)?);
        }
        Ok(brought)
    }
}

/// What is told about a brought model instead of found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// For the card.
    pub name: String,
    /// `embedder` or `detector`.
    pub kind: Option<String>,
    /// `clip`, `siglip`, `imagenet`, `half` or `plain`: how pixels become numbers. For a detector also what its outputs
    /// mean, as [`Boxes`] names it.
    pub family: Option<String>,
    /// Side of the input in pixels.
    pub side: Option<usize>,
    /// Of red, green and blue, in 0..=1.
    pub mean: Option<[f32; 3]>,
    /// Of red, green and blue.
    pub std: Option<[f32; 3]>,
    /// Around a box, as a share of its longer side.
    pub margin: Option<f32>,
    /// Of a detector, in the order of its outputs.
    pub categories: Vec<String>,
    /// Certainty from which a detector reports a garment.
    pub threshold: Option<f32>,
    /// Under which its makers give it away.
    pub licence: Option<String>,
    /// Where it came from.
    pub origin: Option<String>,
}

/// How pixels become numbers in the well-known families: mean, standard deviation.
const CLIP: ([f32; 3], [f32; 3]) =
    ([0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_6, 0.275_777_1]);
const HALF: ([f32; 3], [f32; 3]) = ([0.5; 3], [0.5; 3]);
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
const PLAIN: ([f32; 3], [f32; 3]) = ([0.0; 3], [1.0; 3]);

/// Sides tried where neither the graph nor the caller says one; embedders first.
const SIDES: [usize; 7] = [224, 640, 384, 256, 336, 320, 512];
/// Lengths tried for words.
const LENGTHS: [usize; 6] = [77, 64, 32, 128, 16, 512];
/// Names under which exports give a picture's vector, best first.
const VECTORS: [&str; 8] = [
    "image_embeds",
    "image_embeddings",
    "image_features",
    "embeddings",
    "embedding",
    "sentence_embedding",
    "pooler_output",
    "features",
];
/// The same of a text's vector.
const TEXT_VECTORS: [&str; 5] =
    ["text_embeds", "text_embeddings", "text_features", "sentence_embedding", "pooler_output"];
/// Margin around a box where none is told; that of our own embedder.
const MARGIN: f32 = 0.1;
/// Most tokens before those of the parts: a class token and registers.
const MAX_SKIP: usize = 8;
/// Classes of a detector whose outputs do not tell how many there are.
const CLASSES_UNTOLD: usize = 80;

/// Makes a package: reads the files, finds inputs and outputs, and runs the graph on two pictures (and two texts) to
/// see that it answers with what a search can use. Runs in the engine that is always there. The second part of the
/// result says in words what was found out.
///
/// # Errors
/// The first thing that is wrong, with what could be told to help.
pub fn bring(brought: Brought, told: &Told) -> Result<(Package, Vec<String>), NetError> {
    let mut brought = brought;
    let mut notes = Vec::new();
    let mut family = told.family.clone();
    if brought.is_safetensors {
        let tower = vit::write_down(&brought.model, brought.config.as_deref(), told.side)?;
        notes.push(format!("a vision transformer of the family {}, at {} px", tower.family, tower.side));
        family.get_or_insert_with(|| of_transformer(tower.family).into());
        brought.model = tower.onnx;
        brought.text = tower.text.or(brought.text);
    }
    let look = Look::at(&brought, told)?;
    let kind = match told.kind.as_deref() {
        Some(kind @ ("embedder" | "detector")) => kind,
        Some(other) => {
            return Err(NetError::Unusable(format!("a model is an embedder or a detector, not a {other}")));
        }
        None => look.kind()?,
    };
    notes.push(format!("{kind}, picture in {:?} as {:?} of {} px", look.port.name, look.layout, look.side));
    if kind == "detector" {
        look.detector(brought, told, family.as_deref(), notes)
    } else {
        look.embedder(brought, told, family.as_deref(), notes)
    }
}

fn of_transformer(family: &str) -> &'static str {
    match family {
        "clip" => "clip",
        "siglip" | "vit" => "half",
        _ => "imagenet",
    }
}

/// A graph that has been run once.
struct Look {
    graph: Graph,
    port: Port,
    layout: Layout,
    side: usize,
    /// Takes the photo's size.
    size: Option<String>,
    /// The outputs that a picture alone gives.
    outputs: Vec<(String, Array)>,
    preprocessor: Value,
    config: Value,
}

impl Look {
    fn at(brought: &Brought, told: &Told) -> Result<Self, NetError> {
        let json = |bytes: &Option<Vec<u8>>, name: &str| match bytes {
            Some(bytes) => {
                serde_json::from_slice(bytes).map_err(|e| NetError::Unusable(format!("{name}: {e}")))
            }
            None => Ok(Value::Null),
        };
        let preprocessor = json(&brought.preprocessor, "preprocessor_config.json")?;
        let config = json(&brought.config, "config.json")?;
        let graph = Graph::open_in_rten(&brought.model)?;
        let outline = graph.outline();
        let is_picture = |port: &&Port| port.is_float && port.shape.len() == 4;
        let port = outline.inputs.iter().find(is_picture).cloned().ok_or_else(|| {
            let inputs: Vec<&str> = outline.inputs.iter().map(|p| p.name.as_str()).collect();
            NetError::Unusable(format!(
                "no input takes a picture (floats of four axes) among {}; quantised inputs are not taken",
                inputs.join(", ")
            ))
        })?;
        let layout = match port.shape[..] {
            [_, Some(3), _, _] => Layout::Nchw,
            [_, _, _, Some(3)] => Layout::Nhwc,
            [_, None, _, _] => Layout::Nchw,
            _ => {
                return Err(NetError::Unusable(format!(
                    "input {:?} takes no picture of three colours",
                    port.name
                )));
            }
        };
        let sides = match (layout, &port.shape[..]) {
            (Layout::Nchw, [_, _, h, w]) | (Layout::Nhwc, [_, h, w, _]) => [*h, *w],
            _ => [None, None],
        };
        let fixed = match sides {
            [Some(h), Some(w)] if h != w => {
                return Err(NetError::Unusable(format!(
                    "it takes pictures of {h} x {w}; only squares are given"
                )));
            }
            [h, w] => h.or(w),
        };
        if let (Some(fixed), Some(side)) = (fixed, told.side)
            && fixed != side
        {
            return Err(NetError::Unusable(format!("it takes pictures of {fixed} px, not of {side}")));
        }
        let size = outline
            .inputs
            .iter()
            .find(|p| !p.is_float && p.shape.len() == 2 && p.shape[1] == Some(2))
            .map(|p| p.name.clone());
        let hinted = ["crop_size", "size"].iter().find_map(|name| {
            let size = preprocessor.get(name)?;
            let side = size.get("height").or_else(|| size.get("shortest_edge")).unwrap_or(size);
            side.as_u64().map(|n| n as usize)
        });
        let candidates: Vec<usize> = match fixed.or(told.side) {
            Some(side) => vec![side],
            None => hinted.into_iter().chain(SIDES).collect(),
        };
        let mut trouble = None;
        for side in candidates.into_iter().filter(|side| (16..=2048).contains(side)) {
            let mut look = Self {
                graph: Graph::open_in_rten(&brought.model)?,
                port: port.clone(),
                layout,
                side,
                size: size.clone(),
                outputs: Vec::new(),
                preprocessor: preprocessor.clone(),
                config: config.clone(),
            };
            match look.run_all() {
                Ok(()) => return Ok(look),
                Err(error) => _ = trouble.get_or_insert(error),
            }
        }
        Err(trouble
            .unwrap_or_else(|| NetError::Unusable("no side from 16 to 2048 px can be given to it".into())))
    }

    fn pixels(&self, (mean, std): ([f32; 3], [f32; 3])) -> Pixels {
        Pixels { input: self.port.name.clone(), layout: self.layout, mean, std }
    }

    fn inputs(&self, seed: u32, pixels: &Pixels) -> Vec<(&str, Array)> {
        let mut inputs = vec![(self.port.name.as_str(), picture(&drawn(self.side, seed), self.side, pixels))];
        let side = self.side as i64;
        inputs.extend(self.size.as_deref().map(|name| (name, Array::int(&[1, 2], vec![side, side]))));
        inputs
    }

    /// Runs every output that the picture alone gives.
    fn run_all(&mut self) -> Result<(), NetError> {
        let pixels = self.pixels(PLAIN);
        let mut trouble = None;
        let names: Vec<String> = self.graph.outline().outputs.iter().map(|p| p.name.clone()).collect();
        let mut found = Vec::new();
        for name in names {
            match self.graph.run(&self.inputs(1, &pixels), &[&name]) {
                Ok(arrays) => found.extend(arrays.into_iter().map(|array| (name.clone(), array))),
                Err(error) => _ = trouble.get_or_insert(error),
            }
        }
        self.outputs = found;
        match trouble {
            Some(error) if self.outputs.is_empty() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// By the shapes of its outputs, or what its makers noted.
    fn kind(&self) -> Result<&'static str, NetError> {
        if self.outputs.iter().any(|(name, _)| VECTORS.contains(&name.as_str())) {
            return Ok("embedder");
        }
        if self.boxes(None).is_some() {
            return Ok("detector");
        }
        if self.vector().is_some() {
            return Ok("embedder");
        }
        Err(NetError::Unusable(format!(
            "its outputs {} are neither vectors nor boxes known here",
            self.shapes()
        )))
    }

    fn shapes(&self) -> String {
        let told: Vec<String> =
            self.outputs.iter().map(|(name, a)| format!("{name} {:?}", a.shape)).collect();
        told.join(", ")
    }

    fn mean_and_std(
        &self,
        told: &Told,
        family: Option<&str>,
        usual: ([f32; 3], [f32; 3]),
    ) -> Result<([f32; 3], [f32; 3]), NetError> {
        let three = |name: &str| -> Option<[f32; 3]> {
            serde_json::from_value(self.preprocessor.get(name)?.clone()).ok()
        };
        let is_off = |name: &str| self.preprocessor.get(name) == Some(&Value::Bool(false));
        let of_family = match family {
            Some("clip") => Some(CLIP),
            Some("siglip" | "half" | "vit") => Some(HALF),
            Some("imagenet" | "dino" | "dinov2") => Some(IMAGENET),
            Some("plain") => Some(PLAIN),
            _ => None,
        };
        let (mut mean, mut std) = of_family.unwrap_or(usual);
        if is_off("do_normalize") {
            (mean, std) = PLAIN;
        } else if let (Some(m), Some(s)) = (three("image_mean"), three("image_std")) {
            (mean, std) = (m, s);
        }
        if is_off("do_rescale") {
            // These take 0..=255: the same as 0..=1 over a 255th.
            (mean, std) = (mean.map(|x| x / 255.0), std.map(|x| x / 255.0));
        }
        Ok((told.mean.unwrap_or(mean), told.std.unwrap_or(std)))
    }

    fn card(&self, told: &Told, kind: &str, architecture: Value, categories: Vec<String>) -> Value {
        let outline = self.graph.outline();
        json!({
            "name": told.name, "kind": kind, "architecture": architecture, "categories": categories,
            "licences": told.licence.iter().collect::<Vec<_>>(), "data": [],
            "recipe": {
                "brought": true, "origin": told.origin, "producer": outline.producer,
                "operators": outline.nodes, "parameters": outline.parameters,
            },
            "threshold": told.threshold.unwrap_or(0.25),
        })
    }

    /// The output that holds a picture's vector, and how.
    fn vector(&self) -> Option<(String, Pool, usize)> {
        let flat = |a: &Array| match a.shape[..] {
            [1, dim] | [1, dim, 1, 1] | [1, 1, 1, dim] | [1, 1, dim] if dim >= 4 => Some(dim),
            _ => None,
        };
        let is_float = |a: &Array| matches!(a.numbers, Numbers::Float(_));
        let named = VECTORS.iter().filter_map(|name| self.outputs.iter().find(|(n, _)| n == name));
        let mut all = named.chain(&self.outputs).filter(|(_, a)| is_float(a));
        if let Some((name, array)) = all.find(|(_, a)| flat(a).is_some()) {
            return Some((name.clone(), Pool::All, flat(array)?));
        }
        let tokens = self.tokens()?;
        let pool = if tokens.skip > 0 { Pool::First } else { Pool::Mean };
        Some((tokens.output, pool, tokens.width))
    }

    /// The output that holds vectors of parts.
    fn tokens(&self) -> Option<Tokens> {
        self.outputs.iter().find_map(|(output, array)| {
            let &[1, count, width] = &array.shape[..] else { return None };
            let skip = (0..=MAX_SKIP).find(|&skip| {
                count > skip
                    && (count - skip).isqrt().pow(2) == count - skip
                    && self.side.is_multiple_of((count - skip).isqrt())
            })?;
            let grid = (count - skip).isqrt();
            (grid >= 2 && width >= 4).then(|| Tokens { output: output.clone(), skip, grid, width })
        })
    }

    fn embedder(
        self,
        brought: Brought,
        told: &Told,
        family: Option<&str>,
        mut notes: Vec<String>,
    ) -> Result<(Package, Vec<String>), NetError> {
        let (output, pool, dim) = self.vector().ok_or_else(|| {
            NetError::Unusable(format!("none of its outputs {} is a vector of the picture", self.shapes()))
        })?;
        let tokens = self.tokens();
        let usual = match (output.as_str(), tokens.as_ref().map(|t| t.skip)) {
            ("image_embeds" | "image_embeddings", Some(1) | None) => CLIP,
            (_, Some(0)) => HALF,
            _ => IMAGENET,
        };
        let pixels = self.pixels(self.mean_and_std(told, family, usual)?);
        notes.push(format!("pixels: mean {:?}, std {:?}", pixels.mean, pixels.std));
        let see = |seed| -> Result<Vec<f32>, NetError> {
            let array = self.graph.run(&self.inputs(seed, &pixels), &[&output])?.pop();
            pooled(array.ok_or_else(|| NetError::Unusable("it gives no vector".into()))?, pool)
        };
        let cosine = cosine(&see(1)?, &see(2)?);
        if !is_apart(cosine) {
            return Err(NetError::Unusable(format!(
                "output {output:?} gives the same vector for two unlike pictures (cosine {cosine:.6})"
            )));
        }
        notes.push(format!("vector of {dim} from {output:?}; cosine of two unlike drawings {cosine:.3}"));
        match &tokens {
            Some(t) => notes.push(format!("parts: {} x {} of {:?}", t.grid, t.grid, t.output)),
            None => notes.push("no vectors of parts: hits are compared as a whole".into()),
        }
        let text = self.text(&brought, dim, &mut notes)?;
        let mut files = vec![(MODEL, brought.model)];
        if let Some(text) = &text {
            files.extend(brought.text.filter(|_| text.own_graph).map(|bytes| (TEXT_MODEL, bytes)));
            files.extend(brought.tokenizer.map(|bytes| (TOKENIZER, bytes)));
        }
        let side = self.side;
        let margin = told.margin.unwrap_or(MARGIN);
        let architecture = crate::Architecture::OnnxEmbedder(OnnxEmbedder {
            side,
            margin,
            pixels,
            output,
            pool,
            dim,
            tokens,
            text,
        });
        let architecture =
            serde_json::to_value(architecture).map_err(|e| NetError::BadCard(e.to_string()))?;
        let card = self.card(told, "embedder", architecture, Vec::new());
        Ok((package(&card, files)?, notes))
    }

    /// The text tower, if there is one that fits the vectors of pictures.
    fn text(
        &self,
        brought: &Brought,
        dim: usize,
        notes: &mut Vec<String>,
    ) -> Result<Option<TextTower>, NetError> {
        let own = brought.text.as_deref().map(Graph::open_in_rten).transpose()?;
        let graph = own.as_ref().unwrap_or(&self.graph);
        let Some(outline) = Some(graph.outline()).filter(|o| own.is_some() || reads(o)) else {
            return Ok(None);
        };
        let Some(tokenizer) = &brought.tokenizer else {
            notes.push("a text tower, but no tokenizer.json beside it: words are not read".into());
            return Ok(None);
        };
        let takes = |port: &&Port| !port.is_float && port.shape.len() == 2;
        let ids = outline.inputs.iter().filter(takes).find(|p| p.name.contains("id"));
        let ids = ids.or_else(|| outline.inputs.iter().find(takes));
        let ids = ids.ok_or_else(|| NetError::Unusable("the text tower takes no ids of words".into()))?;
        let mask =
            outline.inputs.iter().filter(takes).find(|p| p.name.contains("mask")).map(|p| p.name.clone());
        let lengths: Vec<usize> = match ids.shape[1] {
            Some(fixed) => vec![fixed],
            None => Words::told_length(tokenizer).into_iter().chain(LENGTHS).collect(),
        };
        let output = TEXT_VECTORS
            .iter()
            .find_map(|name| outline.output(name))
            .or_else(|| outline.outputs.iter().find(|p| p.is_float && p.shape.len() == 2));
        let output = output.ok_or_else(|| NetError::Unusable("the text tower gives no vector".into()))?;
        let read = |words: &Words, text: &str| -> Result<Vec<f32>, BroughtError> {
            let (given, shown) = words.ids(text)?;
            let shape = [1, given.len()];
            let mut inputs = vec![(ids.name.as_str(), Array::int(&shape, given))];
            inputs.extend(mask.as_deref().map(|name| (name, Array::int(&shape, shown))));
            Ok(graph.run(&inputs, &[&output.name])?.pop().map(Array::into_floats).unwrap_or_default())
        };
        let mut trouble = None;
        for length in lengths.into_iter().filter(|length| (1..=1024).contains(length)) {
            let words = Words::read(tokenizer, length)?;
            let (one, other) = match (read(&words, "a red dress"), read(&words, "blue striped shirt")) {
                (Ok(one), Ok(other)) => (one, other),
                (Err(error), _) | (_, Err(error)) => {
                    trouble.get_or_insert(error);
                    continue;
                }
            };
            if one.len() != dim {
                let found = one.len();
                return Err(NetError::Unusable(format!(
                    "its words become vectors of {found} numbers, its pictures of {dim}: these towers are not of one model"
                )));
            }
            let cosine = cosine(&one, &other);
            if !is_apart(cosine) {
                return Err(NetError::Unusable(format!(
                    "the text tower gives the same vector for unlike words (cosine {cosine:.6}); is the tokenizer its own?"
                )));
            }
            notes.push(format!("reads words, {length} ids, as {:?}", output.name));
            return Ok(Some(TextTower {
                own_graph: own.is_some(),
                ids: ids.name.clone(),
                mask: mask.clone(),
                length,
                output: output.name.clone(),
            }));
        }
        Err(trouble.map_or_else(
            || NetError::Unusable("no length of text can be given to it".into()),
            NetError::from,
        ))
    }

    /// What the outputs mean as boxes, and which they are.
    fn boxes(&self, told: Option<&str>) -> Option<(Boxes, Vec<String>)> {
        let shape = |i: usize| &self.outputs[i].1.shape[..];
        let is_int = |i: usize| matches!(self.outputs[i].1.numbers, Numbers::Int(_));
        let name = |i: usize| self.outputs[i].0.clone();
        let all = 0..self.outputs.len();
        let corners = all.clone().find(|&i| matches!(shape(i), [1, _, 4]));
        let told = told.and_then(|family| serde_json::from_value::<Boxes>(json!(family)).ok());
        if let Some(corners) = corners {
            let flat: Vec<usize> =
                all.clone().filter(|&i| shape(i).len() == 2 && shape(i)[1] == shape(corners)[1]).collect();
            let labels = flat.iter().copied().find(|&i| name(i).contains("label") || is_int(i));
            let scores = flat.iter().copied().find(|&i| Some(i) != labels);
            if let (Some(labels), Some(scores)) = (labels, scores) {
                return Some((Boxes::Deployed, vec![name(labels), name(corners), name(scores)]));
            }
            let beside =
                |i: &usize| *i != corners && matches!(shape(*i), [1, q, _] if *q == shape(corners)[1]);
            let logits = all.clone().find(beside)?;
            let softmax = self.config.get("model_type").and_then(Value::as_str).is_some_and(|kind| {
                matches!(kind, "detr" | "yolos" | "conditional_detr_softmax" | "table-transformer")
            });
            let boxes = told.unwrap_or(if softmax { Boxes::DetrSoftmax } else { Boxes::Detr });
            return Some((boxes, vec![name(logits), name(corners)]));
        }
        let cells: usize = [8, 16, 32].iter().map(|stride| (self.side / stride).pow(2)).sum();
        let known = |count: usize| count == cells || count == 3 * cells;
        let noted = self.graph.outline().notes.get("names").map(|names| listed(names).len());
        all.clone().find_map(|i| {
            let &[1, a, b] = shape(i) else { return None };
            let boxes = match (a, b) {
                _ if told.is_some() => told?,
                (_, 6) if (1..=1000).contains(&a) && noted.is_none_or(|n| n + 4 != 6 || !known(a)) => {
                    Boxes::Final
                }
                _ if known(b) && a > 4 => Boxes::YoloColumns,
                _ if known(a) && noted.is_some_and(|n| b == n + 4) => Boxes::YoloRows,
                _ if known(a) && b > 5 => Boxes::YoloObjectness,
                _ => return None,
            };
            fits(boxes, std::slice::from_ref(&self.outputs[i].1)).ok()?;
            Some((boxes, vec![name(i)]))
        })
    }

    fn detector(
        self,
        brought: Brought,
        told: &Told,
        family: Option<&str>,
        mut notes: Vec<String>,
    ) -> Result<(Package, Vec<String>), NetError> {
        let (boxes, outputs) = self.boxes(family).ok_or_else(|| {
            NetError::Unusable(format!(
                "its outputs {} are no boxes known here; --family tells what they are",
                self.shapes()
            ))
        })?;
        let usual = if boxes == Boxes::DetrSoftmax { IMAGENET } else { PLAIN };
        let pixels = self.pixels(self.mean_and_std(told, family, usual)?);
        let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let found = self.graph.run(&self.inputs(1, &pixels), &names)?;
        fits(boxes, &found)?;
        let shape = &found[0].shape;
        let classes = match boxes {
            Boxes::YoloColumns => Some(shape[1] - 4),
            Boxes::YoloRows => Some(shape[2] - 4),
            Boxes::YoloObjectness => Some(shape[2] - 5),
            Boxes::Detr => Some(shape[2]),
            Boxes::DetrSoftmax => Some(shape[2] - 1),
            Boxes::Final | Boxes::Deployed => None,
        };
        let mut categories = told.categories.clone();
        if categories.is_empty() {
            categories =
                self.graph.outline().notes.get("names").map(|names| listed(names)).unwrap_or_default();
        }
        if categories.is_empty() {
            categories = labels(&self.config);
        }
        match classes {
            Some(classes) if categories.is_empty() => categories = numbered(classes),
            None if categories.is_empty() => categories = numbered(CLASSES_UNTOLD),
            Some(classes) if classes != categories.len() => {
                return Err(NetError::Unusable(format!(
                    "it tells {classes} classes apart, but {} categories are named; --categories names them",
                    categories.len()
                )));
            }
            _ => {}
        }
        notes.push(format!(
            "boxes as {boxes:?} from {}, {} categories",
            outputs.join(", "),
            categories.len()
        ));
        let size = self.size.clone();
        let architecture =
            crate::Architecture::OnnxDetector(OnnxDetector { side: self.side, pixels, size, boxes, outputs });
        let architecture =
            serde_json::to_value(architecture).map_err(|e| NetError::BadCard(e.to_string()))?;
        let card = self.card(told, "detector", architecture, categories);
        Ok((package(&card, vec![(MODEL, brought.model)])?, notes))
    }
}

fn package(card: &Value, files: Vec<(&'static str, Vec<u8>)>) -> Result<Package, NetError> {
    let card: Card = serde_json::from_value(card.clone()).map_err(|e| NetError::BadCard(e.to_string()))?;
    let json = serde_json::to_vec_pretty(&card).map_err(|e| NetError::BadCard(e.to_string()))?;
    Package::from_files(&json, files)
}

/// The graph of pictures also reads: exports of both towers in one.
fn reads(outline: &Outline) -> bool {
    TEXT_VECTORS[..3].iter().any(|name| outline.output(name).is_some())
}

/// Names of classes as Ultralytics notes them, a Python dictionary: `{0: 'person', 1: "farmer's bag"}`.
fn listed(names: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = names;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = rest.as_bytes()[start] as char;
        let inner = &rest[start + 1..];
        let Some(end) = inner.find(quote) else { break };
        found.push(inner[..end].to_owned());
        rest = &inner[end + 1..];
    }
    found
}

/// `id2label` of a `config.json`, in the order of its numbers.
fn labels(config: &Value) -> Vec<String> {
    let Some(map) = config.get("id2label").and_then(Value::as_object) else { return Vec::new() };
    let mut all: Vec<(usize, String)> =
        map.iter().filter_map(|(id, name)| Some((id.parse().ok()?, name.as_str()?.to_owned()))).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, name)| name).collect()
}

fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|i| format!("class {i}")).collect()
}

/// A drawing that no other seed gives: waves of three colours.
fn drawn(side: usize, seed: u32) -> Photo {
    let wave = |i: usize| {
        let (x, y, c) = (i / 3 % side, i / 3 / side, i % 3);
        let phase = (x * (3 + seed as usize) + y * (2 + 5 * seed as usize)) as f32 / side as f32;
        (127.5 + 127.0 * (phase * 4.0 + c as f32 * seed as f32).sin()) as u8
    };
    Photo::new(side as u32, side as u32, (0..side * side * 3).map(wave).collect())
}

/// Whether two vectors with this cosine say different things; vectors of no length (NaN) say none.
fn is_apart(cosine: f32) -> bool {
    cosine < 0.999_99
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_are_read_as_they_are_noted() {
        assert_eq!(listed(r#"{0: 'person', 1: "farmer's bag"}"#), ["person", "farmer's bag"]);
        assert_eq!(listed("{0: 'open"), Vec::<String>::new());
        let config = json!({"id2label": {"1": "shoe", "0": "bag", "10": "hat"}});
        assert_eq!(labels(&config), ["bag", "shoe", "hat"]);
    }
}
