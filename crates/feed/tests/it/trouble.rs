//! What a feed will do to its reader: `api/feeds.md`, section 3, point by point.

use crate::{Told, feed, settings, try_feed};
use encoding_rs::{EUC_KR, SHIFT_JIS, WINDOWS_1252};
use std::io::Read;
use std::ops::ControlFlow;
use twinset_catalogue::{Availability, Product, Role};
use twinset_feed::{Event, FeedError, Limits, Mapping, Settings, read};

const HEADER: &str = "id\ttitle\timage_link\tprice\n";

fn item(inside: &str) -> String {
    format!("<rss xmlns:g=\"http://base.google.com/ns/1.0\"><channel><item>{inside}</item></channel></rss>")
}

fn one(told: &Told) -> &Product {
    assert_eq!(told.products.len(), 1, "{told:#?}");
    &told.products[0].1
}

#[test]
fn encodings() {
    let text = format!(
        "{HEADER}1\t여성 린넨 원피스 여름 신상\thttps://a.example/1.jpg\t29,000원\n2\t가죽 운동화 남성용 검정\thttps://a.example/2.jpg\t1원\n"
    );
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        EUC_KR.encode(&text).0.into_owned(),
    ] {
        let told = feed(&bytes);
        assert_eq!(told.get("1").title.as_deref(), Some("여성 린넨 원피스 여름 신상"));
        assert_eq!(told.get("1").price.unwrap().to_string(), "29000 KRW");
    }
    let japanese = format!(
        "{HEADER}1\tリネンのワンピース、夏物\thttps://a.example/1.jpg\t3,980円\n2\t革のスニーカー（黒）\thttps://a.example/2.jpg\t1円\n"
    );
    let wide: Vec<u8> =
        [0xfeff].into_iter().chain(japanese.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for bytes in [SHIFT_JIS.encode(&japanese).0.into_owned(), wide] {
        assert_eq!(feed(&bytes).get("1").title.as_deref(), Some("リネンのワンピース、夏物"));
    }
    // A declaration that lies is told; what was spoilt before it came here is a finding too.
    let xml = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>".to_owned()
        + &item(
            "<g:id>1</g:id><title>Größe 여성</title><g:image_link>https://a.example/1.jpg</g:image_link>",
        );
    let told = feed(&xml);
    assert_eq!((one(&told).title.as_deref(), told.kinds()), (Some("Größe 여성"), vec!["wrong_encoding"]));
    let german = xml.replace("여성", "für");
    assert_eq!(one(&feed(WINDOWS_1252.encode(&german).0)).title.as_deref(), Some("Größe für"));
    let told = feed(format!("{HEADER}1\tGrÃ¶ÃŸe\thttps://a.example/1.jpg\t\n"));
    assert_eq!((one(&told).title.as_deref(), told.kinds()), (Some("GrÃ¶ÃŸe"), vec!["mojibake"]));
    let told = feed(
        [
            HEADER.as_bytes(),
            &"1\t여성여성여성여성여성여성여성여성\thttps://a.example/1.jpg\t\n".repeat(9).into_bytes(),
            b"2\tx\xff\thttps://a.example/2.jpg\t\n",
        ]
        .concat(),
    );
    assert!(told.kinds().contains(&"undecodable"), "{:?}", told.findings);
}

#[test]
fn lines() {
    for end in ["\r\n", "\n", "\r"] {
        let text = [
            "id,title,image_link",
            "1,\"two",
            "lines\",https://a.example/1.jpg",
            "",
            "id,title,image_link",
            "2,b,https://a.example/2.jpg",
        ]
        .join(end);
        let told = feed(&text);
        assert_eq!((told.ids(), told.kinds()), (vec!["1", "2"], vec!["repeated_header"]), "{end:?}");
        assert_eq!(told.get("1").title.as_deref(), Some("two lines"));
        assert_eq!(told.products[1].0, 6, "rows are told by their lines");
    }
    // One bad row, not a swallowed file.
    let rows: String = (2..2000).map(|n| format!("{n},t,https://a.example/{n}.jpg\n")).collect();
    let told = feed(format!("id,title,image_link\n1,\"open,https://a.example/1.jpg\n{rows}"));
    assert_eq!((told.products.len(), told.kinds()), (1998, vec!["bad_row"]));
    // Tabs are unquoted.
    let told = feed(format!(
        "{HEADER}1\tlamp 12\" tall\thttps://a.example/1.jpg\t5 EUR\n2\t\"half\thttps://a.example/2.jpg\t\n"
    ));
    assert_eq!(told.get("1").title.as_deref(), Some("lamp 12\" tall"));
    assert_eq!(told.get("2").title.as_deref(), Some("\"half"));
    // Cells, NUL bytes.
    let told = feed(
        "id,title,image_link\n1,a\n2,b,https://a.example/2.jpg,more,and more\n3,c\0d,https://a.example/3.jpg\n",
    );
    assert_eq!(told.kinds(), ["cell_count", "missing_image", "cell_count", "control_characters"]);
    assert_eq!(told.get("3").title.as_deref(), Some("cd"));
}

#[test]
fn markup() {
    let told = feed(item(
        "<g:id>1</g:id><title>A &nbsp; B & C &lt;b&gt;D&lt;/b&gt; &amp;amp; E</title><description><![CDATA[<p>x</p><p>y &lt; z</p>]]></description><image_link>https://a.example/1.jpg?a=1&amp;amp;b=2</image_link><g:price>1 < 2</g:price>\u{1}",
    ));
    let product = one(&told);
    assert_eq!(product.title.as_deref(), Some("A B & C D & E"));
    assert_eq!(product.description.as_deref(), Some("x\ny < z"));
    assert_eq!(product.images[0].url.as_deref(), Some("https://a.example/1.jpg?a=1&b=2"));
    // Prefixes of any name, of none, and undeclared ones; Google's win.
    for (open, prefix) in [
        ("<rss xmlns:x=\"http://base.google.com/ns/1.0/\">", "x:"),
        ("<rss>", "g:"),
        ("<rss>", ""),
        ("<rss xmlns=\"http://base.google.com/ns/1.0\">", ""),
    ] {
        let text = format!(
            "{open}<channel><item><{prefix}id>1</{prefix}id><title>plain</title><{prefix}title>t</{prefix}title><{prefix}image_link>https://a.example/1.jpg</{prefix}image_link></item></channel></rss>"
        );
        let told = feed(&text);
        assert_eq!(one(&told).images.len(), 1, "{text}");
        assert_eq!(one(&told).title.as_deref(), Some(if prefix.is_empty() { "plain" } else { "t" }));
    }
    // No entity of the document's own making, inside or outside.
    let bomb = "<!DOCTYPE rss [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]>".to_owned()
        + &item("<g:id>1</g:id><title>&b;&x;</title><g:image_link>https://a.example/1.jpg</g:image_link>");
    assert_eq!(one(&feed(&bomb)).title.as_deref(), Some("&b;&x;"));
    // Sub-attributes as text feeds write them.
    let told = feed(item(
        "<g:id>1</g:id><g:image_link>https://a.example/1.jpg</g:image_link><g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping><g:structured_title><g:content>Made up</g:content></g:structured_title>",
    ));
    assert_eq!(one(&told).attributes["shipping"], ["DE:::4.90 EUR"]);
    assert_eq!(one(&told).title.as_deref(), Some("Made up"));
    let told = feed(
        "id\tstructured_title\timage_link\tprice\n1\ttrained_algorithmic_media:\"Made up, too\"\thttps://a.example/1.jpg\t1 EUR\n",
    );
    assert_eq!(one(&told).title.as_deref(), Some("Made up, too"));
    // The id as an attribute.
    let told = feed(
        "<offers><offer id=\"7\"><name>n</name><picture>https://a.example/7.jpg</picture></offer></offers>",
    );
    assert_eq!((told.ids(), one(&told).images.len()), (vec!["7"], 1));
    // RDF.
    let rdf = "<rdf:RDF xmlns:rdf=\"r\" xmlns=\"http://purl.org/rss/1.0/\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel/><item rdf:about=\"x\"><g:id>1</g:id><title>t</title><link>https://a.example/p</link><g:image_link>1.jpg</g:image_link></item></rdf:RDF>";
    assert_eq!(one(&feed(rdf)).images[0].url.as_deref(), Some("https://a.example/1.jpg"));
}

#[test]
fn a_feed_cut_off_in_the_middle_keeps_what_was_whole() {
    let items: String = (0..50)
        .map(|n| {
            format!("<item><g:id>{n}</g:id><g:image_link>https://a.example/{n}.jpg</g:image_link></item>")
        })
        .collect();
    let xml = format!("<rss xmlns:g=\"http://base.google.com/ns/1.0\"><channel>{items}</channel></rss>");
    for cut in [xml.len() / 2, xml.len() - 5, xml.len() - 14, xml.len() - 30] {
        let told = feed(&xml[..cut]);
        assert!(told.partial() && told.kinds().contains(&"cut_off"), "{cut}");
        assert!(told.products.len() >= 24, "{cut}");
    }
    assert!(!feed(&xml).partial());
    let lines: String = (0..9).map(|n| format!("{{\"id\":\"{n}\",\"images\":[]}}\n")).collect();
    let told = feed(&lines[..lines.len() - 5]);
    assert!(told.partial() && told.products.len() == 8);
    let json = "{\"products\":[{\"id\":1,\"variants\":[{\"id\":11,\"price\":\"1.00\"}],\"images\":[]},{\"id\":2,\"vari";
    let told = feed(json);
    assert!(told.partial() && told.ids() == ["11"]);
    // A packed feed whose packing breaks off.
    let table = format!(
        "{HEADER}{}",
        (0..100_000)
            .map(|n| format!("{n}\tThing number {n}\thttps://a.example/{n}.jpg\t{n}.00 EUR\n"))
            .collect::<String>()
    );
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(table.as_bytes(), flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    let told = feed(&packed[..packed.len() / 2]);
    assert!(told.partial() && told.products.len() > 10_000, "{}", told.products.len());
    assert_eq!(feed(&packed).products.len(), 100_000);
}

#[test]
fn a_table_cut_off_in_the_middle_of_a_row_says_so() {
    let row = |n: u32| {
        format!("{n},t{n},\"long text\nof several lines, and more\",https://a.example/{n}.jpg,{n}.00 EUR\n")
    };
    let text = "id,title,description,image_link,price\n".to_owned() + &(1..7).map(row).collect::<String>();
    // Inside the quotes, behind them, between two cells; at the end of a row nobody can know.
    for cut in ["lines, and", "https://", ",t6"] {
        let told = feed(&text[..text.rfind(cut).unwrap() + 3]);
        assert_eq!(told.ids(), ["1", "2", "3", "4", "5"], "{cut}");
        assert!(told.partial(), "{cut}");
    }
    assert!(!feed(text.trim_end()).partial());
    // Where rows leave out what is empty at their end, a short one is whole.
    let told = feed("id,title,image_link,price\n1,a,https://a.example/1.jpg\n2,b,https://a.example/2.jpg");
    assert_eq!((told.ids(), told.partial()), (vec!["1", "2"], false));
}

#[test]
fn the_lines_of_a_broken_row_are_no_products() {
    let told = feed(
        "id,title,description,image_link\n1,a,\"never closed,https://a.example/1.jpg\nits second line, with a comma\nits third\n\
         2,b,ok,https://a.example/2.jpg\n3,c,\"two\nlines\",https://a.example/3.jpg\n",
    );
    assert_eq!((told.ids(), told.kinds()), (vec!["2", "3"], vec!["bad_row"]));
    let told = feed("id,title,image_link\n1,\"say \\\"hi\\\", ok\",https://a.example/1.jpg\n");
    assert_eq!((one(&told).title.as_deref(), told.kinds()), (Some("say \"hi\", ok"), vec![]));
}

#[test]
fn what_is_no_feed_is_told_as_what_it_is() {
    let page =
        "<!DOCTYPE html><html><head><title>Access denied</title></head><body>please log in</body></html>";
    assert!(matches!(try_feed(page.as_bytes(), &settings()), Err(FeedError::PageWithoutProducts { .. })));
    let picture: Vec<u8> =
        [0xff, 0xd8, 0xff, 0xe0].into_iter().chain((0..4_000_u32).map(|n| ((n * n) >> 3) as u8)).collect();
    assert!(matches!(try_feed(&picture, &settings()), Err(FeedError::Unrecognised { .. })));
}

/// A reader that makes its text as it is asked.
struct Endless {
    n: u64,
    rest: Vec<u8>,
    most: u64,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() {
            if self.n == self.most {
                return Ok(0);
            }
            let lines = (self.n..self.most.min(self.n + 500))
                .map(|n| format!("{n}\tLinen dress number {n}\thttps://a.example/{n}.jpg\t{n}.00 EUR\n"));
            self.rest = lines.collect::<String>().into_bytes();
            self.n = self.most.min(self.n + 500);
        }
        let n = into.len().min(self.rest.len());
        into[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        Ok(n)
    }
}

#[cfg(target_os = "linux")]
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
const CHILD: &str = "TWINSET_FEED_TEST_CHILD";

/// Not a test of its own: reads a long feed in a process where nothing else runs, and says by how much it grew.
#[test]
#[cfg(target_os = "linux")]
fn child_that_reads() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let rows = std::env::var("TWINSET_FEED_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let (mut count, mut early) = (0_u64, 0);
    let input = Box::new(HEADER.as_bytes().chain(Endless { n: 0, rest: Vec::new(), most: rows }));
    let summary = read(input, &settings(), &mut |event| {
        count += u64::from(matches!(event, Event::Product { .. }));
        if count == 20_000 {
            early = resident_kib();
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((summary.products, count), (rows, rows));
    println!("\ngrew by {} KiB", resident_kib().saturating_sub(early));
}

/// 200,000 rows, or `TWINSET_FEED_ROWS`.
#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_feed() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let args = ["--exact", "trouble::child_that_reads", "--nocapture", "--test-threads", "1"];
    let output = child.args(args).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let grown = said
        .lines()
        .find_map(|line| line.strip_prefix("grew by ")?.strip_suffix(" KiB")?.parse::<u64>().ok());
    println!("{said}");
    // The feed itself has more than 12 MB.
    assert!(grown.is_some_and(|grown| grown < 2_000), "{said}");
}

#[test]
fn sizes_have_limits() {
    let mut bomb = Vec::new();
    flate2::read::GzEncoder::new(std::io::repeat(b'\n').take(100 << 20), flate2::Compression::fast())
        .read_to_end(&mut bomb)
        .unwrap();
    let bombed = [gzip(HEADER.as_bytes()), bomb].concat();
    assert!(matches!(try_feed(&bombed, &settings()), Err(FeedError::TooLarge { .. })));
    let small = Settings { limits: Limits { unpacked_bytes: 100, ..Limits::default() }, ..settings() };
    let long = format!("{HEADER}1\t{}\thttps://a.example/1.jpg\t1 EUR\n", "x".repeat(200));
    let long = try_feed(long.as_bytes(), &small);
    assert!(matches!(long, Err(FeedError::TooLarge { .. })), "{long:?}");
    let told = feed(item(&format!(
        "<g:id>1</g:id><title>{}</title><g:image_link>https://a.example/1.jpg</g:image_link>",
        "x".repeat(3 << 20)
    )));
    assert_eq!((one(&told).title.as_ref().unwrap().len(), told.kinds()), (1000, vec!["cut", "cut"]));
    let deep = format!(
        "<g:id>1</g:id><g:image_link>https://a.example/1.jpg</g:image_link><a>{}x{}</a>",
        "<b>".repeat(5000),
        "</b>".repeat(5000)
    );
    assert!(feed(item(&deep)).kinds().contains(&"too_deep"));
    let line = format!("{{\"id\":\"2\"}}\n{{\"id\":\"1\",\"title\":\"{}\"}}\n", "x".repeat(9 << 20));
    let told = feed(&line);
    assert_eq!((told.ids(), told.kinds()), (vec!["2"], vec!["missing_image", "bad_row"]));
    let nested = format!(
        "{{\"id\":\"1\",\"custom\":{}1{}}}\n{{\"id\":\"2\",\"images\":[]}}\n",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(feed(&nested).ids(), ["2"]);
    let line = format!("{{\"id\":\"1\",\"images\":[],\"custom\":{}{}}}\n", "[".repeat(70), "]".repeat(70));
    assert_eq!(feed(&line).kinds(), ["bad_row"]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn ids() {
    let told = feed(format!(
        "{HEADER}\tno id\thttps://a.example/1.jpg\t\n  a b \tx\thttps://a.example/2.jpg\t\n{}\ttoo long\thttps://a.example/3.jpg\t\n",
        "i".repeat(300)
    ));
    assert_eq!(told.ids(), ["a b"]);
    assert_eq!(told.kinds(), ["missing_id", "bad_row"]);
    assert_eq!(told.findings[0].row, 2);
}

#[test]
fn addresses() {
    let told = feed(item(
        "<g:id>1</g:id><link>https://s.example/p/1</link><g:image_link>/img/1.jpg</g:image_link><g:additional_image_link>//cdn.example/2 b.jpg</g:additional_image_link>\
         <g:additional_image_link>https://s.example/한.jpg</g:additional_image_link><g:additional_image_link>https://s.example/v.mp4</g:additional_image_link>\
         <g:additional_image_link>ftp://s.example/x.jpg</g:additional_image_link><g:additional_image_link>https://s.example/img/1.jpg</g:additional_image_link>\
         <g:lifestyle_image_link>https://s.example/worn.jpg</g:lifestyle_image_link>",
    ));
    let urls: Vec<_> = one(&told).images.iter().map(|image| image.url.as_deref().unwrap()).collect();
    assert_eq!(
        urls,
        [
            "https://s.example/img/1.jpg",
            "https://cdn.example/2%20b.jpg",
            "https://s.example/%ED%95%9C.jpg",
            "https://s.example/worn.jpg"
        ]
    );
    assert_eq!(one(&told).images[3].role, Role::Lifestyle);
    assert_eq!(told.kinds(), ["video", "address"]);
    let many: Vec<String> = (0..60).map(|n| format!("https://s.example/{n}.jpg")).collect();
    let told = feed(format!(
        "id\ttitle\timage_link\tadditional_image_link\n1\tt\t{}\t{}\n",
        many[0],
        many[1..].join(",")
    ));
    assert_eq!((one(&told).images.len(), told.kinds()), (50, vec!["too_many_images"]));
}

#[test]
fn prices() {
    let row = |n: usize, price: &str| format!("{n}\tt\thttps://a.example/{n}.jpg\t{price}\n");
    let told = feed(format!(
        "{HEADER}{}{}{}{}{}",
        row(1, "EUR 15,00"),
        row(2, "10.00 - 20.00 USD"),
        row(3, "0"),
        row(4, "-3 EUR"),
        row(5, "on request")
    ));
    let prices: Vec<_> = told.products.iter().map(|(_, p)| p.price.map(|m| m.to_string())).collect();
    let expected = [Some("15.00 EUR"), Some("10.00 USD"), Some("0 EUR"), None, None];
    assert_eq!(prices, expected.map(|p| p.map(str::to_owned)));
    assert_eq!(told.kinds(), ["zero_price", "price", "price"]);
    let none = try_feed(format!("{HEADER}{}", row(1, "15")).as_bytes(), &Settings::default()).unwrap();
    assert_eq!(none.kinds(), ["currency"]);
}

#[test]
fn spoilt_numbers_unknown_words_and_what_has_expired() {
    let now = Settings { now_ms: 1_772_452_800_000, ..settings() };
    let text = "id,title,image_link,gtin,availability,condition,expiration_date\n\
                1,t,https://a.example/1.jpg,8.80123E+12,perhaps,odd,\n\
                2,t,https://a.example/2.jpg,'8801234567890,품절,Neu,2020-01-01\n\
                3,t,https://a.example/3.jpg,'8801234567890,품절,Neu,2999-01-01T10:00:00Z\n";
    let told = try_feed(text.as_bytes(), &now).unwrap();
    assert_eq!(
        (told.ids(), told.kinds()),
        (vec!["1", "3"], vec!["spoilt_gtin", "availability", "condition", "expired"])
    );
    assert_eq!(told.get("3").gtin.as_deref(), Some("8801234567890"));
    assert_eq!(told.get("3").availability, Availability::OutOfStock);
}

#[test]
fn formulas_are_plain_data() {
    let told = feed(
        "id,title,image_link\n1,=HYPERLINK(\"http://x\"),https://a.example/1.jpg\n2,+1-2@x,https://a.example/2.jpg\n",
    );
    assert_eq!(told.get("1").title.as_deref(), Some("=HYPERLINK(\"http://x\")"));
    assert_eq!(told.get("2").title.as_deref(), Some("+1-2@x"));
}

#[test]
fn unknown_tables_need_a_mapping_or_usual_names() {
    let table = "Nr;Farbe;Benennung;Foto\n7;rot;Kleid;https://a.example/7.jpg\n";
    assert!(matches!(try_feed(table.as_bytes(), &settings()), Err(FeedError::NeedsMapping { .. })));
    let mapping = Mapping::parse("[columns]\nid = \"{Nr}-{Farbe}\"\ntitle = \"Benennung\"\nimage_link = \"Foto\"\ncolor = \"Farbe\"\n[constants]\nbrand = \"M\"").unwrap();
    let told = try_feed(table.as_bytes(), &Settings { mapping: Some(mapping), ..settings() }).unwrap();
    let product = told.get("7-rot");
    assert_eq!(
        (product.title.as_deref(), product.brand.as_deref(), product.images.len()),
        (Some("Kleid"), Some("M"), 1)
    );
    assert_eq!(product.color, ["rot"]);
    let wrong = Mapping::parse("[columns]\nid = \"Number\"").unwrap();
    assert!(
        matches!(try_feed(table.as_bytes(), &Settings { mapping: Some(wrong), ..settings() }), Err(FeedError::Mapping(text)) if text.contains("Number"))
    );
    let told = feed("상품코드,상품명,판매가,이미지,비고\nA1,원피스,29000원,https://a.example/1.jpg,x\n");
    assert_eq!((told.get("A1").title.as_deref(), told.kinds()), (Some("원피스"), vec!["guessed_columns"]));
    assert_eq!(told.get("A1").attributes["비고"], ["x"]);
}

#[test]
fn shopify_of_2025_and_stock_numbers_that_repeat() {
    let text = "Title,URL handle,Description,Vendor,Product category,Type,Tags,Published on online store,Status,SKU,Barcode,Option1 name,Option1 value,Option1 Linked To,Price,Compare-at price,Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL,Image position,Image alt text,Variant image URL,Color (product.metafields.shopify.color-pattern)\n\
                Tote,tote,<p>Bag</p>,M,,Bags,,TRUE,Active,X1,,Größe,S,,10.00,,shopify,0,TRUE,https://c.example/1.jpg,1,,,sand; rust\n\
                ,tote,,,,,,,,X1,,,M,,10.00,,,,,,,,,\n\
                Lamp,lamp,,,,,,TRUE,Draft,L1,,Title,Default Title,,5.00,,,,,https://c.example/2.jpg,1,,,\n";
    let told = feed(text);
    assert_eq!(told.ids(), ["tote#S", "tote#M"]);
    let tote = told.get("tote#S");
    assert_eq!(
        (tote.availability, &tote.size, &tote.color),
        (Availability::Backorder, &vec!["S".to_owned()], &vec!["sand".to_owned(), "rust".to_owned()])
    );
    assert_eq!(told.get("tote#M").availability, Availability::InStock, "stock is not tracked");
    assert_eq!(told.kinds(), ["not_listed"]);
    assert_eq!(tote.link.as_deref(), Some("https://shop.example/products/tote"));
}

#[test]
fn other_json() {
    let told = feed(
        "[{\"id\":7,\"name\":\"n\",\"image\":\"https://a.example/7.jpg\",\"price\":12.5,\"weight\":3},\n{\"id\":8,\"images\":[\"https://a.example/8.jpg\"]}]",
    );
    assert_eq!(told.ids(), ["7", "8"]);
    assert_eq!(
        (told.get("7").title.as_deref(), told.get("7").price.unwrap().to_string().as_str()),
        (Some("n"), "12.5 EUR")
    );
    assert_eq!(told.get("7").attributes["weight"], ["3"]);
    let group = r##"{"@context":"https://schema.org","@type":"ProductGroup","productGroupID":"g1","name":"Dress","brand":{"name":"M"},"hasVariant":[{"@type":"Product","sku":"a","color":"red","image":"https://a.example/a.jpg","offers":{"@type":"AggregateOffer","lowPrice":"9.50","priceCurrency":"EUR","availability":"InStock"}},{"@type":"Product","sku":"b","image":{"url":"https://a.example/b.jpg"}}]}"##;
    let told = feed(group);
    let a = told.get("a");
    assert_eq!(
        (a.group_id.as_deref(), a.title.as_deref(), a.price.unwrap().to_string().as_str(), a.availability),
        (Some("g1"), Some("Dress"), "9.50 EUR", Availability::InStock)
    );
    assert_eq!(told.get("b").brand.as_deref(), Some("M"));
    let told = feed("{\"id\":\"a\",\"images\":[],}\n");
    assert_eq!(told.ids(), ["a"], "a second try is lenient");
    let told = feed("{\"id\":\"a\",\"images\":[]}\nnot json\n{\"id\":\"b\",\"images\":[]}\n");
    assert_eq!((told.ids(), told.findings[1].row), (vec!["a", "b"], 2));
}

#[test]
fn sitemaps_and_lists_name_pages() {
    let told = feed(
        "<?xml version=\"1.0\"?><urlset xmlns=\"x\"><url><loc> https://a.example/p/1?a=1&amp;b=2 </loc></url><url><loc>https://a.example/p/2</loc></url></urlset>",
    );
    assert_eq!(told.pages, ["https://a.example/p/1?a=1&b=2", "https://a.example/p/2"]);
    assert_eq!(feed("https://a.example/p/1\nhttps://a.example/p/2\n").pages.len(), 2);
}

#[test]
fn an_export_comes_back_as_it_was() {
    let line = r#"{"id":"a","title":"size <b>M</b> &amp; more","images":[{"name":"front.jpg","url":"https://a.example/a.jpg","role":"main","picture":"00000000000000000000000000000000000000000000000000000000000000aa"},{"name":"2","role":"lifestyle","alt":"x"}],"availability":"in_stock","price":{"amount":"1.50","currency":"EUR"},"color":["a/b"],"attributes":{"x y":["1","1"]},"custom":{"k":[1]},"place":{"lat":52.1,"lon":4.3},"source":"other"}"#;
    let expected: Product = serde_json::from_str(line).unwrap();
    assert_eq!(one(&feed(line)), &expected);
}

mod any_bytes {
    use super::{settings, try_feed};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// Whatever comes, it ends in products that can be kept, or in a clear error.
        #[test]
        fn end_well(head in prop::sample::select(vec!["", "id,title,image_link\n", "<rss><item>", "{\"products\":[", "Handle,Image Src\n", "ID,Type,SKU,Name,Images\n", "{\"id\":\"a\"}\n"]),
                    tail in prop::collection::vec(prop::sample::select(vec!["\"", ",", "\n", "<", ">", "<g:id>", "</g:id>", "</item>", "<item>", "&", "a", "1", "{", "}", "[", "]", ":", "\r", "\0", "é", "\t", "]]>", "<![CDATA[", "\\", "<!--", "simple", "id:1"]), 0..60)) {
            let text = format!("{head}{}", tail.concat());
            let _ = try_feed(text.as_bytes(), &settings());
        }
    }
}
