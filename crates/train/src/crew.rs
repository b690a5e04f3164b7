//! Several processes that train one network: each computes its share of a batch, all take the same step.
//!
//! What is summed over a batch is summed over the crew: gradients, and the sums of batch norms. The exchange is an
//! existing engine's, MPI behind the feature `mpi`; alone, nothing is exchanged.

/// Processes that train one network together. All of them call the same methods in the same order.
pub(crate) trait Crew: Sync {
    /// Which one this is, from 0. The first writes the run folder.
    fn rank(&self) -> usize;
    /// How many there are.
    fn size(&self) -> usize;
    /// Replaces `numbers` by their sums over the crew.
    fn sum(&self, numbers: &mut [f32]);

    /// The rows of all, in the order of ranks; each brings as many.
    fn gather(&self, own: &[f32]) -> Vec<f32> {
        let mut all = vec![0.0; own.len() * self.size()];
        all[self.rank() * own.len()..][..own.len()].copy_from_slice(own);
        self.sum(&mut all);
        all
    }

    /// Whether any of the crew says so.
    fn any(&self, own: bool) -> bool {
        let mut said = [f32::from(u8::from(own))];
        self.sum(&mut said);
        said[0] > 0.0
    }
}

/// One process.
pub(crate) struct Alone;

impl Crew for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&self, _numbers: &mut [f32]) {}
}

/// Whether this process speaks for its crew: alone, or the first of those that `mpirun` has started.
#[must_use]
pub fn is_first() -> bool {
    let rank =
        ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"].iter().find_map(|name| std::env::var(name).ok());
    !cfg!(feature = "mpi") || rank.is_none_or(|rank| rank == "0")
}

/// Runs `work` with the crew that this process was started in: `mpirun -np N twinset train ...`, if built with MPI.
pub(crate) fn with_crew<R>(work: impl FnOnce(&dyn Crew) -> R) -> R {
    #[cfg(feature = "mpi")]
    if let Some(universe) = over_mpi::start() {
        let crew = over_mpi::Ranks;
        let result = work(&crew);
        // Ends MPI; ranks that still wait for others would wait here.
        drop(universe);
        return result;
    }
    work(&Alone)
}

#[cfg(feature = "mpi")]
mod over_mpi {
    use super::Crew;
    use mpi::{collective::SystemOperation, environment::Universe, topology::SimpleCommunicator, traits::*};

    /// Started by `mpirun` (Open MPI, or one that speaks PMI)?
    pub(super) fn start() -> Option<Universe> {
        let launched = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"];
        launched.iter().any(|name| std::env::var_os(name).is_some()).then(mpi::initialize).flatten()
    }

    /// All processes of the job. MPI is called from the thread that trains and from no other.
    pub(super) struct Ranks;

    impl Crew for Ranks {
        fn rank(&self) -> usize {
            SimpleCommunicator::world().rank() as usize
        }

        fn size(&self) -> usize {
            SimpleCommunicator::world().size() as usize
        }

        fn sum(&self, numbers: &mut [f32]) {
            let own = numbers.to_vec();
            SimpleCommunicator::world().all_reduce_into(&own[..], numbers, SystemOperation::sum());
        }
    }
}

#[cfg(test)]
pub(crate) mod threads {
    use super::Crew;
    use std::sync::{Barrier, Mutex};

    /// Threads as a crew: what MPI does between processes, without MPI.
    pub(crate) struct Meeting {
        size: usize,
        barrier: Barrier,
        numbers: Mutex<Vec<f32>>,
    }

    pub(crate) struct Member<'a> {
        pub(crate) rank: usize,
        pub(crate) at: &'a Meeting,
    }

    impl Meeting {
        pub(crate) fn of(size: usize) -> Self {
            Self { size, barrier: Barrier::new(size), numbers: Mutex::default() }
        }
    }

    impl Crew for Member<'_> {
        fn rank(&self) -> usize {
            self.rank
        }

        fn size(&self) -> usize {
            self.at.size
        }

        fn sum(&self, numbers: &mut [f32]) {
            // In the order of ranks, so that a test repeats.
            for turn in 0..self.at.size {
                if turn == self.rank {
                    let mut all = self.at.numbers.lock().unwrap();
                    if turn == 0 {
                        *all = vec![0.0; numbers.len()];
                    }
                    assert_eq!(all.len(), numbers.len(), "all bring as much");
                    all.iter_mut().zip(&*numbers).for_each(|(a, n)| *a += n);
                }
                self.at.barrier.wait();
            }
            numbers.copy_from_slice(&self.at.numbers.lock().unwrap());
            self.at.barrier.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::threads::{Meeting, Member};
    use crate::{
        crew::{Alone, Crew},
        embedder::{EmbedderArchitecture, maps},
        learn_detector,
        params::{Params, Pass},
        run::TrainOptions,
        trunk::Arena,
    };
    use std::path::Path;

    fn losses(run: &Path) -> Vec<f32> {
        let text = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
        text.lines().skip(1).map(|l| l.split(',').nth(3).unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn two_of_a_crew_learn_as_one_with_the_doubled_batch() {
        let dir = tempfile::tempdir().unwrap();
        let options = TrainOptions {
            steps: 40,
            side: Some(64),
            batch: 4,
            checkpoint_every: 40,
            ..TrainOptions::default()
        };
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let double = TrainOptions { batch: 8, ..options.clone() };
        learn_detector::run_in(&Alone, &double, &one).unwrap();
        let meeting = Meeting::of(2);
        std::thread::scope(|scope| {
            let members = [0, 1].map(|rank| {
                let (meeting, options, two) = (&meeting, &options, &two);
                scope.spawn(move || learn_detector::run_in(&Member { rank, at: meeting }, options, two))
            });
            members.into_iter().for_each(|m| m.join().unwrap().unwrap());
        });
        let (one, two) = (losses(&one), losses(&two));
        assert_eq!(one.len(), 2);
        for (a, b) in one.iter().zip(&two) {
            assert!((a - b).abs() < 0.03 * a, "{one:?} {two:?}");
        }
    }

    /// Through convolutions and their batch norms, halves of a batch have the gradients of the whole.
    #[test]
    fn gradients_of_two_halves_are_those_of_the_whole_batch() {
        let stages = vec![(16, 1), (32, 2), (32, 1)];
        let arch = EmbedderArchitecture { side: 32, stem: 16, stages, ..EmbedderArchitecture::default() };
        let pixels: Vec<f32> =
            (0..8 * 3 * 32 * 32).map(|i| ((i * 7919 + i / 13) % 101) as f32 / 50.0 - 1.0).collect();
        let gradients = |crew: &dyn Crew, pixels: &[f32]| {
            let (mut params, mut arena) = (Params::new(3), Arena::default());
            let pass = Pass::on_host(&mut params, &mut arena, crew);
            let deep = maps(&pass, &arch, pixels, 32).deep;
            let shape = deep.dims();
            let wish = (0..shape.iter().product()).map(|i: usize| ((i % 128) % 17) as f32 / 17.0).collect();
            let loss = (deep * pass.constant(wish, shape)).mean();
            let mut found = pass.gradients(&loss);
            found.iter_mut().for_each(|(_, g)| {
                crew.sum(g);
                g.iter_mut().for_each(|g| *g /= crew.size() as f32);
            });
            found
        };
        let whole = gradients(&Alone, &pixels);
        let meeting = Meeting::of(2);
        let halves: Vec<_> = std::thread::scope(|scope| {
            let members = [0, 1].map(|rank| {
                let (meeting, gradients) = (&meeting, &gradients);
                let half = &pixels[rank * pixels.len() / 2..][..pixels.len() / 2];
                scope.spawn(move || gradients(&Member { rank, at: meeting }, half))
            });
            members.into_iter().map(|m| m.join().unwrap()).collect()
        });
        for half in &halves {
            for ((name, a), (other, b)) in whole.iter().zip(half) {
                assert_eq!(name, other);
                let gap: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
                let size: f32 = a.iter().map(|a| a * a).sum();
                assert!(gap <= 1e-4 * size + 1e-12, "{name}: {gap} {size}");
            }
        }
    }

    #[test]
    fn what_is_gathered_stands_in_the_order_of_ranks() {
        let meeting = Meeting::of(3);
        let found: Vec<(Vec<f32>, bool)> = std::thread::scope(|scope| {
            let members: Vec<_> = (0..3)
                .map(|rank| {
                    let meeting = &meeting;
                    scope.spawn(move || {
                        let member = Member { rank, at: meeting };
                        (member.gather(&[rank as f32, 7.0]), member.any(rank == 1))
                    })
                })
                .collect();
            members.into_iter().map(|m| m.join().unwrap()).collect()
        });
        assert!(found.iter().all(|f| f.0 == [0.0, 7.0, 1.0, 7.0, 2.0, 7.0] && f.1), "{found:?}");
        assert_eq!(Alone.gather(&[1.0]), [1.0]);
    }
}
