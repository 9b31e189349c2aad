use super::*;
use crate::auth::CredentialError;
use crate::auth::jwt_auth::HeaderError;
use crate::callout::CalloutError;
use crate::claims::{Claim, ClaimsError, Fault};
use crate::jose::JwsError;
use crate::jose::compact::Part;
use crate::json::JsonError;
use crate::peer::name::NameError;
use crate::peer::subject::SubjectError;
use crate::peer::{Malformed, NotPinned, ValidityError};
use crate::signing::remote::RemoteError;
use serde_json::Value;

const NOW: UnixTime = UnixTime::from_secs(1_795_253_400);

fn key_id() -> crate::config::KeyId {
    crate::config::KeyId::new("2026").unwrap()
}

/// One reason of each kind, with the row of spec §3 that it belongs to.
fn rejections() -> Vec<(RejectReason, u16, &'static str)> {
    let jwt = RejectReason::JwtAuth;
    let peer = |fault| (RejectReason::Peer(PeerError::Malformed(fault)), 401, "Certificate.Malformed");
    let malformed = |error| jwt(JwtAuthError::Malformed(error));
    let header = |error| (jwt(JwtAuthError::Header(error)), 401, "JWS.InvalidHeader");
    let claim = |claim, fault| (jwt(JwtAuthError::Claims(ClaimsError::Invalid(claim, fault))), 401, "JWS.InvalidClaim");
    let response = |error| (RejectReason::Response(error), 502, "Response.NotVerified");
    vec![
        (RejectReason::Peer(PeerError::Missing), 401, "Certificate.Missing"),
        (RejectReason::Peer(PeerError::NotVerified), 401, "Certificate.Missing"),
        (RejectReason::Peer(PeerError::UnknownProxy(NotPinned::OrganisationalUnit)), 401, "Certificate.Missing"),
        (RejectReason::Peer(PeerError::UnknownProxy(NotPinned::Fingerprint)), 401, "Certificate.Missing"),
        (RejectReason::Peer(PeerError::UnknownProxy(NotPinned::FingerprintUnknown)), 401, "Certificate.Missing"),
        (RejectReason::Peer(PeerError::UnknownProxy(NotPinned::NothingIsPinned)), 401, "Certificate.Missing"),
        peer(Malformed::Name(NameError::InvalidEscape)),
        peer(Malformed::Subject(SubjectError::NotOneOrganisation)),
        peer(Malformed::SeveralForwardedHeaders),
        (RejectReason::Peer(PeerError::NotPinned(NotPinned::OrganisationalUnit)), 403, "Certificate.NotAllowed"),
        (RejectReason::Peer(PeerError::NotPinned(NotPinned::Fingerprint)), 403, "Certificate.NotAllowed"),
        (RejectReason::Peer(PeerError::NotValid(ValidityError::NotYetValid)), 401, "Certificate.Invalid"),
        (RejectReason::Peer(PeerError::NotValid(ValidityError::Expired)), 401, "Certificate.Invalid"),
        (jwt(JwtAuthError::SubjectHasNoAddress), 401, "Certificate.Malformed"),
        (RejectReason::ReservedHeader, 403, "Header.NotAllowed"),
        (RejectReason::MisspeltProviderHeader, 403, "Header.NotAllowed"),
        (RejectReason::Provider(ProviderError::Missing), 403, "Provider.Unknown"),
        (RejectReason::Provider(ProviderError::Unknown), 403, "Provider.Unknown"),
        (RejectReason::Provider(ProviderError::Contradictory), 403, "Provider.Unknown"),
        (jwt(JwtAuthError::Credential(CredentialError::Missing)), 401, "Credential.Missing"),
        (jwt(JwtAuthError::Credential(CredentialError::Several)), 401, "Credential.Malformed"),
        (jwt(JwtAuthError::Credential(CredentialError::NotBearer)), 401, "Credential.Malformed"),
        (jwt(JwtAuthError::Credential(CredentialError::NotOneToken)), 401, "Credential.Malformed"),
        (malformed(JwsError::TooLong), 401, "JWS.Malformed"),
        (malformed(JwsError::NotThreeParts), 401, "JWS.Malformed"),
        (malformed(JwsError::NotBase64Url(Part::Signature)), 401, "JWS.Malformed"),
        (malformed(JwsError::NotJson(Part::Header, JsonError::TooDeep)), 401, "JWS.Malformed"),
        (jwt(JwtAuthError::Claims(ClaimsError::Malformed(JwsError::NotAnObject(Part::Payload)))), 401, "JWS.Malformed"),
        header(HeaderError::Algorithm),
        header(HeaderError::Type),
        header(HeaderError::ContentType),
        header(HeaderError::KeyId),
        header(HeaderError::Extensions),
        header(HeaderError::UnknownKeyId),
        claim(Claim::Issuer, Fault::Missing),
        claim(Claim::Issuer, Fault::WrongType),
        claim(Claim::Issuer, Fault::Mismatch),
        claim(Claim::Subject, Fault::Mismatch),
        claim(Claim::Audience, Fault::WrongType),
        claim(Claim::Audience, Fault::Mismatch),
        claim(Claim::Expiry, Fault::WrongType),
        claim(Claim::Expiry, Fault::OutOfRange),
        claim(Claim::Expiry, Fault::Passed),
        claim(Claim::Expiry, Fault::LifetimeTooLong),
        claim(Claim::IssuedAt, Fault::NotReached),
        claim(Claim::NotBefore, Fault::NotReached),
        claim(Claim::TokenId, Fault::OutOfRange),
        (jwt(JwtAuthError::Signature), 401, "JWS.InvalidSignature"),
        (jwt(JwtAuthError::Replay(ReplayError::Replayed)), 401, "JWS.InvalidClaim"),
        (
            jwt(JwtAuthError::Replay(ReplayError::Full { retry_after: Duration::from_secs(40) })),
            503,
            "GenericRecoverableError",
        ),
        (
            jwt(JwtAuthError::Replay(ReplayError::Forgotten { retry_after: Duration::from_secs(40) })),
            503,
            "GenericRecoverableError",
        ),
        (jwt(JwtAuthError::Replay(ReplayError::Unavailable)), 503, "GenericRecoverableError"),
        (RejectReason::ApiKey(ApiKeyError::Missing), 401, "Credential.Missing"),
        (RejectReason::ApiKey(ApiKeyError::Several), 401, "Credential.Malformed"),
        (RejectReason::ApiKey(ApiKeyError::TooLong), 401, "Credential.Malformed"),
        (RejectReason::ApiKey(ApiKeyError::OtherScheme), 401, "Credential.Malformed"),
        (RejectReason::ApiKey(ApiKeyError::Empty), 401, "Credential.Malformed"),
        (RejectReason::ApiKey(ApiKeyError::Unknown), 401, "ApiKey.Invalid"),
        (RejectReason::ApiKey(ApiKeyError::NotYetValid(key_id())), 401, "ApiKey.Invalid"),
        (RejectReason::ApiKey(ApiKeyError::Expired(key_id())), 401, "ApiKey.Invalid"),
        (
            jwt(JwtAuthError::KeysUnavailable { retry_after: Duration::from_millis(1500) }),
            503,
            "GenericRecoverableError",
        ),
        (RejectReason::Signing(SigningError::NoActiveKey), 500, "GenericError"),
        (RejectReason::Signing(SigningError::Fault), 500, "GenericError"),
        (RejectReason::Signing(SigningError::Remote(RemoteError::Refused(403))), 500, "GenericError"),
        (
            RejectReason::Signing(SigningError::Remote(RemoteError::Unavailable(CalloutError::NoAnswer))),
            503,
            "GenericRecoverableError",
        ),
        (
            RejectReason::Signing(SigningError::Paused { retry_after: Duration::from_secs(7) }),
            503,
            "GenericRecoverableError",
        ),
        (RejectReason::Signing(SigningError::TooManyPending), 503, "GenericRecoverableError"),
        (RejectReason::ResponseKeysUnavailable { retry_after: Duration::ZERO }, 503, "GenericRecoverableError"),
        response(JwtAuthError::Credential(CredentialError::Missing)),
        response(JwtAuthError::Credential(CredentialError::Several)),
        response(JwtAuthError::Credential(CredentialError::NotBearer)),
        response(JwtAuthError::Claims(ClaimsError::Invalid(Claim::Issuer, Fault::Mismatch))),
        response(JwtAuthError::Claims(ClaimsError::Invalid(Claim::Subject, Fault::Mismatch))),
        response(JwtAuthError::Claims(ClaimsError::Invalid(Claim::Audience, Fault::Mismatch))),
        response(JwtAuthError::Signature),
        response(JwtAuthError::KeysUnavailable { retry_after: Duration::ZERO }),
        (RejectReason::ResponseWithoutRequest, 502, "Response.NotVerified"),
        (RejectReason::TooManyWaiting, 503, "GenericRecoverableError"),
        (RejectReason::NotConfigured, 500, "GenericError"),
        (RejectReason::Internal, 500, "GenericError"),
    ]
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
}

#[test]
fn each_rejection_has_the_status_and_code_of_the_standards_table() {
    for (reason, status, code) in rejections() {
        let reply = Rejection::bare(reason.clone()).reply();
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, body["errorCode"].as_str()), (status, Some(code)), "{reason:?}");
        assert_eq!(body.as_object().unwrap().len(), 2, "errorCode and errorMessage, nothing else");
        assert!(!body["errorMessage"].as_str().unwrap().is_empty());
        assert_eq!(header(&reply, "content-type"), Some("application/json"));
    }
}

#[test]
fn messages_are_sentences() {
    for (reason, ..) in rejections() {
        let message = reason.message();
        assert!(message.starts_with(|first: char| first.is_ascii_uppercase()) && message.ends_with('.'), "{message}");
    }
}

#[test]
fn no_two_rejections_have_the_same_message() {
    let mut messages: Vec<_> = rejections().iter().map(|(reason, ..)| reason.message()).collect();
    let count = messages.len();
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), count);
}

/// RFC 6750 §3: error_description must not include characters outside %x20-21 / %x23-5B / %x5D-7E.
#[test]
fn messages_fit_into_a_challenge() {
    for (reason, ..) in rejections() {
        let message = reason.message();
        assert!(
            message.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\'),
            "{message}"
        );
    }
}

#[test]
fn every_401_and_nothing_else_carries_a_challenge() {
    for (reason, status, _) in rejections() {
        let reply = Rejection::bare(reason.clone()).reply();
        let challenged = status == 401 || reply.body.contains("AccessToken.InvalidScope");
        assert_eq!(header(&reply, "www-authenticate").is_some(), challenged, "{reason:?}");
    }
    let challenge = |reason| header(&Rejection::bare(reason).reply(), "www-authenticate").unwrap().to_owned();
    assert_eq!(
        challenge(RejectReason::JwtAuth(JwtAuthError::Credential(CredentialError::Missing))),
        "Bearer realm=\"ozone-connect\"",
        "no error where no credential was sent"
    );
    assert_eq!(
        challenge(RejectReason::JwtAuth(JwtAuthError::Signature)),
        "Bearer realm=\"ozone-connect\", error=\"invalid_token\", \
         error_description=\"The signature of the token is not by the key that its kid names.\""
    );
    assert!(
        challenge(RejectReason::JwtAuth(JwtAuthError::Credential(CredentialError::NotBearer)))
            .contains("error=\"invalid_request\"")
    );
}

#[test]
fn every_503_and_nothing_else_says_when_to_try_again() {
    for (reason, status, _) in rejections() {
        let reply = Rejection::bare(reason.clone()).reply();
        assert_eq!(header(&reply, "retry-after").is_some(), status == 503, "{reason:?}");
    }
    for (pause, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (9500, "10")] {
        let retry_after = Duration::from_millis(pause);
        let reply = Rejection::bare(RejectReason::JwtAuth(JwtAuthError::KeysUnavailable { retry_after })).reply();
        assert_eq!(header(&reply, "retry-after"), Some(seconds));
    }
}

#[test]
fn a_harmless_interaction_id_is_echoed_and_no_other() {
    let echoed = |id: &[u8]| {
        let correlation = Correlation { fapi_interaction_id: Some(id.to_vec().into()), ..Correlation::default() };
        let rejection = Rejection::new(RejectReason::Internal, Evidence::default(), correlation);
        header(&rejection.reply(), "x-fapi-interaction-id").map(str::to_owned)
    };
    let uuid = "0f6b1a3e-3c58-4f42-9d0c-6e2ab8c1d111";
    assert_eq!(echoed(uuid.as_bytes()).as_deref(), Some(uuid));
    let long = [b'a'; MAX_ECHOED + 1];
    for harmful in [&b""[..], b"a\r\nset-cookie: b", b"a\0", b"a b", b"\xff\xfe", &long] {
        assert_eq!(echoed(harmful), None);
    }
}

#[test]
fn a_log_line_is_one_json_object_with_all_that_is_known() {
    let rejection = Rejection::new(
        RejectReason::JwtAuth(JwtAuthError::Signature),
        Evidence { organisational_unit: Some("233bcd1d".into()), key_id: Some("sig3".into()), ..Evidence::default() },
        Correlation {
            request_id: Some(b"r".to_vec()),
            fapi_interaction_id: Some(b"f".to_vec().into()),
            caller_interaction_id: Some(b"c".to_vec().into()),
            ozone_interaction_id: Some(b"o".to_vec().into()),
        },
    );
    let line: Value = serde_json::from_slice(&rejection.log_line(NOW, RejectionEvent::Refused)).unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "time": "2026-11-21T09:30:00.000Z", "version": 1, "event": "refused", "status": 401, "code": "JWS.InvalidSignature",
            "reason": "The signature of the token is not by the key that its kid names.",
            "request_id": "r", "x_fapi_interaction_id": "f", "o3_caller_interaction_id": "c",
            "o3_ozone_interaction_id": "o", "organisational_unit": "233bcd1d", "kid": "sig3",
        })
    );
}

#[test]
fn what_was_tolerated_is_told_without_a_status_that_nobody_saw() {
    let rejection = Rejection::bare(RejectReason::ResponseWithoutRequest);
    let line: Value = serde_json::from_slice(&rejection.log_line(NOW, RejectionEvent::Tolerated)).unwrap();
    assert_eq!((&line["event"], &line["status"]), (&"tolerated".into(), &Value::Null));
    assert_eq!(line["code"], "Response.NotVerified");
}

#[test]
fn nothing_that_a_caller_sent_can_break_a_log_line() {
    let hostile = "a\r\nb\u{1b}[31m\"\\\u{0}\u{2028}\u{628}".to_owned() + &"x".repeat(1000);
    let rejection = Rejection::new(
        RejectReason::Internal,
        Evidence {
            organisational_unit: Some(hostile.as_str().into()),
            key_id: Some(hostile.clone()),
            ..Evidence::default()
        },
        Correlation { request_id: Some(b"\xff\xfe\n".to_vec()), ..Correlation::default() },
    );
    let line = rejection.log_line(NOW, RejectionEvent::Refused);
    assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)), "{line:?}");
    let line: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(line["request_id"], "???");
    let kid = line["kid"].as_str().unwrap();
    assert!(kid.starts_with("a??b?[31m????") && kid.len() == crate::log_line::MAX_LOGGED, "{kid}");
}

#[test]
fn all_codes_have_the_standards_form_and_are_listed_once() {
    let mut codes: Vec<_> = ErrorCode::INBOUND.iter().map(|code| code.as_str()).collect();
    codes.push(ErrorCode::ResponseNotVerified.as_str());
    for code in &codes {
        let parts: Vec<_> = code.split('.').collect();
        let generic = ["GenericRecoverableError", "GenericError"].contains(code);
        let prescribed_form = parts.len() == 2
            && parts[0].bytes().all(|byte| byte.is_ascii_alphabetic())
            && parts[1].bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(generic || prescribed_form, "{code}");
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), ErrorCode::INBOUND.len() + 1);
}

#[test]
fn the_gateways_id_of_a_request_is_asked_for_only_where_it_is_not_known() {
    let told = |known: Option<&[u8]>| {
        let correlation = Correlation { request_id: known.map(<[u8]>::to_vec), ..Correlation::default() };
        let mut rejection = Rejection::new(RejectReason::Internal, Evidence::default(), correlation);
        let mut asked = 0;
        rejection.note_request_id(|| {
            asked += 1;
            Some(b"asked".to_vec())
        });
        let line: Value = serde_json::from_slice(&rejection.log_line(NOW, RejectionEvent::Refused)).unwrap();
        (line["request_id"].clone(), asked)
    };
    assert_eq!(told(None), ("asked".into(), 1));
    assert_eq!(told(Some(b"known")), ("known".into(), 0));
}
