//! The network families we train with the tensors each must bring, and how brought graphs are spoken to.

use serde::{Deserialize, Serialize};

use crate::{Card, NetError};

/// A network family with its sizes, as the member `architecture` of a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Architecture {
    /// An embedder.
    #[serde(rename = "repvgg-lite")]
    RepVggLite(RepVggLite),
    /// A detector.
    #[serde(rename = "gfl-lite")]
    GflLite(GflLite),
    /// An embedder that others made.
    #[serde(rename = "onnx-embedder")]
    OnnxEmbedder(OnnxEmbedder),
    /// A detector that others made.
    #[serde(rename = "onnx-detector")]
    OnnxDetector(OnnxDetector),
}

/// An ONNX graph that turns a crop into a vector, found out by running it once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnnxEmbedder {
    /// Side of the square input in pixels.
    pub side: usize,
    /// Margin around a box, as a share of its longer side.
    pub margin: f32,
    /// How pixels are given.
    pub pixels: Pixels,
    /// The output that holds the vector.
    pub output: String,
    /// What of that output is the vector.
    pub pool: Pool,
    /// Length of the embedding.
    pub dim: usize,
    /// The output that holds a vector for each part of the crop, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens: Option<Tokens>,
    /// The tower that reads words, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<TextTower>,
}

/// How a graph takes a picture: `(x / 255 - mean) / std` for each of red, green and blue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pixels {
    /// The graph's name for it.
    pub input: String,
    /// Order of the axes.
    pub layout: Layout,
    /// Red, green, blue; 0..=1.
    pub mean: [f32; 3],
    /// Red, green, blue.
    pub std: [f32; 3],
}

/// Order of a picture's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Channels, rows, columns.
    Nchw,
    /// Rows, columns, channels.
    Nhwc,
}

/// What of an output is the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// All of it.
    All,
    /// The first of its tokens.
    First,
    /// The mean of its tokens.
    Mean,
}

/// Vectors of the parts of a crop: `[1, skip + grid * grid, width]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// The output that holds them.
    pub output: String,
    /// Tokens before those of the parts.
    pub skip: usize,
    /// Parts a side.
    pub grid: usize,
    /// Numbers of each.
    pub width: usize,
}

/// How words become a vector that can be compared with those of crops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextTower {
    /// A graph of its own (`text.onnx`), or another output of `model.onnx`.
    pub own_graph: bool,
    /// The input that takes ids.
    pub ids: String,
    /// The input that takes 1 for a word and 0 for filling, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mask: Option<String>,
    /// Ids that are read.
    pub length: usize,
    /// The output that holds the vector.
    pub output: String,
}

/// An ONNX graph that finds boxes, found out by running it once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnnxDetector {
    /// Side of the square input in pixels.
    pub side: usize,
    /// How pixels are given.
    pub pixels: Pixels,
    /// The input that takes the size of the photo, `[1, 2]`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<String>,
    /// What the outputs mean.
    pub boxes: Boxes,
    /// The outputs, in the order that [`Boxes`] says.
    pub outputs: Vec<String>,
}

/// What a detector's outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boxes {
    /// `[1, 4 + classes, cells]`: centre, size, certainties (YOLOv8 to 12).
    YoloColumns,
    /// `[1, cells, 4 + classes]`: the same, turned.
    YoloRows,
    /// `[1, cells, 5 + classes]`: centre, size, objectness, certainties (YOLOv5, v7, X).
    YoloObjectness,
    /// `[1, boxes, 6]`: corners, certainty, class (YOLOv10, YOLO26, exports with suppression).
    Final,
    /// `[1, queries, classes]` logits with sigmoid and `[1, queries, 4]` centre and size in 0..=1 (RT-DETR, D-FINE).
    Detr,
    /// The same with softmax over the classes and one more that means nothing (DETR, YOLOS).
    DetrSoftmax,
    /// `[1, boxes]` classes, `[1, boxes, 4]` corners, `[1, boxes]` certainties (deployed RT-DETR, D-FINE, DEIM).
    Deployed,
}

/// Plain 3x3 convolutions in stages, GeM pooling, linear heads, and a head for local tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepVggLite {
    /// Side of the square input in pixels.
    pub side: usize,
    /// Margin around a box, as a share of its longer side.
    pub margin: f32,
    /// Channels after the stem (stride 2).
    pub stem: usize,
    /// `[width, convolutions]` of each stage; the first convolution has stride 2.
    pub stages: Vec<(usize, usize)>,
    /// Length of the embedding.
    pub dim: usize,
    /// Length of a local token.
    pub local_dim: usize,
    /// Names of the pattern head's classes.
    #[serde(default)]
    pub patterns: Vec<String>,
}

/// The same backbone, a small feature pyramid, and a head shared by its levels (GFL, Li et al.
/// 2020; NanoDet-Plus).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GflLite {
    /// Side of the square input in pixels.
    pub side: usize,
    /// Channels after the stem (stride 2).
    pub stem: usize,
    /// `[width, convolutions]` of each stage; the first convolution has stride 2.
    pub stages: Vec<(usize, usize)>,
    /// Channels of the pyramid and the head.
    pub neck: usize,
    /// 3x3 convolutions of the head before its outputs.
    pub head_convs: usize,
    /// A distance is a distribution over `0..=reg_max` strides.
    pub reg_max: usize,
    /// Strides of the pyramid's levels: those of the last stages.
    pub strides: Vec<usize>,
}

/// Our own weights.
pub(crate) const WEIGHTS: &str = "weights.safetensors";
/// The graph of a brought model.
pub(crate) const MODEL: &str = "model.onnx";
/// The graph of its text tower.
pub(crate) const TEXT_MODEL: &str = "text.onnx";
/// How words become ids.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// Name and shape of every tensor of a network, in the order of computation.
pub(crate) type Inventory = Vec<(String, Vec<usize>)>;

const MAX_WIDTH: usize = 1024;
/// Length of a local token as `local` stores and compares it.
pub(crate) const LOCAL_DIM: usize = 64;

impl Architecture {
    /// Reads the architecture of `card` and checks that its sizes make sense.
    ///
    /// # Errors
    /// [`NetError::BadCard`] with the member that is wrong.
    pub fn of(card: &Card) -> Result<Self, NetError> {
        let architecture: Self = serde_json::from_value(card.architecture.clone())
            .map_err(|e| NetError::BadCard(format!("`architecture`: {e}")))?;
        architecture.check().map_err(|m| NetError::BadCard(format!("`architecture`: {m}")))?;
        let kind = architecture.kind();
        if card.kind != kind {
            return Err(NetError::BadCard(format!(
                "`kind` is {:?}, but the architecture is of a {kind}",
                card.kind
            )));
        }
        Ok(architecture)
    }

    /// `detector` or `embedder`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RepVggLite(_) | Self::OnnxEmbedder(_) => "embedder",
            Self::GflLite(_) | Self::OnnxDetector(_) => "detector",
        }
    }

    /// The family's name, as on cards.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::RepVggLite(_) => "repvgg-lite",
            Self::GflLite(_) => "gfl-lite",
            Self::OnnxEmbedder(_) => "onnx-embedder",
            Self::OnnxDetector(_) => "onnx-detector",
        }
    }

    /// The files that a package of this architecture has beside its card.
    pub(crate) fn files(&self) -> &'static [&'static str] {
        match self {
            Self::RepVggLite(_) | Self::GflLite(_) => &[WEIGHTS],
            Self::OnnxDetector(_) | Self::OnnxEmbedder(OnnxEmbedder { text: None, .. }) => &[MODEL],
            Self::OnnxEmbedder(OnnxEmbedder { text: Some(text), .. }) if text.own_graph => {
                &[MODEL, TEXT_MODEL, TOKENIZER]
            }
            Self::OnnxEmbedder(_) => &[MODEL, TOKENIZER],
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::OnnxEmbedder(a) => return a.check(),
            Self::OnnxDetector(a) => return a.check(),
            Self::RepVggLite(_) | Self::GflLite(_) => {}
        }
        let width = |what: &str, value: usize| match value {
            1..=MAX_WIDTH => Ok(()),
            _ => Err(format!("{what} is {value}, it must be in 1..={MAX_WIDTH}")),
        };
        let (side, stem, stages) = match self {
            Self::RepVggLite(a) => (a.side, a.stem, &a.stages),
            Self::GflLite(a) => (a.side, a.stem, &a.stages),
            Self::OnnxEmbedder(_) | Self::OnnxDetector(_) => unreachable!("checked above"),
        };
        width("`stem`", stem)?;
        if !(2..=5).contains(&stages.len()) {
            return Err(format!("`stages` has {} entries, it must have 2 to 5", stages.len()));
        }
        for &(channels, convolutions) in stages {
            width("a stage's width", channels)?;
            if !(1..=32).contains(&convolutions) {
                return Err(format!("a stage has {convolutions} convolutions, it must have 1 to 32"));
            }
        }
        let divisor = 2usize << stages.len();
        if side == 0 || side > 1024 || side % divisor != 0 {
            return Err(format!("`side` is {side}, it must be a multiple of {divisor} up to 1024"));
        }
        match self {
            Self::RepVggLite(a) => {
                width("`dim`", a.dim)?;
                if a.local_dim != LOCAL_DIM {
                    return Err(format!(
                        "`local_dim` is {}, local features of this version have {LOCAL_DIM}",
                        a.local_dim
                    ));
                }
                width("the number of `patterns`", a.patterns.len().max(1))?;
                if !(0.0..=1.0).contains(&a.margin) {
                    return Err(format!("`margin` is {}, it must be in 0..=1", a.margin));
                }
            }
            Self::GflLite(a) => {
                width("`neck`", a.neck)?;
                if a.head_convs > 8 || !(1..=32).contains(&a.reg_max) {
                    return Err("`head_convs` must be in 0..=8 and `reg_max` in 1..=32".into());
                }
                let levels = a.strides.len();
                let last: Vec<usize> = (1..=stages.len()).map(|stage| 2 << stage).collect();
                if levels == 0 || levels > stages.len() || a.strides != last[stages.len() - levels..] {
                    return Err(format!("`strides` is {:?}, it must be the last of {last:?}", a.strides));
                }
            }
            Self::OnnxEmbedder(_) | Self::OnnxDetector(_) => unreachable!("checked above"),
        }
        Ok(())
    }

    /// The tensors that `card` and this architecture promise.
    pub(crate) fn inventory(&self, card: &Card) -> Inventory {
        let mut tensors = Inventory::new();
        match self {
            Self::RepVggLite(a) => {
                backbone(&mut tensors, a.stem, &a.stages);
                let [.., (local, _), (deep, _)] = a.stages[..] else {
                    unreachable!("checked: two stages at least")
                };
                tensors.push(("gem.p".into(), vec![1]));
                linear(&mut tensors, "head", deep, a.dim);
                linear(&mut tensors, "category", deep, card.categories.len());
                linear(&mut tensors, "pattern", deep, a.patterns.len());
                convolution(&mut tensors, "local", local, a.local_dim + 1, 1);
            }
            Self::GflLite(a) => {
                backbone(&mut tensors, a.stem, &a.stages);
                for (&(channels, _), stage) in a.stages.iter().zip(1..).skip(a.stages.len() - a.strides.len())
                {
                    convolution(&mut tensors, &format!("lat{stage}"), channels, a.neck, 1);
                    convolution(&mut tensors, &format!("out{stage}"), a.neck, a.neck, 3);
                }
                for i in 0..a.head_convs {
                    convolution(&mut tensors, &format!("head.{i}"), a.neck, a.neck, 3);
                }
                convolution(&mut tensors, "cls", a.neck, card.categories.len() + 1, 1);
                convolution(&mut tensors, "reg", a.neck, 4 * (a.reg_max + 1), 1);
            }
            // Their weights stand in the graph.
            Self::OnnxEmbedder(_) | Self::OnnxDetector(_) => {}
        }
        tensors
    }
}

/// Side of a picture given to a brought model.
const BROUGHT_SIDES: std::ops::RangeInclusive<usize> = 16..=2048;
/// Longest embedding, or token, of a brought model: what the index takes.
pub(crate) const MAX_DIM: usize = 4096;

impl OnnxEmbedder {
    fn check(&self) -> Result<(), String> {
        self.pixels.check(self.side)?;
        if !(0.0..=1.0).contains(&self.margin) {
            return Err(format!("`margin` is {}, it must be in 0..=1", self.margin));
        }
        if !(1..=MAX_DIM).contains(&self.dim) {
            return Err(format!("`dim` is {}, it must be in 1..={MAX_DIM}", self.dim));
        }
        if let Some(tokens) = &self.tokens
            && (!(1..=255).contains(&tokens.grid)
                || tokens.skip > 255
                || !(1..=MAX_DIM).contains(&tokens.width))
        {
            return Err("`tokens` has sizes that no crop has".into());
        }
        match &self.text {
            Some(text) if !(1..=1024).contains(&text.length) => {
                Err(format!("`text.length` is {}, it must be in 1..=1024", text.length))
            }
            _ => Ok(()),
        }
    }
}

impl OnnxDetector {
    fn check(&self) -> Result<(), String> {
        self.pixels.check(self.side)?;
        let wanted = self.boxes.outputs();
        if self.outputs.len() != wanted {
            return Err(format!("`outputs` has {} names, these boxes need {wanted}", self.outputs.len()));
        }
        Ok(())
    }
}

impl Boxes {
    /// Outputs that hold them.
    #[must_use]
    pub fn outputs(self) -> usize {
        match self {
            Self::YoloColumns | Self::YoloRows | Self::YoloObjectness | Self::Final => 1,
            Self::Detr | Self::DetrSoftmax => 2,
            Self::Deployed => 3,
        }
    }
}

impl Pixels {
    fn check(&self, side: usize) -> Result<(), String> {
        if !BROUGHT_SIDES.contains(&side) {
            return Err(format!("`side` is {side}, it must be in {BROUGHT_SIDES:?}"));
        }
        let usable = |m: &f32, s: &f32| m.is_finite() && m.abs() <= 255.0 && (1e-3..=255.0).contains(s);
        if !self.mean.iter().zip(&self.std).all(|(m, s)| usable(m, s)) {
            return Err(format!("`mean` {:?} and `std` {:?} make no picture", self.mean, self.std));
        }
        Ok(())
    }
}

fn backbone(tensors: &mut Inventory, stem: usize, stages: &[(usize, usize)]) {
    convolution(tensors, "stem", 3, stem, 3);
    let mut channels = stem;
    for (&(width, convolutions), stage) in stages.iter().zip(1..) {
        for i in 0..convolutions {
            convolution(tensors, &format!("s{stage}.{i}"), channels, width, 3);
            channels = width;
        }
    }
}

fn convolution(tensors: &mut Inventory, name: &str, from: usize, to: usize, size: usize) {
    tensors.push((format!("{name}.weight"), vec![to, from, size, size]));
    tensors.push((format!("{name}.bias"), vec![to]));
}

fn linear(tensors: &mut Inventory, name: &str, from: usize, to: usize) {
    // A head without classes brings no tensors: safetensors of zero size help nobody.
    if to > 0 {
        tensors.push((format!("{name}.weight"), vec![to, from]));
        tensors.push((format!("{name}.bias"), vec![to]));
    }
}
