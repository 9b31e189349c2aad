use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::config::KnownKey;

const NOW: UnixTime = UnixTime::from_secs(1_795_253_400);
const DAY: Duration = Duration::from_hours(24);

fn key(id: &str, secret: &str) -> KnownKey {
    let id = KeyId::new(id).unwrap();
    KnownKey { id, digest: KeyDigest::of(secret.as_bytes()), not_before: None, expires: None }
}

fn ending_in(id: &str, left: Duration) -> KnownKey {
    KnownKey { expires: Some(NOW.after(left)), ..key(id, id) }
}

fn with(keys: Vec<KnownKey>, scheme: Option<&str>) -> ApiKey {
    ApiKey::new(config::ApiKey { keys, header: "authorization".into(), scheme: scheme.map(str::to_owned) })
}

/// The id of the key that is accepted at this time.
fn at(method: &ApiKey, now: UnixTime, value: &str) -> Result<String, ApiKeyError> {
    method.authenticate(now, &[value.as_bytes().to_vec().into()]).map(ToString::to_string)
}

fn id(id: &str) -> KeyId {
    KeyId::new(id).unwrap()
}

#[test]
fn without_a_scheme_the_whole_value_is_the_key() {
    let method = with(vec![key("2026", "Bearer k, 1")], None);
    assert_eq!(at(&method, NOW, "Bearer k, 1").as_deref(), Ok("2026"), "whatever it looks like");
    for value in ["k", "Bearer k, 1 ", " Bearer k, 1", "bearer k, 1", "Bearer k, 2", "Bearer k,1"] {
        assert!(at(&method, NOW, value).is_err(), "{value:?}");
    }
    assert_eq!(method.authenticate(NOW, &[b"\xff\x00".to_vec().into()]), Err(ApiKeyError::Unknown));
}

#[test]
fn a_scheme_has_any_case_and_one_or_more_spaces_follow() {
    let method = with(vec![key("2026", "k")], Some("ApiKey"));
    for value in ["ApiKey k", "apikey k", "APIKEY   k"] {
        assert_eq!(at(&method, NOW, value).as_deref(), Ok("2026"), "{value}");
    }
    for (value, error) in [
        ("k", ApiKeyError::OtherScheme),
        ("Bearer k", ApiKeyError::OtherScheme),
        ("ApiKeyk", ApiKeyError::OtherScheme),
        ("ApiKeys k", ApiKeyError::OtherScheme),
        ("ApiKey\tk", ApiKeyError::OtherScheme),
        (" ApiKey k", ApiKeyError::OtherScheme),
        ("", ApiKeyError::OtherScheme),
        ("ApiKey", ApiKeyError::Empty),
        ("ApiKey  ", ApiKeyError::Empty),
        ("ApiKey k ", ApiKeyError::Unknown),
        ("ApiKey K", ApiKeyError::Unknown),
    ] {
        assert_eq!(at(&method, NOW, value), Err(error), "{value:?}");
    }
}

#[test]
fn there_is_exactly_one_value_and_a_key_in_it() {
    let method = with(vec![key("2026", "k")], None);
    assert_eq!(method.authenticate(NOW, &[]), Err(ApiKeyError::Missing));
    assert_eq!(method.authenticate(NOW, &[b"k".to_vec().into(), b"k".to_vec().into()]), Err(ApiKeyError::Several));
    assert_eq!(at(&method, NOW, "k,k"), Err(ApiKeyError::Several), "as gateways join two");
    assert_eq!(at(&method, NOW, "k, other"), Err(ApiKeyError::Several));
    assert_eq!(at(&method, NOW, ""), Err(ApiKeyError::Empty));
    assert_eq!(at(&method, NOW, "other"), Err(ApiKeyError::Unknown));
}

#[test]
fn a_value_longer_than_the_bound_is_not_looked_at() {
    let longest = "k".repeat(MAX_VALUE_BYTES);
    let method = with(vec![key("2026", &longest), key("2027", &format!("{longest}k"))], None);
    assert_eq!(at(&method, NOW, &longest).as_deref(), Ok("2026"));
    assert_eq!(at(&method, NOW, &format!("{longest}k")), Err(ApiKeyError::TooLong));
}

#[test]
fn a_key_is_found_at_every_position_and_only_there() {
    let names: Vec<String> = (0..16).map(|n| format!("key-{n}")).collect();
    let method = with(names.iter().map(|name| key(name, &format!("secret of {name}"))).collect(), None);
    for name in &names {
        assert_eq!(at(&method, NOW, &format!("secret of {name}")).as_ref(), Ok(name));
    }
    assert_eq!(at(&method, NOW, "secret of key-16"), Err(ApiKeyError::Unknown));
}

#[test]
fn every_digest_is_compared_wherever_the_right_one_stands() {
    let known: Vec<KeyDigest> = (0_u8..16).map(|n| KeyDigest::of(&[n])).collect();
    for n in 0_u8..=16 {
        let compared = Cell::new(0);
        let counted = known.iter().inspect(|_| compared.set(compared.get() + 1));
        let position = position_of(&KeyDigest::of(&[n]), counted);
        assert_eq!(known.get(position), known.get(usize::from(n)));
        assert_eq!(compared.get(), known.len(), "for the one at {n}");
    }
}

#[test]
fn a_key_is_valid_from_its_first_millisecond_to_its_last() {
    let (start, end) = (NOW, NOW.after(DAY));
    let method = with(vec![KnownKey { not_before: Some(start), expires: Some(end), ..key("2026", "k") }], None);
    let millisecond = Duration::from_millis(1);
    let just_before = |time: UnixTime| UnixTime::from_secs(0).after(Duration::from_millis(time.as_millis() - 1));
    assert_eq!(at(&method, just_before(start), "k"), Err(ApiKeyError::NotYetValid(id("2026"))));
    assert_eq!(at(&method, start, "k").as_deref(), Ok("2026"));
    assert_eq!(at(&method, just_before(end), "k").as_deref(), Ok("2026"));
    assert_eq!(at(&method, end, "k"), Err(ApiKeyError::Expired(id("2026"))));
    assert_eq!(at(&method, end.after(millisecond), "k"), Err(ApiKeyError::Expired(id("2026"))));
}

#[test]
fn while_one_key_takes_over_from_another_both_are_valid() {
    let old = KnownKey { expires: Some(NOW.after(DAY)), ..key("2025", "old") };
    let new = KnownKey { not_before: Some(NOW), ..key("2026", "new") };
    let method = with(vec![old, new], None);
    for (now, old, new) in [
        (UnixTime::from_secs(1_795_253_399), Ok("2025"), Err(ApiKeyError::NotYetValid(id("2026")))),
        (NOW, Ok("2025"), Ok("2026")),
        (NOW.after(DAY), Err(ApiKeyError::Expired(id("2025"))), Ok("2026")),
    ] {
        assert_eq!(at(&method, now, "old"), old.map(str::to_owned));
        assert_eq!(at(&method, now, "new"), new.map(str::to_owned));
    }
}

#[test]
fn an_error_tells_the_log_which_key_and_never_the_key() {
    let expired = KnownKey { expires: Some(NOW), ..key("2025", "s3cret") };
    let error = at(&with(vec![expired], None), NOW, "s3cret").unwrap_err();
    assert_eq!(error.key_id(), Some(&id("2025")));
    assert!(!format!("{error:?}").contains("s3cret"));
    let error = at(&with(vec![key("2025", "x")], None), NOW, "s3cret").unwrap_err();
    assert_eq!(error.key_id(), None);
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[test]
fn the_first_use_of_each_key_is_told_once() {
    let mut method = with(vec![key("a", "1"), key("b", "2")], None);
    let mut told = |name: &str| {
        method.note_use(&id(name));
        method.notices(NOW).len()
    };
    assert_eq!(["a", "a", "b", "a", "b"].map(&mut told), [1, 0, 1, 0, 0]);
}

#[test]
fn the_last_30_days_of_the_last_key_are_worth_a_warning() {
    let millisecond = Duration::from_millis(1);
    let warning = |keys: Vec<KnownKey>| with(keys, None).ending(NOW);
    assert_eq!(warning(vec![ending_in("2026", 30 * DAY + millisecond)]), None);
    assert_eq!(
        warning(vec![ending_in("2025", DAY), ending_in("2026", 30 * DAY)]).as_deref(),
        Some(
            "the last API key, 2026, ends at 2026-12-21T09:30:00.000Z: agree on another with the API Hub and configure it"
        )
    );
    assert_eq!(warning(vec![ending_in("2026", DAY), ending_in("2027", 31 * DAY)]), None);
    assert_eq!(warning(vec![ending_in("2026", DAY), key("for-ever", "x")]), None);
}

#[test]
fn a_last_key_that_has_ended_is_worth_a_warning_too() {
    let method = with(vec![ending_in("2025", Duration::ZERO), ending_in("2026", DAY)], None);
    let told = method.ending(NOW.after(DAY)).unwrap();
    assert_eq!(told, "the last API key, 2026, ended at 2026-11-22T09:30:00.000Z: every request is refused");
    let just_before = NOW.after(DAY - Duration::from_millis(1));
    assert!(method.ending(just_before).unwrap().contains("ends at"));
}

#[test]
fn the_warning_is_due_once_in_24_hours() {
    let mut method = with(vec![ending_in("2026", DAY)], None);
    let millisecond = Duration::from_millis(1);
    assert!(method.warning_due(NOW).is_some());
    assert!(method.warning_due(NOW).is_none());
    assert!(method.warning_due(NOW.after(DAY - millisecond)).is_none());
    assert!(method.warning_due(NOW.after(DAY)).is_some());
    assert!(method.warning_due(NOW.after(DAY + millisecond)).is_none());
    assert!(method.warning_due(NOW).is_some(), "after the clock was set back");
    assert!(method.warning_due(NOW).is_none());
}

#[test]
fn no_warning_is_due_while_there_is_none() {
    let mut method = with(vec![ending_in("2026", 31 * DAY)], None);
    assert_eq!(method.warning_due(NOW), None);
    assert!(method.warning_due(NOW.after(DAY)).is_some(), "and the silence was not counted as a warning");
}

proptest! {
    #[test]
    fn arbitrary_values_never_panic_and_are_never_accepted(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3), scheme in "|[A-Za-z]{1,6}",
    ) {
        let scheme = Some(scheme.as_str()).filter(|scheme| !scheme.is_empty());
        let method = with(vec![key("2026", "a secret that no generator finds")], scheme);
        let values: Vec<HeaderValue> = values.into_iter().map(Into::into).collect();
        prop_assert!(method.authenticate(NOW, &values).is_err());
    }
}
