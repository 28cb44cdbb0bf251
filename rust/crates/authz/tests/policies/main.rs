//! Compiled policies: the cases that Python shares (`tests/vectors/policy`), the closed lists of names, damaged bytes.

use std::cell::RefCell;

use panthera_authz::policy::{
    ACTIONS, BadPolicy, COMPILER_VERSION, Facts, Key, Outcome, Policy, Principal, Question, Unavailable, Value,
    action_number,
};
use panthera_base::{TenantId, Timestamp, UserId};
use proptest::prelude::*;
use serde_json::{Map, Value as Json};

fn vectors(name: &str) -> Json {
    let path = format!("{}/../../../tests/vectors/policy/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn cases(name: &str) -> Vec<Json> {
    match vectors(name) {
        Json::Array(cases) => cases,
        other => panic!("{other}"),
    }
}

fn bytes_of(case: &Json) -> Vec<u8> {
    let text = case["compiled"].as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The values a case gives to keys; counts what was asked for.
struct Context<'a> {
    values: &'a Map<String, Json>,
    asked: RefCell<Vec<Key>>,
}

impl<'a> Context<'a> {
    fn of(case: &'a Json) -> Self {
        Self { values: case["context"].as_object().unwrap(), asked: RefCell::default() }
    }
}

impl Facts for Context<'_> {
    fn values(&self, key: Key, suffix: &str, give: &mut dyn FnMut(Value<'_>)) -> Result<(), Unavailable> {
        self.asked.borrow_mut().push(key);
        let named = |name: &str| match key.name().strip_suffix('/') {
            None => name.eq_ignore_ascii_case(key.name()),
            Some(family) => {
                name.split_once('/').is_some_and(|(head, tail)| head.eq_ignore_ascii_case(family) && tail == suffix)
            }
        };
        match self.values.iter().find(|(name, _)| named(name)).map(|(_, values)| values) {
            None => {}
            Some(Json::Array(values)) => values.iter().for_each(|one| give(value(one))),
            Some(_) => return Err(Unavailable),
        }
        Ok(())
    }
}

fn value(json: &Json) -> Value<'_> {
    if let Some(text) = json.as_str() {
        return Value::Text(text.as_bytes());
    }
    let (kind, raw) = json.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "bool" => Value::Bool(raw.as_bool().unwrap()),
        "number" => Value::Number(raw.as_i64().unwrap()),
        "time" => Value::Time(Timestamp(raw.as_u64().unwrap())),
        "address" => Value::Address(raw.as_str().unwrap().parse().unwrap()),
        other => panic!("{other}"),
    }
}

fn principal(json: &Json) -> Principal {
    let number = || json["number"].as_u64().unwrap() as u32;
    let tenant = || TenantId(json["account"].as_str().unwrap().parse().unwrap());
    match json["kind"].as_str().unwrap() {
        "anonymous" => Principal::Anonymous,
        "user" => Principal::User { tenant: tenant(), user: UserId(number()), root: json["root"] == true },
        "role" => Principal::Role { tenant: tenant(), role: number() },
        other => panic!("{other}"),
    }
}

fn question<'a>(case: &'a Json, facts: &'a dyn Facts) -> Question<'a> {
    Question {
        principal: principal(&case["principal"]),
        action: action_number(case["action"].as_str().unwrap()).unwrap(),
        bucket: case["bucket"].as_str(),
        key: case["key"].as_str().map(str::as_bytes),
        facts,
    }
}

fn shown(outcome: Outcome) -> String {
    match outcome {
        Outcome::Deny(at) => format!("deny {at}"),
        Outcome::Allow(at) => format!("allow {at}"),
        Outcome::Delegate(at) => format!("delegate {at}"),
        Outcome::Neither => "neither".to_owned(),
    }
}

#[test]
fn every_case_has_its_answer() {
    for (file, at_least) in [("evaluation", 300), ("random", 500)] {
        let cases = cases(file);
        assert!(cases.len() >= at_least);
        for case in &cases {
            let bytes = bytes_of(case);
            let policy = Policy::new(&bytes).unwrap_or_else(|_| panic!("{}", case["name"]));
            assert_eq!(policy.is_identity(), case["identity"] == true);
            let context = Context::of(case);
            let outcome = policy.evaluate(&question(case, &context));
            assert_eq!(shown(outcome), case["answer"].as_str().unwrap(), "{}: {}", case["name"], case["document"]);
        }
    }
}

#[test]
fn both_languages_have_the_same_names() {
    let names = vectors("names");
    assert_eq!(names["version"], COMPILER_VERSION);
    assert_eq!(names["actions"], Json::from(ACTIONS.as_slice()));
    let keys = names["keys"].as_array().unwrap();
    assert_eq!(keys.len(), Key::ALL.len() + 1);
    for (number, name) in keys.iter().enumerate().skip(1) {
        assert_eq!(Key::from_number(number as u8).unwrap().name(), name.as_str().unwrap());
    }
    assert_eq!((Key::from_number(0), Key::from_number(keys.len() as u8)), (None, None));
    assert_eq!(action_number("s3:Nothing"), None);
    assert_eq!(action_number("GetObject"), None);
}

#[test]
fn keys_are_asked_only_when_the_rest_of_a_statement_applies() {
    let all = cases("evaluation");
    let conditional = all.iter().find(|case| case["document"]["Statement"][0]["Condition"].is_object()).unwrap();
    let bytes = bytes_of(conditional);
    let policy = Policy::new(&bytes).unwrap();
    let context = Context::of(conditional);
    let fits = question(conditional, &context);
    for other in [
        Question { action: action_number("s3:PutObject").unwrap(), ..fits },
        Question { bucket: Some("other"), ..fits },
        Question { key: None, ..fits },
    ] {
        assert_eq!(policy.evaluate(&other), Outcome::Neither);
    }
    assert!(context.asked.borrow().is_empty());
    policy.evaluate(&fits);
    assert_eq!(context.asked.borrow().len(), 1);
}

#[test]
fn another_version_is_no_policy() {
    let all = cases("evaluation");
    let good = bytes_of(&all[0]);
    for version in [0, COMPILER_VERSION + 1, 255] {
        let mut bytes = good.clone();
        bytes[0] = version;
        assert_eq!(Policy::new(&bytes).err(), Some(BadPolicy));
    }
    for end in 0..good.len() {
        assert_eq!(Policy::new(&good[..end]).err(), Some(BadPolicy), "cut at {end}");
    }
    assert_eq!(Policy::new(&[&good[..], b"\0"].concat()).err(), Some(BadPolicy));
}

#[test]
fn statements_have_their_sids() {
    let all = cases("sids");
    for case in &all {
        let bytes = bytes_of(case);
        let policy = Policy::new(&bytes).unwrap();
        let sids: Vec<&str> = (0..policy.len()).map(|at| policy.sid(at).unwrap()).collect();
        assert_eq!(Json::from(sids), case["sids"]);
        assert_eq!(policy.sid(policy.len()), None);
        assert_eq!(policy.is_public(), case["public"] == true);
    }
}

/// A statement whose lengths are right and whose inside is anything.
fn statement(inside: &[u8]) -> Vec<u8> {
    let body = [&[inside.first().copied().unwrap_or_default() | 2], &[0xff; 32][..], inside].concat();
    [&[COMPILER_VERSION, 0, 1, 0][..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let all = cases("sids");
        let context = Context::of(&all[0]);
        let asked = question(&all[0], &context);
        for bytes in [bytes.clone(), statement(&bytes)] {
            if let Ok(policy) = Policy::new(&bytes) {
                policy.evaluate(&asked);
                assert!((0..policy.len()).all(|at| policy.sid(at).is_none_or(|sid| sid.len() <= bytes.len())));
            }
        }
    }
}

#[test]
fn damaged_cases_are_answered_and_a_deny_that_cannot_be_read_denies() {
    for case in cases("evaluation").iter().step_by(7) {
        let good = bytes_of(case);
        let context = Context::of(case);
        let asked = question(case, &context);
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                if let Ok(policy) = Policy::new(&bytes) {
                    policy.evaluate(&asked);
                    policy.sid(0);
                }
            }
        }
    }
    // One statement that denies everything to everybody, and whose resources are of no known kind.
    let body = [&[1 | 2 | 4][..], &[0xff; 32], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 0, 9], &[0, 0, 0, 0]].concat();
    let bytes = [&[COMPILER_VERSION, 0, 1, 0][..], &(body.len() as u32).to_le_bytes(), &body].concat();
    let all = cases("evaluation");
    let context = Context::of(&all[0]);
    assert_eq!(Policy::new(&bytes).unwrap().evaluate(&question(&all[0], &context)), Outcome::Deny(0));
}
