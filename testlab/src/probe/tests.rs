use proptest::prelude::*;
use serde_json::{Value, json};

use super::{answer, run};

/// Operations of crates that do not exist yet; their examples are answered with `unsupported`.
const LATER: [&str; 2] = ["mschapv2", "cert"];

fn ask(request: &Value) -> Value {
    answer(request.to_string().as_bytes())
}

#[test]
fn every_example_of_the_documentation_is_answered_as_it_says() {
    let lines = include_str!("../../PROBE.md").lines();
    let (mut request, mut checked) = (None, 0);
    for line in lines {
        if let Some(text) = line.strip_prefix("    > ") {
            request = Some(serde_json::from_str::<Value>(text).unwrap());
        } else if let Some(text) = line.strip_prefix("    < ") {
            let request = request.take().unwrap();
            let mut expected = serde_json::from_str::<Value>(text).unwrap();
            let mut given = ask(&request);
            checked += 1;
            if LATER.iter().any(|op| request["op"] == *op) {
                assert!(given["unsupported"].is_string(), "{request} {given}");
                continue;
            }
            // Texts of errors are free.
            if expected["error"].is_string() && given["error"].is_string() {
                expected["error"] = Value::Null;
                given["error"] = Value::Null;
            }
            assert_eq!(given, expected, "{request}");
        }
    }
    assert_eq!(checked, 28);
}

fn sha2_256(octets: &Value) -> Value {
    ask(&json!({"op": "hash", "alg": "sha2-256", "msg": octets}))["out"].clone()
}

#[test]
fn the_documented_ml_kem_values_come_out() {
    let seed: Vec<u8> = (0..64).collect();
    let seed = hex::encode(seed);
    let made = ask(&json!({"op": "kem", "group": 35, "action": "keygen", "seed": seed}));
    assert_eq!(
        sha2_256(&made["public"]),
        "3ae268dccc5456ac0d0f9b39257dc48fe081383b97c400512d712b739762daee"
    );
    let sealed = ask(&json!({"op": "kem", "group": 35, "action": "encaps",
        "public": made["public"], "m": "5a".repeat(32)}));
    assert_eq!(
        sha2_256(&sealed["ciphertext"]),
        "0f244f94485d468aeaac7e257f73ed151f853a342d0494a966c4cfd2851dbc19"
    );
    assert_eq!(
        sealed["shared"],
        "4d06b467b3ef03cbd181d7e23059ad7d443178cb538f54a4c3263e1e4345eeba"
    );
    let opened = ask(&json!({"op": "kem", "group": 35, "action": "decaps",
        "seed": seed, "ciphertext": sealed["ciphertext"]}));
    assert_eq!(opened["shared"], sealed["shared"]);
}

#[test]
fn each_line_has_one_answer_in_order_whatever_it_is() {
    let input =
        b"{\"id\":1,\"op\":\"hash\"}\n\n[1]\nnonsense \xff\n{\"id\":[2],\"op\":\"x\"}\n{\"op\":7}";
    let mut output = Vec::new();
    run(&input[..], &mut output).unwrap();
    let answers: Vec<Value> = output
        .split(|&octet| octet == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 6);
    assert_eq!(answers[0]["id"], 1);
    assert_eq!(answers[4]["id"], json!([2]));
    assert!(answers[4]["unsupported"].is_string());
    for index in [0, 1, 2, 3, 5] {
        assert!(answers[index]["error"].is_string(), "{}", answers[index]);
    }
}

#[test]
fn lines_of_some_megabytes_are_answered() {
    let long = "00".repeat(3_000_000);
    assert_eq!(
        ask(&json!({"op": "hash", "alg": "sha1", "msg": long}))["out"]
            .as_str()
            .map(str::len),
        Some(40)
    );
    for op in ["decode", "prf", "verify", "dh", "open"] {
        let request = json!({"op": op, "message": long, "peer": long, "group": 14,
            "private": "05", "spki": long, "alg": "ed25519", "msg": "", "sig": ""});
        assert!(ask(&request)["error"].is_string(), "{op}");
    }
    assert!(answer("[".repeat(2_000_000).as_bytes())["error"].is_string());
}

/// Requests that are nearly right: an example with one field replaced or gone.
fn nearly() -> impl Strategy<Value = Value> {
    let examples: Vec<Value> = include_str!("../../PROBE.md")
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("    > ")?).ok())
        .collect();
    let strange = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!("0")),
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!(1.5)),
        Just(json!([])),
        Just(json!([[]])),
        Just(json!({})),
        (0..70u64).prop_map(|n| json!(n)),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(|v| json!(hex::encode(v))),
    ];
    (
        prop::sample::select(examples),
        any::<prop::sample::Index>(),
        strange,
    )
        .prop_map(|(mut example, at, strange)| {
            let fields = example.as_object_mut().unwrap();
            let name = fields.keys().nth(at.index(fields.len())).unwrap().clone();
            fields.insert(name, strange);
            example
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn arbitrary_lines_have_an_answer(line in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(answer(&line).is_object());
    }

    #[test]
    fn requests_that_are_nearly_right_have_an_answer(request in nearly()) {
        let answer = ask(&request);
        prop_assert_eq!(&answer["id"], &request["id"]);
    }

    #[test]
    fn damaged_messages_are_refused_or_encoded_as_they_were(
        at in 0..150usize,
        octet in any::<u8>(),
    ) {
        let example = "010203040506070800000000000000002120220800000000000000962200002800000024010100030300000c01000014800e01000300000802000005000000080400001f28000028001f00002fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b742900001400112233445566778899aabbccddeeff290000080000402e0000000e0000402f000200030004";
        let mut message = hex::decode(example).unwrap();
        message[at] = octet;
        let decoded = ask(&json!({"op": "decode", "message": hex::encode(&message)}));
        if decoded["error"].is_null() {
            let encoded = ask(&json!({"op": "encode", "tree": decoded["tree"]}));
            let again = ask(&json!({"op": "decode", "message": encoded["message"]}));
            prop_assert_eq!(&again["tree"], &decoded["tree"]);
        }
    }
}
