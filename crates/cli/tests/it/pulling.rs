//! `twinset model pull` from a hub on this machine.

use crate::brought::testdata;
use crate::house::House;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with one model that breaks off the first `breaks` downloads half way.
struct Hub {
    address: String,
    /// Ranges asked for.
    ranges: Arc<Mutex<Vec<String>>>,
}

fn hub(breaks: usize, wrong_digest: bool) -> Hub {
    hub_for(breaks, wrong_digest, None)
}

/// A hub that shows its model only to who has this token, and gives its files from a host that must not see it.
fn hub_for(breaks: usize, wrong_digest: bool, token: Option<&'static str>) -> Hub {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let model = Arc::new(std::fs::read(testdata("clip.onnx")).unwrap());
    let (left, asked) = (Arc::new(AtomicUsize::new(breaks)), ranges.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                head += &line.to_lowercase();
                line.clear();
            }
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let range = head.lines().find_map(|l| l.strip_prefix("range: bytes=")).map(str::to_owned);
            let mut to = &stream;
            let mut digest: String = Sha256::digest(&model[..]).iter().map(|b| format!("{b:02x}")).collect();
            if wrong_digest {
                digest.replace_range(..2, "zz");
            }
            let shown = head.lines().find_map(|l| l.strip_prefix("authorization: bearer "));
            let elsewhere = format!("http://localhost:{}", listener.local_addr().unwrap().port());
            assert!(path != "/store/7" || shown.is_none(), "the token has left the hub");
            if path != "/store/7" && shown != token {
                let _ =
                    write!(to, "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            } else if path.starts_with("/api/models/shop/small/revision/main") {
                let list = format!(
                    r#"{{"sha":"{COMMIT}","cardData":{{"license":"cc0-1.0"}},"siblings":[
                        {{"rfilename":"README.md","size":3,"blobId":"00"}},
                        {{"rfilename":"onnx/vision_model.onnx","size":{},"lfs":{{"sha256":"{digest}","size":{}}}}}]}}"#,
                    model.len(),
                    model.len()
                );
                let _ = write!(
                    to,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{list}",
                    list.len()
                );
            } else if path == format!("/shop/small/resolve/{COMMIT}/onnx/vision_model.onnx") {
                let _ = write!(
                    to,
                    "HTTP/1.1 302 Found\r\nlocation: {elsewhere}/store/7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            } else if path == "/store/7" {
                asked.lock().unwrap().push(range.clone().unwrap_or_default());
                let from: usize =
                    range.and_then(|r| r.trim_end_matches('-').trim().parse().ok()).unwrap_or(0);
                let rest = &model[from.min(model.len())..];
                let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
                let _ = write!(
                    to,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\nconnection: close\r\n\r\n",
                    rest.len(),
                    model.len() - 1,
                    model.len()
                );
                let broken =
                    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
                let _ = to.write_all(if broken { &rest[..rest.len() / 2] } else { rest });
            } else {
                let _ =
                    write!(to, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        }
    });
    Hub { address, ranges }
}

#[test]
fn a_pull_goes_on_where_it_broke_off_and_checks_what_it_got() {
    let house = House::new();
    let hub = hub(2, false);
    let pull = ["model", "pull", "shop/small", "--hub", hub.address.as_str(), "--json", "--quiet"];
    let kept = house.run(&pull).ended(0).json();
    assert_eq!(kept[0]["name"], "shop/small");
    let ranges = hub.ranges.lock().unwrap().clone();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert!(ranges[0].is_empty() && ranges[1] != ranges[2] && ranges[1].ends_with('-'), "{ranges:?}");
    let card = house.run(&["model", "show", "shop/small", "--json"]).ended(0).json();
    assert_eq!(card[0]["licences"][0], "cc0-1.0");
    assert!(card[0]["recipe"]["origin"].as_str().unwrap().ends_with(COMMIT), "{card}");
    assert!(!house.path("home/pulled").join(format!("shop--small--{COMMIT}")).exists());
}

#[test]
fn a_token_opens_a_hub_and_goes_nowhere_else() {
    let house = House::new();
    let hub = hub_for(0, false, Some("hf_secret"));
    let pull = ["model", "pull", "shop/small", "--hub", hub.address.as_str(), "--quiet"];
    let with = |token: &str| {
        let output = house.command(&pull).env("HF_TOKEN", token).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let told = house.run(&pull).ended(1).stderr();
    assert!(told.contains("HF_TOKEN"), "{told}");
    let (status, told) = with("hf_wrong");
    assert!(status == Some(1) && told.contains("the owner of this HF_TOKEN"), "{told}");
    let (status, told) = with("two words");
    assert!(status == Some(1) && told.contains("HF_TOKEN is no token"), "{told}");
    let (status, told) = with("hf_secret\n");
    assert_eq!(status, Some(0), "{told}");
    house.run(&["model", "show", "shop/small"]).ended(0);
}

#[test]
fn what_is_not_what_was_announced_is_thrown_away() {
    let house = House::new();
    let hub = hub(0, true);
    let told =
        house.run(&["model", "pull", "shop/small", "--hub", &hub.address, "--quiet"]).ended(1).stderr();
    assert!(told.contains("is not what the hub announced"), "{told}");
    let left = house.path("home/pulled").join(format!("shop--small--{COMMIT}/onnx"));
    assert_eq!(std::fs::read_dir(left).unwrap().count(), 0);
    let kept = house.run(&["model", "list", "--json"]).ended(0).json();
    assert_eq!(kept.as_array().unwrap().len(), 2, "{kept}");
}

#[test]
fn names_and_revisions_that_are_none_are_told() {
    let house = House::new();
    let hub = hub(0, false);
    for (args, reason) in [
        (&["shop/other"][..], "has no model 'shop/other'"),
        (&["shop/small", "--revision", "v9"], "at revision 'v9'"),
        (&["../etc"], "no name of a model"),
        (&["shop/small", "--revision", "../../x"], "no revision"),
        (&["shop/small", "--file", "model.safetensors"], "onnx/vision_model.onnx"),
    ] {
        let all = [&["model", "pull", "--quiet", "--hub", &hub.address], args].concat();
        let told = house.run(&all).ended(1).stderr();
        assert!(told.contains(reason), "{args:?}: {told}");
    }
}
