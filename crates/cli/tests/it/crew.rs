//! One training by several processes: `mpirun -np 2 twinset train ...`. Needs an MPI, as building it does.

use crate::house::{House, signal, text};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// `mpirun` of two processes of one thread each.
fn two(house: &House, run: &Path, config: &Path, more: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "-np", "2", env!("CARGO_BIN_EXE_twinset")]);
    command.args(["train", "detector", "--data", "synth:", "--quiet", "--config", text(config)]);
    command.args(["--run", text(run), "--home", text(&house.path("home"))]).args(more);
    command.env("RAYON_NUM_THREADS", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn config(house: &House, batch: usize, steps: u64) -> std::path::PathBuf {
    house.write(
        &format!("{batch}-{steps}.toml"),
        format!("side = 64\nbatch = {batch}\nsteps = {steps}\ncheckpoint_every = 20\n"),
    )
}

fn losses(run: &Path) -> Vec<f32> {
    let curve = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    curve.lines().skip(1).map(|line| line.split(',').nth(3).unwrap().parse().unwrap()).collect()
}

#[test]
fn two_processes_learn_as_one_with_the_doubled_batch() {
    let house = House::new();
    let (one, both) = (house.path("one"), house.path("both"));
    let alone = config(&house, 8, 40);
    let train = ["train", "detector", "--data", "synth:", "--quiet", "--config", text(&alone), "--run"];
    house.run(&[&train[..], &[text(&one)]].concat()).ended(0);
    let ended = two(&house, &both, &config(&house, 4, 40), &[]).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let (one, both) = (losses(&one), losses(&both));
    assert_eq!((one.len(), both.len()), (2, 2));
    for (a, b) in one.iter().zip(&both) {
        assert!((a - b).abs() < 0.03 * a, "{one:?} {both:?}");
    }
}

#[test]
fn a_killed_process_ends_the_run_which_goes_on_from_its_checkpoint() {
    let house = House::new();
    let run = house.path("run");
    let mut job = two(&house, &run, &config(&house, 4, 100_000), &[]).spawn().unwrap();
    let checkpoint = run.join("checkpoint.safetensors");
    while !checkpoint.exists() {
        assert_eq!(job.try_wait().unwrap(), None, "it ended by itself");
        std::thread::sleep(Duration::from_millis(50));
    }
    let children = format!("/proc/{0}/task/{0}/children", job.id());
    let children = std::fs::read_to_string(children).unwrap();
    let victim = children.split_whitespace().next_back().unwrap();
    assert!(Command::new("kill").args(["-KILL", victim]).status().unwrap().success());
    let ended = job.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert!(!ended.status.success() && told.contains("signal 9"), "{told}");

    let before = losses(&run).len();
    assert!(before > 0);
    let mut job = two(&house, &run, &config(&house, 4, 100_000), &["--resume"]).spawn().unwrap();
    while losses(&run).len() < before + 2 {
        assert_eq!(job.try_wait().unwrap(), None, "it ended by itself");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Asked to end, they end together.
    signal(&job, "INT");
    job.wait().unwrap();
    assert!(checkpoint.exists());
}

/// One of them cannot begin: none waits for it.
#[test]
fn what_fails_in_one_process_ends_all() {
    let house = House::new();
    let run = house.path("run");
    // The first process makes the run folder; a file is in its way.
    house.write("run", "no folder");
    let ended = two(&house, &run, &config(&house, 4, 40), &[]).output().unwrap();
    let told = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert!(!ended.status.success(), "{told}");
    assert!(told.contains("another process of this training has failed"), "{told}");
}
