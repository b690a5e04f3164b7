//! Training on a data set in an object store, against a stub of one on this machine.

#[path = "../../../dataset/tests/store/stub.rs"]
mod stub;

use crate::house::{House, text};
use stub::{Mood, Stub, objects};

/// Four products with three pictures each, in two shards.
fn shards(house: &House) -> std::path::PathBuf {
    let mut manifest = "file,shard,split,category,item_id\n".to_owned();
    for shard in 0..2 {
        let mut tar = tar::Builder::new(Vec::new());
        for index in 0..4 {
            let entry = twinset_synth::catalogue_product(7, shard * 4 + index);
            for (name, bytes) in entry.pictures {
                let file = format!("{}-{name}.jpg", entry.id);
                let mut header = tar::Header::new_ustar();
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, &file, &bytes[..]).unwrap();
                manifest += &format!("{file},shop-{shard}.tar,train,top,{}\n", entry.id);
            }
        }
        house.write(&format!("set/shop-{shard}.tar"), tar.into_inner().unwrap());
    }
    house.write("set/manifest.csv", manifest);
    house.path("set")
}

#[test]
fn a_set_in_a_store_trains_as_the_same_set_in_a_folder() {
    let house = House::new();
    let set = shards(&house);
    let stub = Stub::start(objects(&set, "set/"));
    let config = house.write(
        "small.toml",
        "side = 32\nstem = 16\nstages = [[16, 1], [32, 1], [32, 1]]\nbatch = 8\nsteps = 20\nwindow = 8\n",
    );
    let train = |data: &str, run: &std::path::Path| {
        let args =
            ["train", "embedder", "--config", text(&config), "--data", data, "--run", text(run), "--quiet"];
        let output = house.command(&args).envs(stub.environment()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (here, there) = (house.path("here"), house.path("there"));
    for (data, run) in [(text(&set), &here), ("s3://shop/set", &there)] {
        let (status, told) = train(data, run);
        assert_eq!(status, Some(0), "{told}");
    }
    // All but how fast it went.
    let curve = |run: &std::path::Path| -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        text.lines().map(|line| [&cells(line)[..2], &cells(line)[3..]].concat()).collect()
    };
    assert_eq!(curve(&here), curve(&there));
    assert!(stub.asked().iter().any(|asked| asked.starts_with("GET set/shop-1.tar bytes=")));

    let nowhere = house.path("nowhere");
    let (status, told) = train("s3://other/set", &nowhere);
    assert_eq!(status, Some(1));
    assert!(told.contains("there is no bucket other") && !nowhere.exists(), "{told}");
    stub.set(Mood::Forbids);
    let (status, told) = train("s3://shop/set", &nowhere);
    assert_eq!(status, Some(1));
    assert!(told.contains("AWS_ACCESS_KEY_ID") && !nowhere.exists(), "{told}");
}
