//! Recorded AdmissionReviews decode; malformed bodies get a response that the API server understands.

use stategate::admission::wire::{decode, encode, recover_uid, refusal};
use stategate::admission::{Operation, Request};

pub fn recorded() -> Vec<(String, Vec<u8>)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reviews");
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    assert_eq!(all.len(), 13);
    all
}

fn request(name: &str) -> Request {
    let (_, body) = recorded().into_iter().find(|(file, _)| file == name).unwrap();
    decode(&body).unwrap()
}

#[test]
fn every_recorded_review_decodes() {
    for (file, body) in recorded() {
        let request = decode(&body).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(!request.uid.is_empty() && !request.kind.kind.is_empty(), "{file}");
        assert!(!request.name().is_empty(), "{file} has no name");
        for object in [&request.object, &request.old_object].into_iter().flatten() {
            object.value().unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
}

#[test]
fn the_envelope_is_read_as_sent() {
    let create = request("create-statefulset.json");
    assert_eq!(create.operation, Operation::Create);
    assert_eq!(create.display_name(), "StatefulSet default/pg");
    assert!(create.object.is_some() && create.old_object.is_none());
    assert_eq!(create.user.username, "admin");

    let delete = request("delete-pvc.json");
    assert!(delete.object.is_none(), "a null object is no object");
    assert_eq!(delete.options["propagationPolicy"], "Background");

    let scale = request("scale-statefulset-5-to-0.json");
    assert_eq!((scale.subresource.as_str(), scale.kind.kind.as_str()), ("scale", "Scale"));
    assert_eq!(scale.resource.resource, "statefulsets");
}

#[test]
fn a_nameless_deletecollection_takes_its_name_from_the_old_object() {
    let request = request("deletecollection-pvc.json");
    assert_eq!(request.request_name, "");
    assert_eq!(request.name(), "data-pg-0");
}

#[test]
fn a_body_that_is_cut_off_keeps_its_uid_wherever_it_is_cut() {
    let (_, body) = &recorded()[2];
    let whole = recover_uid(body).unwrap();
    let after_uid =
        body.windows(whole.len()).position(|window| window == whole.as_bytes()).unwrap() + whole.len() + 1;
    for cut in (0..body.len()).step_by(37) {
        let bad = decode(&body[..cut]).unwrap_err();
        match bad.uid {
            Some(uid) => assert_eq!(uid, whole),
            None => assert!(cut < after_uid, "cut at {cut} lost the uid"),
        }
    }
}

#[test]
fn bad_bodies_are_never_let_through() {
    let cases: &[(&str, Option<&str>, &str)] = &[
        ("", None, "no AdmissionReview that can be read"),
        ("not json", None, "no AdmissionReview that can be read"),
        ("[]", None, "no AdmissionReview that can be read"),
        ("{}", None, "missing field"),
        (r#"{"kind":"Pod","apiVersion":"v1"}"#, None, "not AdmissionReview"),
        (r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}"#, None, "holds no request"),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":null}"#,
            None,
            "holds no request",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"u1","kind":{"version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"},"operation":"CREATE"}}"#,
            Some("u1"),
            "admissionReviewVersions: [v1]",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u2"}}"#,
            Some("u2"),
            "missing field",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u3","kind":{"version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"},"operation":"EAT"}}"#,
            Some("u3"),
            "unknown variant `EAT`",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u4","kind":{"version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"},"operation":"CREATE","object":null}}"#,
            Some("u4"),
            "must carry an object",
        ),
        (
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"","kind":{"version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"},"operation":"CREATE"}}"#,
            None,
            "no uid",
        ),
        (r#"{"apiVersion":"v1","kind":7,"request":{"uid":"u5"}}"#, Some("u5"), "invalid type"),
        (r#"{"request":{"uid":5}}"#, None, "invalid type"),
    ];
    for (body, uid, message) in cases {
        let bad = decode(body.as_bytes()).expect_err(body);
        assert_eq!(bad.uid.as_deref(), *uid, "{body}");
        assert!(bad.message.contains(message), "{body}\n  says {:?}, not {message:?}", bad.message);
        let answer = encode("u", &refusal(&bad)).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["status"]["code"], 400);
    }
}

#[test]
fn nesting_beyond_all_measure_is_an_error_not_a_crash() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let body = format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"deep","kind":{{"group":"apps","version":"v1","kind":"StatefulSet"}},"resource":{{"group":"apps","version":"v1","resource":"statefulsets"}},"operation":"CREATE","object":{{"spec":{deep}}}}}}}"#
    );
    let request = decode(body.as_bytes()).unwrap();
    assert!(request.object.unwrap().value().unwrap_err().to_string().contains("recursion limit"));
}

/// serde_json does not look at the bytes of what it skips, and the object is kept as it was received.
#[test]
fn a_body_that_is_not_utf8_is_refused_wherever_the_byte_is() {
    let (_, body) = recorded().into_iter().find(|(file, _)| file == "create-statefulset.json").unwrap();
    let body = String::from_utf8(body).unwrap();
    let uid = decode(body.as_bytes()).unwrap().uid;
    let spoilt = |from: &str, to: &[u8]| {
        let at = body.find(from).unwrap_or_else(|| panic!("{from} is not in the review"));
        [&body.as_bytes()[..at], to, &body.as_bytes()[at + from.len()..]].concat()
    };
    for (what, body) in [
        ("a label", spoilt("\"labels\"", b"\"la\xffbels\"")),
        ("a skipped field of the request", spoilt("\"object\":", b"\"x\":\"\xc3\x28\",\"object\":")),
        ("a key of the object", spoilt("\"spec\"", b"\"\xed\xa0\x80\"")),
        (
            "behind the request",
            [body.trim_end().trim_end_matches('}').as_bytes(), b"},\"y\":\"\x80\"}"].concat(),
        ),
        ("between tokens", spoilt("\"object\":", b"\xf5\"object\":")),
    ] {
        let error = decode(&body).expect_err(what);
        assert!(error.message.starts_with("the body is not UTF-8 at line "), "{what}: {}", error.message);
        assert_eq!(error.uid.as_deref(), Some(uid.as_str()), "{what}");
    }
    let error = decode(b"{\n  \"a\": \"\xff\"}").unwrap_err();
    assert!(error.message.contains("line 2 column 9, byte 10"), "{}", error.message);
}

#[test]
fn an_error_of_the_envelope_quotes_no_value() {
    let (_, body) = recorded().into_iter().find(|(file, _)| file == "create-statefulset.json").unwrap();
    let body = String::from_utf8(body).unwrap();
    for from in ["\"operation\": \"CREATE\"", "\"dryRun\": false"] {
        assert!(body.contains(from), "{from}");
        let (key, _) = from.split_once(':').unwrap();
        // An operation that there is not is named.
        let texts = ["\"hunter2\"", "\"hunter2, expected `x`\""];
        let texts = texts.into_iter().filter(|_| !from.contains("operation"));
        for value in texts.chain(["[\"hunter2\"]", "{\"a\": \"hunter2\"}"]) {
            let error = decode(body.replace(from, &format!("{key}:{value}")).as_bytes()).unwrap_err();
            assert!(!error.message.contains("hunter2"), "{}", error.message);
            assert!(error.message.contains(" at line "), "{}", error.message);
        }
    }
}
