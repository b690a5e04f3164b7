use serde_json::Value;
use twinset_brought::Words;

use super::torch::{expected, file};

fn ids(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
}

/// What the `tokenizers` library makes of the same files.
#[test]
fn words_become_the_ids_that_their_tower_learned_with() {
    let expected = &expected()["tokens"];
    for (name, length, filled) in [("tokenizer", 12, true), ("byte_pairs", 40, false)] {
        let words = Words::read(&file(&format!("{name}.json")), length).unwrap();
        for (text, wanted) in
            expected["texts"].as_array().unwrap().iter().zip(expected[name].as_array().unwrap())
        {
            let (found, mask) = words.ids(text.as_str().unwrap()).unwrap();
            let wanted = ids(wanted);
            assert_eq!((found.len(), mask.len()), (length, length));
            assert_eq!(found[..wanted.len()], wanted, "{name}: {text}");
            if !filled {
                assert!(
                    mask[..wanted.len()].iter().all(|&m| m == 1)
                        && mask[wanted.len()..].iter().all(|&m| m == 0)
                );
            }
        }
    }
}

#[test]
fn a_text_that_is_cut_keeps_its_end() {
    let words = Words::read(&file("tokenizer.json"), 5).unwrap();
    let (ids, mask) = words.ids("a red dress with a blue bag").unwrap();
    assert_eq!((ids[0], ids[4]), (38, 39));
    assert_eq!(mask, [1; 5]);
    assert_eq!(Words::told_length(&file("tokenizer.json")), Some(12));
    assert!(words.ids(&"a".repeat(3000)).is_err());
    for broken in ["", "[]", r#"{"model": {"type": "Unigram"}}"#, r#"{"model": {"type": "Oracle"}}"#] {
        assert!(Words::read(broken.as_bytes(), 5).is_err(), "{broken}");
    }
}
