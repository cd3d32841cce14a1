use super::*;

const LIFETIMES: Lifetimes =
    Lifetimes { leaf: SignedDuration::from_hours(90 * 24), overlap: SignedDuration::from_mins(10) };

fn names() -> Vec<String> {
    issue::with_local(&["gate.shop.svc".to_owned()])
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn days(days: i64) -> Timestamp {
    start() + SignedDuration::from_hours(24 * days)
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn begun() -> Kept {
    Kept::begin(&names(), start(), LIFETIMES).unwrap().with_published(start())
}

fn stored(kept: &Kept) -> Value {
    let mut secret = empty_secret("stategate-system", "tls");
    kept.write(&mut secret);
    secret
}

fn read(secret: &Value) -> Kept {
    Kept::read(secret).unwrap().unwrap()
}

fn next(kept: &Kept, now: Timestamp) -> Step {
    kept.step(&names(), now, LIFETIMES)
}

fn after(kept: Kept, step: Step, now: Timestamp) -> Kept {
    let kept = kept.after(step, &names(), now, LIFETIMES).unwrap();
    // What is read is what was written.
    let again = read(&stored(&kept));
    assert_eq!(stored(&again), stored(&kept));
    again
}

/// The rotation that was asked for has just been announced.
fn announced() -> Kept {
    let mut kept = begun();
    kept.rotate = Some(Rotation::Authority);
    assert_eq!(next(&kept, days(1)), Step::Announce);
    after(kept, Step::Announce, days(1))
}

#[test]
fn each_state_has_its_next_step() {
    let kept = begun();
    let other = |name: &str| issue::with_local(&["gate.shop.svc".to_owned(), name.to_owned()]);
    // A certificate lives 90 days, its authority 360.
    for (day, step) in
        [(0, Step::Nothing), (59, Step::Nothing), (60, Step::Leaf), (89, Step::Leaf), (90, Step::Leaf)]
    {
        assert_eq!(next(&kept, days(day)), step, "day {day}");
    }
    assert_eq!(kept.step(&other("more.svc"), days(1), LIFETIMES), Step::Leaf);
    let mut asked = kept.clone();
    asked.rotate = Some(Rotation::Leaf);
    assert_eq!(next(&asked, days(1)), Step::Leaf);
    let renewed = after(kept.clone(), Step::Leaf, days(200));
    for (day, step) in [(200, Step::Nothing), (239, Step::Nothing), (240, Step::Announce), (360, Step::Begin)]
    {
        assert_eq!(next(&renewed, days(day)), step, "day {day}");
    }
    let mut without = kept;
    without.leaf = None;
    assert_eq!(next(&without, days(1)), Step::Leaf);
}

#[test]
fn an_authority_is_used_once_it_is_trusted_and_trusted_until_it_is_out_of_use() {
    let kept = announced();
    let (old, new) = (kept.authority.der.clone(), kept.next.as_ref().unwrap().der.clone());
    assert_eq!(kept.bundle().collect::<Vec<_>>(), [&old, &new]);
    assert!(!kept.is_settled(days(1), LIFETIMES));
    // However long it is not in the caBundles, it is not used; the certificate in use is renewed.
    assert_eq!(kept.published(), None, "the webhook configurations have other authorities");
    assert_eq!(next(&kept, days(2)), Step::Nothing);
    assert_eq!(next(&kept, days(60)), Step::Leaf);
    let renewed = after(kept.clone(), Step::Leaf, days(60));
    let leaf = renewed.leaf.unwrap();
    assert!(check::is_signed([&old].into_iter(), &leaf.chain, &leaf.facts));
    // Ten minutes before the present one ends there is nothing to lose.
    let late = after(kept.clone(), Step::Leaf, days(300));
    let end = kept.authority.facts.until;
    assert_eq!(next(&after(late.clone(), Step::Leaf, end - minutes(12)), end - minutes(11)), Step::Nothing);
    assert_eq!(next(&late, end - minutes(10)), Step::Switch);
    assert_eq!(next(&late, end), Step::Switch, "the next one is valid");

    let published = days(1) + minutes(1);
    let kept = kept.with_published(published);
    assert_eq!(next(&kept, published + minutes(9)), Step::Nothing);
    assert_eq!(next(&kept, published + minutes(10)), Step::Switch);
    let switched = published + minutes(10);
    let kept = after(kept, Step::Switch, switched);
    assert_eq!(kept.bundle().collect::<Vec<_>>(), [&new, &old], "both are still trusted");
    assert_eq!(kept.published(), Some(published), "by the same caBundles");
    let leaf = kept.leaf.clone().unwrap();
    assert!(check::is_signed([&new].into_iter(), &leaf.chain, &leaf.facts));
    assert!(!check::is_signed([&old].into_iter(), &leaf.chain, &leaf.facts));
    assert_eq!(next(&kept, switched + minutes(9)), Step::Nothing);
    assert_eq!(next(&kept, switched + minutes(10)), Step::Retire);
    let retired = switched + minutes(10);
    let kept = after(kept, Step::Retire, retired);
    assert_eq!(kept.bundle().collect::<Vec<_>>(), [&new]);
    assert!(kept.is_settled(retired, LIFETIMES) && !kept.is_rotating());
    assert_eq!(next(&kept, retired), Step::Nothing);
}

#[test]
fn a_rotation_that_is_asked_for_during_another_one_comes_after_it() {
    let kept = announced().with_published(days(1));
    let mut kept = after(kept, Step::Switch, days(2));
    kept.rotate = Some(Rotation::Authority);
    assert_eq!(next(&kept, days(2)), Step::Nothing);
    assert_eq!(next(&kept, days(3)), Step::Retire);
    let kept = after(kept, Step::Retire, days(3));
    assert_eq!(next(&kept, days(3)), Step::Announce);
}

#[test]
fn a_damaged_certificate_is_made_anew_and_a_damaged_authority_is_an_error() {
    let good = stored(&begun());
    for (key, value) in [("tls.crt", json!("broken")), ("tls.key", json!("")), ("tls.crt", Value::Null)] {
        let mut secret = good.clone();
        secret["data"][key] = value;
        assert_eq!(next(&read(&secret), days(1)), Step::Leaf, "{key}");
    }
    // One of another authority is none that a client would accept.
    let mut secret = good.clone();
    let other = stored(&begun());
    for key in ["tls.crt", "tls.key"] {
        secret["data"][key] = other["data"][key].clone();
    }
    assert_eq!(next(&read(&secret), days(1)), Step::Leaf);
    for (key, value) in [("ca.crt", json!("broken")), ("ca.key", other["data"]["ca.key"].clone())] {
        let mut secret = good.clone();
        secret["data"][key] = value;
        let error = Kept::read(&secret).unwrap_err().to_string();
        assert!(error.contains(&format!("Secret tls: {key}")), "{error}");
    }
    assert_eq!(Kept::read(&empty_secret("a", "b")).unwrap(), None);
}

#[test]
fn what_others_say_in_the_secret_stays() {
    let mut secret = stored(&begun());
    secret["metadata"]["labels"]["team"] = json!("data");
    secret["data"]["more"] = json!("");
    announced().write(&mut secret);
    assert_eq!(
        (&secret["metadata"]["labels"]["team"], &secret["data"]["more"]),
        (&json!("data"), &json!(""))
    );
    assert!(secret["data"].get("next-ca.key").is_some() && is_own(&secret));
    begun().write(&mut secret);
    assert!(secret["data"].get("next-ca.key").is_none(), "no key is kept that is not needed");
}

#[test]
fn replicas_that_disagree_about_names_get_all_of_them() {
    let one = issue::with_local(&["one.svc".to_owned()]);
    let kept = begun().after(Step::Leaf, &one, days(1), LIFETIMES).unwrap();
    let leaf = kept.leaf.as_ref().unwrap();
    for name in ["one.svc", "gate.shop.svc", "localhost", "::1"] {
        assert!(check::is_accepted(kept.bundle(), &leaf.chain, name, days(2)), "{name}");
    }
    // The next regular one is for those of its maker.
    let kept = kept.after(Step::Leaf, &one, days(61), LIFETIMES).unwrap();
    assert!(!kept.leaf.unwrap().facts.names.contains(&"gate.shop.svc".to_owned()));
}
