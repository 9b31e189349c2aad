//! Attacks with the claims that are times (RFC 7519 §2, §4.1.4–§4.1.6; spec §2.4): numbers that are none, numbers that
//! overflow, tokens that never end, and tokens one second beyond the allowed skew of 10 seconds. All are validly signed.

use wasm_tests::stage::tokens::compact;

use super::*;

/// A right token in which one claim has this JSON for a value, however odd.
fn with_raw(gateway: &Gateway, claim: &str, raw: &str) -> Request {
    let right = token(gateway).claim("nbf", gateway.now().as_secs()).claim(claim, "PLACE");
    let claims = right.claims.to_string().replace("\"PLACE\"", raw);
    assert!(claims.contains(&format!("\"{claim}\":{raw}")));
    with(&compact(&right.header.to_string(), &claims, sig3()))
}

/// Every time claim with each of these values is refused, and with the right number it is not.
fn no_time_is(host: Host, values: &[&str], code: Code, reason: impl Fn(&str) -> String) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    for (claim, number) in [("exp", now + 30), ("iat", now), ("nbf", now)] {
        for raw in values {
            let honest = with_raw(&gateway, claim, &number.to_string());
            refused_unlike(
                &gateway,
                &format!("{claim} {raw}"),
                with_raw(&gateway, claim, raw),
                honest,
                code,
                &reason(claim),
            );
        }
    }
}

#[apply(every_gateway)]
fn a_time_written_as_text_is_refused(host: Host) {
    let values = [r#""1795219230""#, r#""1795219200""#, r#""2026-11-21T00:00:30Z""#, r#""""#, r#"" 1795219200""#];
    no_time_is(host, &values, INVALID_CLAIM, |claim| format!("claim {claim} is not a number"));
}

#[apply(every_gateway)]
fn a_time_of_null_is_not_an_absent_one(host: Host) {
    no_time_is(host, &["null"], INVALID_CLAIM, |claim| format!("claim {claim} is not a number"));
}

#[apply(every_gateway)]
fn a_time_of_another_type_is_refused(host: Host) {
    let values = ["true", "false", "[1795219200]", r#"{"seconds":1795219200}"#, "[]"];
    no_time_is(host, &values, INVALID_CLAIM, |claim| format!("claim {claim} is not a number"));
}

#[apply(every_gateway)]
fn a_negative_time_is_refused(host: Host) {
    let values = ["-1", "-1795219200", "-0.5", "-1e300", "-9223372036854775808"];
    no_time_is(host, &values, INVALID_CLAIM, |claim| format!("claim {claim} is not a time between"));
}

#[apply(every_gateway)]
fn a_time_of_1e400_is_refused(host: Host) {
    no_time_is(host, &["1e400", "-1e400", "1e99999999999"], MALFORMED, |_| "not valid JSON".into());
    let values = ["1e300", "1e19", "253402300800"];
    no_time_is(host, &values, INVALID_CLAIM, |claim| format!("claim {claim} is not a time between"));
}

#[apply(every_gateway)]
fn a_time_that_overflows_when_the_skew_is_added_is_refused(host: Host) {
    let values =
        ["9223372036854775807", "18446744073709551615", "18446744073709551616", "4294967295000", "18446744073709551"];
    no_time_is(host, &values, INVALID_CLAIM, |claim| format!("claim {claim} is not a time between"));
}

#[apply(every_gateway)]
fn a_time_that_is_no_json_number_is_refused(host: Host) {
    no_time_is(
        host,
        &["NaN", "Infinity", "0x6b00c3c0", "01795219200", "+1795219200", "1_795_219_200", ".5"],
        MALFORMED,
        |_| "not valid JSON".into(),
    );
}

#[apply(every_gateway)]
fn an_exp_of_zero_is_the_year_1970_and_not_for_ever(host: Host) {
    let gateway = host.start();
    for (case, raw) in [("exp 0", "0"), ("exp -0", "-0"), ("exp 0.0", "0.0"), ("exp 0e9", "0e9")] {
        refused(&gateway, case, with_raw(&gateway, "exp", raw), INVALID_CLAIM, "claim exp has passed");
    }
    let all_zero = token(&gateway).valid(0, 0).claim("nbf", 0);
    refused(&gateway, "all 0", signed(&all_zero), INVALID_CLAIM, "claim exp has passed");
}

#[apply(every_gateway)]
fn a_token_without_exp_or_iat_is_refused(host: Host) {
    let gateway = host.start();
    for claim in ["exp", "iat"] {
        let endless = token(&gateway).claim(claim, Value::Null);
        refused(&gateway, claim, signed(&endless), INVALID_CLAIM, &format!("claim {claim} is missing"));
    }
}

#[apply(every_gateway)]
fn a_token_that_lives_longer_than_five_minutes_is_refused(host: Host) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    let longest = token(&gateway).valid(now, now + 300);
    for exp in [now + 301, now + 86_400, now + 365 * 86_400, 253_402_300_799] {
        let longer = signed(&token(&gateway).valid(now, exp));
        refused_unlike(
            &gateway,
            &exp.to_string(),
            longer,
            signed(&longest),
            INVALID_CLAIM,
            "exp is too long after iat",
        );
    }
    let dated_back = token(&gateway).valid(0, now + 30);
    refused(&gateway, "iat 0", signed(&dated_back), INVALID_CLAIM, "exp is too long after iat");
}

#[apply(every_gateway)]
fn a_token_is_refused_eleven_seconds_after_exp_and_not_ten(host: Host) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    let ended = |ago: u64| signed(&token(&gateway).valid(now - 40, now - ago));
    admitted(&gateway, "9 s after exp", ended(9));
    refused_unlike(&gateway, "11 s after exp", ended(11), ended(10), INVALID_CLAIM, "claim exp has passed");

    let same = token(&gateway).sign(sig3());
    gateway.advance(seconds(30 + 10));
    admitted(&gateway, "the same token 10 s after exp", with(&same));
    gateway.advance(seconds(1));
    refused(&gateway, "and one second later", with(&same), INVALID_CLAIM, "claim exp has passed");
}

#[apply(every_gateway)]
fn a_token_is_refused_eleven_seconds_before_iat_and_not_ten(host: Host) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    let begins = |later: u64| signed(&token(&gateway).valid(now + later, now + 60));
    admitted(&gateway, "9 s before iat", begins(9));
    refused_unlike(&gateway, "11 s before iat", begins(11), begins(10), INVALID_CLAIM, "claim iat lies in the future");

    let same = token(&gateway).valid(now + 20, now + 50).sign(sig3());
    gateway.advance(seconds(9));
    refused(&gateway, "the same token 11 s before iat", with(&same), INVALID_CLAIM, "claim iat lies in the future");
    gateway.advance(seconds(1));
    admitted(&gateway, "and one second later", with(&same));
}

#[apply(every_gateway)]
fn a_token_is_refused_eleven_seconds_before_nbf_and_not_ten(host: Host) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    let begins = |later: u64| signed(&token(&gateway).claim("nbf", now + later));
    admitted(&gateway, "9 s before nbf", begins(9));
    refused_unlike(&gateway, "11 s before nbf", begins(11), begins(10), INVALID_CLAIM, "claim nbf lies in the future");

    let same = token(&gateway).claim("nbf", now + 20).sign(sig3());
    gateway.advance(seconds(9));
    refused(&gateway, "the same token 11 s before nbf", with(&same), INVALID_CLAIM, "claim nbf lies in the future");
    gateway.advance(seconds(1));
    admitted(&gateway, "and one second later", with(&same));
}

#[apply(every_gateway)]
fn a_fraction_of_a_second_beyond_the_skew_is_beyond_it(host: Host) {
    let gateway = host.start();
    let now = gateway.now().as_secs();
    for (claim, beyond, within) in [
        ("exp", format!("{}.9", now - 11), format!("{}.0", now - 10)),
        ("iat", format!("{}.1", now + 10), format!("{}.0", now + 10)),
        ("nbf", format!("{}.1", now + 10), format!("{}.0", now + 10)),
    ] {
        let raw = |raw: &str| {
            let right = token(&gateway).valid(now - 40, now + 40).claim(claim, "PLACE");
            let claims = right.claims.to_string().replace("\"PLACE\"", raw);
            with(&compact(&right.header.to_string(), &claims, sig3()))
        };
        refused_unlike(&gateway, claim, raw(&beyond), raw(&within), INVALID_CLAIM, &format!("claim {claim} "));
    }
}
