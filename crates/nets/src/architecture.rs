//! The network families we train, and the tensors each must bring.

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

/// Name and shape of every tensor of a network, in the order of computation.
pub(crate) type Inventory = Vec<(String, Vec<usize>)>;

const MAX_WIDTH: usize = 1024;
/// Length of a local token as `local` stores and compares it.
const LOCAL_DIM: usize = 64;

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
            Self::RepVggLite(_) => "embedder",
            Self::GflLite(_) => "detector",
        }
    }

    fn check(&self) -> Result<(), String> {
        let width = |what: &str, value: usize| match value {
            1..=MAX_WIDTH => Ok(()),
            _ => Err(format!("{what} is {value}, it must be in 1..={MAX_WIDTH}")),
        };
        let (side, stem, stages) = match self {
            Self::RepVggLite(a) => (a.side, a.stem, &a.stages),
            Self::GflLite(a) => (a.side, a.stem, &a.stages),
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
        }
        tensors
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
