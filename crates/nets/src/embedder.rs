//! The embedder network: a crop in, pooled features, heads and the map of local tokens out.

use twinset_photo::Photo;

use crate::conv::{Conv, Scratch};
use crate::network::{Backbone, Planner, Pool, load, load_map};
use crate::plane::Plane;
use crate::{Architecture, FeatureMap, Kernel, NetError, Package, RepVggLite};

/// An embedder ready to run. `Send + Sync`; one photo runs on one thread.
pub struct EmbedderNet {
    architecture: RepVggLite,
    backbone: Backbone,
    gem_p: f32,
    head: Conv,
    category: Option<Conv>,
    pattern: Option<Conv>,
    local: Conv,
    pool: Pool<Memory>,
}

/// What the network says about one crop, raw: lengths and logits are the caller's to interpret.
#[derive(Clone, Debug)]
pub struct EmbedderOutput {
    /// `dim` numbers, not normalised.
    pub embedding: Vec<f32>,
    /// Logits, in the order of the card's categories.
    pub category: Vec<f32>,
    /// Logits, in the order of the architecture's patterns.
    pub pattern: Vec<f32>,
    /// `[local_dim + 1, side / 8, side / 8]` for three stages: tokens, and a logit of saliency.
    pub local: FeatureMap,
}

const KIND: &str = "embedder";

struct Memory {
    planes: Vec<Plane>,
    pooled: Plane,
    head: Plane,
    category: Option<Plane>,
    pattern: Option<Plane>,
    local: Plane,
    scratch: Scratch,
}

impl EmbedderNet {
    /// Plans the network for the fastest kernel here.
    ///
    /// # Errors
    /// [`NetError::WrongKind`] if the package is a detector.
    pub fn new(package: &Package) -> Result<Self, NetError> {
        Self::with_kernel(package, Kernel::best())
    }

    /// The same with a kernel of the caller's choice.
    ///
    /// # Errors
    /// As [`EmbedderNet::new`].
    ///
    /// # Panics
    /// If this processor does not run `kernel`.
    pub fn with_kernel(package: &Package, kernel: Kernel) -> Result<Self, NetError> {
        assert!(Kernel::available().contains(&kernel));
        let Architecture::RepVggLite(architecture) = package.architecture().clone() else {
            let name = package.card().name.clone();
            if package.is_brought() && package.card().kind == KIND {
                return Err(NetError::NotOurs { name });
            }
            return Err(NetError::WrongKind { name, found: package.card().kind.clone(), expected: KIND });
        };
        let plan = Planner { package, kernel };
        let backbone = plan.backbone(architecture.side, &architecture.stages);
        let &[.., (_, local_side), _] = &backbone.ends[..] else {
            unreachable!("checked: two stages at least")
        };
        Ok(Self {
            head: plan.conv("head", 1, 1, false),
            category: (!package.card().categories.is_empty()).then(|| plan.conv("category", 1, 1, false)),
            pattern: (!architecture.patterns.is_empty()).then(|| plan.conv("pattern", 1, 1, false)),
            local: plan.conv("local", local_side, 1, false),
            gem_p: package.numbers("gem.p")[0],
            pool: Pool::new(),
            backbone,
            architecture,
        })
    }

    /// Sizes of the network.
    #[must_use]
    pub fn architecture(&self) -> &RepVggLite {
        &self.architecture
    }

    /// Multiplications and additions of one run, convolutions and heads by the plain algorithm.
    #[must_use]
    pub fn flops(&self) -> f64 {
        let heads = [Some(&self.head), self.category.as_ref(), self.pattern.as_ref(), Some(&self.local)];
        self.backbone.layers.iter().chain(heads.into_iter().flatten()).map(Conv::flops).sum()
    }

    /// Runs over one crop of `side` x `side` pixels.
    ///
    /// # Panics
    /// If the crop has another size.
    #[must_use]
    pub fn run(&self, crop: &Photo) -> EmbedderOutput {
        self.pool.lend(
            || self.memory(),
            |memory| {
                load(crop, &mut memory.planes[0]);
                self.forward(memory)
            },
        )
    }

    /// Runs over numbers already normalised, `[3, side, side]`: for comparisons with other engines.
    ///
    /// # Panics
    /// If the map has another size.
    #[must_use]
    pub fn run_map(&self, map: &FeatureMap) -> EmbedderOutput {
        self.pool.lend(
            || self.memory(),
            |memory| {
                load_map(map, &mut memory.planes[0]);
                self.forward(memory)
            },
        )
    }

    fn memory(&self) -> Memory {
        let planes = self.backbone.planes(self.architecture.side);
        let deep = planes[planes.len() - 1].channels;
        Memory {
            planes,
            pooled: Plane::new(1, 1, deep),
            head: self.head.output(),
            category: self.category.as_ref().map(Conv::output),
            pattern: self.pattern.as_ref().map(Conv::output),
            local: self.local.output(),
            scratch: Scratch::default(),
        }
    }

    fn forward(&self, m: &mut Memory) -> EmbedderOutput {
        let scratch = &mut m.scratch;
        self.backbone.run(&mut m.planes, scratch);
        let &[.., (shallow, _), (deep, _)] = &self.backbone.ends[..] else {
            unreachable!("two stages at least")
        };
        self.local.run(&m.planes[shallow], &mut m.local, scratch);
        gem(&m.planes[deep], self.gem_p, m.pooled.pixel_mut(0, 0));
        self.head.run(&m.pooled, &mut m.head, scratch);
        let mut logits = |head: &Option<Conv>, plane: &mut Option<Plane>, count: usize| match (head, plane) {
            (Some(head), Some(plane)) => {
                head.run(&m.pooled, plane, scratch);
                plane.pixel(0, 0)[..count].to_vec()
            }
            _ => Vec::new(),
        };
        EmbedderOutput {
            embedding: m.head.pixel(0, 0)[..self.architecture.dim].to_vec(),
            category: logits(&self.category, &mut m.category, self.category.as_ref().map_or(0, Conv::to)),
            pattern: logits(&self.pattern, &mut m.pattern, self.architecture.patterns.len()),
            local: m.local.to_map(self.architecture.local_dim + 1),
        }
    }
}

/// Generalised mean over all positions of each channel (Radenovic et al. 2018, eq. 3), of values of
/// at least 1e-6.
fn gem(plane: &Plane, p: f32, pooled: &mut [f32]) {
    const LEAST: f32 = 1e-6;
    pooled.fill(0.0);
    let least = LEAST.powf(p);
    for y in 0..plane.height {
        for x in 0..plane.width {
            for (sum, &value) in pooled.iter_mut().zip(plane.pixel(y, x)) {
                // After ReLU about half the values are zero: their power is known.
                *sum += if value > LEAST { power(value, p) } else { least };
            }
        }
    }
    let count = (plane.height * plane.width) as f32;
    pooled.iter_mut().for_each(|sum| *sum = (*sum / count).powf(1.0 / p));
}

#[inline]
fn power(x: f32, p: f32) -> f32 {
    if p == 3.0 { x * x * x } else { x.powf(p) }
}
