//! Click logs at the command line: made up, looked at, refused where they make no sense.
use crate::house::{House, text};
use serde_json::{Value, json};
use twinset_photo::PictureHash;

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

/// What a server exports is a click log: its listings are grouped, and triplets of photos that the shop kept, under the
/// names that the export gives them, train a model.
#[test]
fn what_a_server_exports_is_what_training_reads() {
    let house = House::new();
    let log = house.path("made.ndjson");
    let drawn = ["clicks", "simulate", "--products", "4", "--searches", "20", "--out", text(&log), "--quiet"];
    house.run(&drawn).ended(0);
    let shop = house.path("made.shop");
    let mut manifest = std::fs::read_to_string(shop.join("manifest.csv")).unwrap();
    let mut photos = Vec::new();
    for row in manifest.clone().lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let (file, split, listing, view) = (cells[0], cells[2], cells[5], cells[6]);
        let bytes = std::fs::read(shop.join(file)).unwrap();
        if split == "train" && view == "photo" {
            // As a shop keeps the photos it is asked with.
            let name = PictureHash::of(&bytes).to_string();
            std::fs::rename(shop.join(file), shop.join(&name)).unwrap();
            manifest = manifest.replace(file, &name);
            photos.push((name, bytes));
        } else if split == "train" {
            house.write(&format!("listings/{listing}/{file}"), bytes);
        }
    }
    std::fs::write(shop.join("manifest.csv"), manifest).unwrap();
    house.run(&["import", text(&house.path("listings")), "-c", "shop", "--quiet"]).ended(0);

    let server = house.start(&["serve"]);
    let send = |path: &str, kind: &str, body: &[u8], status: u16| -> Value {
        let (found, body) = server.send("POST", path, kind, body).unwrap();
        assert_eq!(found, status, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let mut asked = Vec::new();
    for (name, bytes) in &photos {
        let answer = send("/v1/catalogues/shop/search", "image/jpeg", bytes, 200);
        let results: Vec<&str> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["product"]["id"].as_str().unwrap())
            .collect();
        // The second is clicked: the first was passed over.
        let events: Vec<Value> = ["anna", "ben"]
            .map(|user| {
                json!({"kind": "click", "search": answer["id"], "product": results[1], "rank": 2, "user": user})
            })
            .into();
        let fate = json!({ "events": events }).to_string();
        let fate = send("/v1/catalogues/shop/feedback", "application/json", fate.as_bytes(), 202);
        assert_eq!(fate["accepted"], 2);
        asked.push((name.clone(), results.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    }
    // Sent in chunks, of whole lines.
    let (_, body) = server.get("/v1/catalogues/shop/feedback");
    let lines: Vec<&str> = body.lines().filter(|line| line.starts_with('{')).collect();
    let exported = house.write("clicks.ndjson", lines.join("\n"));
    assert_eq!(server.stop(), Some(0));
    assert_eq!(lines.len(), 2 * photos.len());
    for (line, (name, shown)) in lines.iter().step_by(2).zip(&asked) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!((event["photo"].as_str(), &event["shown"]), (Some(&name[..]), &json!(shown)));
    }

    let ids = house.run(&["clicks", "ids", text(&exported), "--json"]).ended(0).json();
    assert_eq!((&ids["clicks"], &ids["photos"]), (&json!(lines.len()), &json!(photos.len())));
    let config = house.write(
        "small.toml",
        "side = 32\nstem = 16\nstages = [[16, 1], [32, 1], [32, 1]]\nbatch = 8\nsteps = 20\ncheckpoint_every = 20\n",
    );
    let (run, data) = (house.path("run"), format!("clicks:{}", text(&exported)));
    let trained = ["train", "clicks", "--config", text(&config), "--data", text(&shop), "--data", &data];
    house.run(&[&trained[..], &["--run", text(&run), "--quiet"]].concat()).ended(0);
    assert!(run.join("package/card.json").is_file());
}
