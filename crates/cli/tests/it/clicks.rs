//! Click logs at the command line: made up, looked at, refused where they make no sense.
use crate::house::House;

#[test]
fn a_log_is_made_up_and_its_listings_grouped() {
    let house = House::new();
    let log = house.path("clicks.ndjson");
    let log = log.to_str().unwrap();
    let made = ["clicks", "simulate", "--products", "6", "--searches", "300", "--users", "60", "--out", log];
    let made = house.run(&[&made[..], &["--json"]].concat()).ended(0);
    assert!(made.json()["clicks"].as_u64().unwrap() > 100);
    let groups = house.path("ids.csv");
    let ids = house.run(&["clicks", "ids", log, "--out", groups.to_str().unwrap(), "--json"]).ended(0);
    assert!(ids.json()["products"].as_u64().unwrap() >= 3);
    assert!(std::fs::read_to_string(groups).unwrap().starts_with("listing,virtual_id\n"));
}

#[test]
fn what_makes_no_sense_is_told() {
    let house = House::new();
    let log = house.write("broken.ndjson", "{}\n");
    let log = format!("clicks:{}", log.to_str().unwrap());
    house.run(&["train", "detector", "--data", &log]).ended(2);
    house.run(&["train", "embedder", "--loss", "triplets"]).ended(2);
    let run = house.path("run");
    let run = run.to_str().unwrap();
    let none = house.run(&["train", "clicks", "--run", run]).ended(1);
    assert!(none.stderr().contains("clicks:FILE"), "{}", none.stderr());
    let broken = house.run(&["train", "clicks", "--data", &log, "--run", run]).ended(1);
    assert!(broken.stderr().contains("line 1"), "{}", broken.stderr());
}
