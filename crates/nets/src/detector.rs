//! The detector network: a letterboxed photo in, class and distance logits of every cell out.

use twinset_photo::Photo;

use crate::conv::{Conv, Scratch};
use crate::network::{Backbone, Planner, Pool, load, load_map};
use crate::plane::Plane;
use crate::{Architecture, FeatureMap, GflLite, Kernel, NetError, Package};

/// A detector network ready to run. `Send + Sync`; one photo runs on one thread.
pub struct DetectorNet {
    architecture: GflLite,
    backbone: Backbone,
    levels: Vec<LevelPlan>,
    classes: usize,
    pool: Pool<Memory>,
}

/// The raw outputs at one level of the pyramid.
#[derive(Clone, Debug)]
pub struct Level {
    /// Pixels of the network's input from one cell to the next.
    pub stride: usize,
    /// Logits `[1 + categories, side / stride, side / stride]`; the first is objectness.
    pub classes: FeatureMap,
    /// Logits `[4 * (reg_max + 1), side / stride, side / stride]`: left, top, right, bottom.
    pub distances: FeatureMap,
}

/// The layers of one level. The head's weights are shared, but each level is planned for its size.
struct LevelPlan {
    stage: usize,
    stride: usize,
    lateral: Conv,
    out: Conv,
    head: Vec<Conv>,
    classes: Conv,
    distances: Conv,
}

const KIND: &str = "detector";

struct Memory {
    planes: Vec<Plane>,
    levels: Vec<LevelMemory>,
    scratch: Scratch,
}

struct LevelMemory {
    lateral: Plane,
    /// Result of `out` and of each of the head's convolutions.
    chain: Vec<Plane>,
    classes: Plane,
    distances: Plane,
}

impl DetectorNet {
    /// Plans the network for the fastest kernel here.
    ///
    /// # Errors
    /// [`NetError::WrongKind`] if the package is an embedder.
    pub fn new(package: &Package) -> Result<Self, NetError> {
        Self::with_kernel(package, Kernel::best())
    }

    /// The same with a kernel of the caller's choice.
    ///
    /// # Errors
    /// As [`DetectorNet::new`].
    ///
    /// # Panics
    /// If this processor does not run `kernel`.
    pub fn with_kernel(package: &Package, kernel: Kernel) -> Result<Self, NetError> {
        assert!(Kernel::available().contains(&kernel));
        let Architecture::GflLite(architecture) = package.architecture().clone() else {
            let name = package.card().name.clone();
            if package.is_brought() && package.card().kind == KIND {
                return Err(NetError::NotOurs { name });
            }
            return Err(NetError::WrongKind { name, found: package.card().kind.clone(), expected: KIND });
        };
        let plan = Planner { package, kernel };
        let backbone = plan.backbone(architecture.side, &architecture.stages);
        let first = architecture.stages.len() - architecture.strides.len();
        let levels = architecture.strides.iter().enumerate().map(|(i, &stride)| {
            let stage = first + i;
            let side = architecture.side / stride;
            LevelPlan {
                stage,
                stride,
                lateral: plan.conv(&format!("lat{}", stage + 1), side, 1, true),
                out: plan.conv(&format!("out{}", stage + 1), side, 1, true),
                head: (0..architecture.head_convs)
                    .map(|h| plan.conv(&format!("head.{h}"), side, 1, true))
                    .collect(),
                classes: plan.conv("cls", side, 1, false),
                distances: plan.conv("reg", side, 1, false),
            }
        });
        let levels = levels.collect();
        let classes = package.card().categories.len() + 1;
        Ok(Self { architecture, backbone, levels, classes, pool: Pool::new() })
    }

    /// Sizes of the network.
    #[must_use]
    pub fn architecture(&self) -> &GflLite {
        &self.architecture
    }

    /// Multiplications and additions of one run, by the plain algorithm.
    #[must_use]
    pub fn flops(&self) -> f64 {
        let levels = self.levels.iter().flat_map(|l| {
            [&l.lateral, &l.out, &l.classes, &l.distances].into_iter().chain(&l.head).map(Conv::flops)
        });
        self.backbone.layers.iter().map(Conv::flops).chain(levels).sum()
    }

    /// Runs over one photo of `side` x `side` pixels; levels from the finest to the coarsest.
    ///
    /// # Panics
    /// If the photo has another size.
    #[must_use]
    pub fn run(&self, photo: &Photo) -> Vec<Level> {
        self.pool.lend(
            || self.memory(),
            |memory| {
                load(photo, &mut memory.planes[0]);
                self.forward(memory)
            },
        )
    }

    /// Runs over numbers already normalised, `[3, side, side]`: for comparisons with other engines.
    ///
    /// # Panics
    /// If the map has another size.
    #[must_use]
    pub fn run_map(&self, map: &FeatureMap) -> Vec<Level> {
        self.pool.lend(
            || self.memory(),
            |memory| {
                load_map(map, &mut memory.planes[0]);
                self.forward(memory)
            },
        )
    }

    fn memory(&self) -> Memory {
        let levels = self.levels.iter().map(|l| LevelMemory {
            lateral: l.lateral.output(),
            chain: std::iter::once(&l.out).chain(&l.head).map(Conv::output).collect(),
            classes: l.classes.output(),
            distances: l.distances.output(),
        });
        Memory {
            planes: self.backbone.planes(self.architecture.side),
            levels: levels.collect(),
            scratch: Scratch::default(),
        }
    }

    fn forward(&self, m: &mut Memory) -> Vec<Level> {
        self.backbone.run(&mut m.planes, &mut m.scratch);
        for (plan, memory) in self.levels.iter().zip(&mut m.levels) {
            let stage = &m.planes[self.backbone.ends[plan.stage].0];
            plan.lateral.run(stage, &mut memory.lateral, &mut m.scratch);
        }
        // What the coarse levels know flows down to the fine ones.
        for i in (1..m.levels.len()).rev() {
            let (fine, coarse) = m.levels.split_at_mut(i);
            fine[i - 1].lateral.add_upsampled(&coarse[0].lateral);
        }
        for (plan, memory) in self.levels.iter().zip(&mut m.levels) {
            let chain = &mut memory.chain;
            plan.out.run(&memory.lateral, &mut chain[0], &mut m.scratch);
            for (i, layer) in plan.head.iter().enumerate() {
                let (before, after) = chain.split_at_mut(i + 1);
                layer.run(&before[i], &mut after[0], &mut m.scratch);
            }
            let last = &chain[chain.len() - 1];
            plan.classes.run(last, &mut memory.classes, &mut m.scratch);
            plan.distances.run(last, &mut memory.distances, &mut m.scratch);
        }
        let distances = 4 * (self.architecture.reg_max + 1);
        let levels = self.levels.iter().zip(&m.levels).map(|(plan, memory)| Level {
            stride: plan.stride,
            classes: memory.classes.to_map(self.classes),
            distances: memory.distances.to_map(distances),
        });
        levels.collect()
    }
}
