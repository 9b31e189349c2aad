//! The listener that the Hub calls: whom TLS lets in, and what the connection manager believes.

use super::{DOWNSTREAM_TLS, Subject, is};
use crate::check::Checked;
use crate::document::Node;
use crate::findings::Severity;

/// Checks TLS and the connection manager of an inbound filter chain.
pub(super) fn check(subject: &mut Subject<'_>, filter_chain: &Node, manager: &Node, checked: &[Checked]) {
    let forwarded = checked.iter().find_map(|one| one.configuration.value("inbound.peer.source.forwarded_header"));
    let tls = filter_chain.at(&["transport_socket", "typed_config"]).filter(|config| is(config, DOWNSTREAM_TLS));
    match tls {
        Some(tls) => check_tls(subject, tls),
        // A proxy in front that ends TLS is a setting of the filter, which warns of it.
        None if forwarded.is_some() => {}
        None => {
            let message = "expected TLS with client certificates, got plain HTTP: every request is refused";
            subject.add(Severity::Error, "envoy-listener-tls", filter_chain.first_place(), "transport_socket", message);
        }
    }
    check_forwarding(subject, manager, forwarded);
    for (key, expected, why) in [
        ("normalize_path", "true", "a path has several spellings, and rules for one do not hold for another"),
        ("merge_slashes", "true", "a path has several spellings, and rules for one do not hold for another"),
    ] {
        if !manager.get(key).is_some_and(Node::is_true) {
            let message = format!("expected {expected}, got another or none: {why}");
            subject.add(Severity::Warning, "envoy-paths", manager.place(key), key, message);
        }
    }
    let options = manager.get("common_http_protocol_options");
    let underscores = options.and_then(|options| options.get("headers_with_underscores_action")).and_then(Node::text);
    if underscores != Some("REJECT_REQUEST") {
        let at =
            options.map_or_else(|| manager.first_place(), |options| options.place("headers_with_underscores_action"));
        let message =
            "expected REJECT_REQUEST, got another or none: many backends read x_hub_token_id as x-hub-token-id";
        subject.add(Severity::Warning, "envoy-underscores", at, "headers_with_underscores_action", message);
    }
    if options.and_then(|options| options.get("max_connection_duration")).is_none() {
        let at = options.map_or_else(|| manager.first_place(), Node::first_place);
        let message = "expected a bound such as 3600s, got none: a certificate that has ended or was revoked keeps its connection";
        subject.add(Severity::Warning, "envoy-connection-duration", at, "max_connection_duration", message);
    }
}

fn check_tls(subject: &mut Subject<'_>, tls: &Node) {
    if !tls.get("require_client_certificate").is_some_and(Node::is_true) {
        let message = "expected true, got another or none: TLS lets in callers without a certificate";
        let at = tls.place("require_client_certificate");
        subject.add(Severity::Error, "envoy-client-certificate", at, "require_client_certificate", message);
    }
    let common = tls.get("common_tls_context");
    let context = common.and_then(|common| {
        let combined = common.at(&["combined_validation_context", "default_validation_context"]);
        common.get("validation_context").or(combined)
    });
    let combined = common.and_then(|common| common.get("combined_validation_context"));
    // What comes by SDS is not in the file.
    let is_by_sds = |node: &Node| node.get("validation_context_sds_secret_config").is_some();
    let by_sds = [common, combined].into_iter().flatten().any(is_by_sds);
    let Some(context) = context else {
        if !by_sds {
            let message =
                "expected \"trusted_ca\" in \"validation_context\", got none: certificates of callers are not verified";
            subject.add(Severity::Error, "envoy-trusted-ca", tls.first_place(), "validation_context", message);
        }
        return;
    };
    if context.get("trusted_ca").is_none() && !by_sds {
        let message = "expected the Trust Framework's CAs, got none: certificates of callers are not verified";
        subject.add(Severity::Error, "envoy-trusted-ca", context.first_place(), "trusted_ca", message);
    }
    if context.get("trust_chain_verification").and_then(Node::text) == Some("ACCEPT_UNTRUSTED") {
        let message =
            "expected VERIFY_TRUST_CHAIN, got ACCEPT_UNTRUSTED: certificates that nobody vouches for are let in";
        let at = context.place("trust_chain_verification");
        subject.add(Severity::Error, "envoy-trusted-ca", at, "trust_chain_verification", message);
    }
    if context.get("crl").is_none() && !by_sds {
        let message =
            "expected the Trust Framework's list of revoked certificates, got none: a revoked certificate is let in";
        subject.add(Severity::Warning, "envoy-crl", context.first_place(), "crl", message);
    }
}

/// Who may write `x-forwarded-client-cert`. A proxy may that the filter reads it from, and who writes into another header is for that
/// proxy alone.
fn check_forwarding(subject: &mut Subject<'_>, manager: &Node, forwarded: Option<&Node>) {
    let text = |key: &str| forwarded.and_then(|header| header.get(key)).and_then(Node::text);
    let is_described = text("format").is_none_or(|format| format == "xfcc");
    let is_read = match text("name") {
        Some(name) => name.eq_ignore_ascii_case("x-forwarded-client-cert"),
        None => forwarded.is_some() && is_described,
    };
    let is_plaintext = forwarded.and_then(|header| header.get("trust_plaintext_hop")).is_some_and(Node::is_true);
    let key = "forward_client_cert_details";
    let given = manager.get(key).and_then(Node::text).unwrap_or("SANITIZE");
    let message = match given {
        "APPEND_FORWARD" | "FORWARD_ONLY" | "ALWAYS_FORWARD_ONLY" if !is_read => {
            "expected SANITIZE_SET, got a setting that passes on what the caller wrote into x-forwarded-client-cert"
        }
        "ALWAYS_FORWARD_ONLY" if !is_plaintext => {
            "expected FORWARD_ONLY, got ALWAYS_FORWARD_ONLY: also a caller without a certificate may write \
             x-forwarded-client-cert"
        }
        "SANITIZE" | "SANITIZE_SET" if is_read => {
            "expected FORWARD_ONLY, got SANITIZE or SANITIZE_SET: the header in which the proxy forwards the certificate is \
             removed or replaced"
        }
        "APPEND_FORWARD" if is_read => {
            "expected FORWARD_ONLY, got APPEND_FORWARD: the filter refuses a header of several certificates"
        }
        _ => return,
    };
    subject.add(Severity::Error, "envoy-forwarded-certificate", manager.place(key), key, message);
}
