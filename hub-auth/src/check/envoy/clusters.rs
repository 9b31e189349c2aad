//! The clusters that the filter calls: each answer decides who is let in or signs as the bank, so each has to be proven by TLS.

use std::ops::Range;

use hub_auth_filter::facade::url::Scheme;

use super::{Subject, UPSTREAM_TLS, is};
use crate::check::Checked;
use crate::document::Node;
use crate::findings::Severity;

const RULE: &str = "envoy-upstream";
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const INJECTOR: &str = "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector";
const AWS_SIGNER: &str = "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning";

/// Checks the cluster of each server that a configuration names.
pub(super) fn check(subject: &mut Subject<'_>, checked: &Checked) {
    let Some(config) = &checked.config else { return };
    let root = subject.document.roots.first().cloned();
    // Clusters of a control plane are not in the file.
    let Some(clusters) = root.as_ref().and_then(|root| root.at(&["static_resources", "clusters"])) else { return };
    let is_static = root.as_ref().is_none_or(|root| root.at(&["dynamic_resources", "cds_config"]).is_none());
    for server in config.servers() {
        let at = checked.configuration.place_of(&server.path);
        let named = |cluster: &&Node| cluster.get("name").and_then(Node::text) == Some(server.upstream);
        let cluster = clusters.items().iter().find(named);
        if let Some(cluster) = cluster.filter(|cluster| server.gateway_adds_credential && !adds_credential(cluster)) {
            let message = "expected \"credential_injector\" or \"aws_request_signing\" among the cluster's \"http_filters\", as the \
                           configuration says that the gateway adds the credential, got neither: each call would be refused";
            subject.add(Severity::Error, RULE, cluster.first_place(), server.path.as_ref(), message);
        }
        match cluster {
            Some(cluster) if server.scheme == Scheme::Https => check_tls(subject, cluster, server.host(), &server.path),
            Some(_) => {}
            None if is_static => {
                let message = "expected the name of a cluster in this file, got another: each call would fail";
                subject.add(Severity::Error, RULE, at, server.path.as_ref(), message);
            }
            None => {}
        }
    }
}

/// Whether a cluster has a filter that adds a credential to each request.
fn adds_credential(cluster: &Node) -> bool {
    let filters = cluster.at(&["typed_extension_protocol_options", HTTP_OPTIONS, "http_filters"]);
    let adds =
        |filter: &Node| filter.get("typed_config").is_some_and(|config| is(config, INJECTOR) || is(config, AWS_SIGNER));
    filters.map(Node::items).unwrap_or_default().iter().any(adds)
}

/// Checks a cluster with TLS for this host.
pub(in crate::check) fn check_tls(subject: &mut Subject<'_>, cluster: &Node, host: &str, path: &str) {
    let mut refuse = |at: Range<usize>, message: String| {
        subject.add(Severity::Error, RULE, at, path, message);
    };
    let tls = cluster.at(&["transport_socket", "typed_config"]).filter(|config| is(config, UPSTREAM_TLS));
    let Some(tls) = tls else {
        let message = "expected a cluster with TLS, as the URL is https://, got one without";
        return refuse(cluster.first_place(), message.to_owned());
    };
    if tls.get("sni").and_then(Node::text) != Some(host) {
        refuse(tls.place("sni"), format!("expected \"sni\": {host}, the host of the URL, got another or none"));
    }
    let common = tls.get("common_tls_context");
    let context = common.and_then(|common| {
        let combined = common.at(&["combined_validation_context", "default_validation_context"]);
        common.get("validation_context").or(combined)
    });
    // By SDS it is not in the file.
    let by_sds = common.is_some_and(|common| common.get("validation_context_sds_secret_config").is_some());
    let Some(context) = context else {
        if !by_sds {
            let message = "expected \"validation_context\" with \"trusted_ca\", got none: any server would be believed";
            refuse(tls.first_place(), message.to_owned());
        }
        return;
    };
    let has_system_roots = context.get("system_root_certs").is_some();
    if context.get("trusted_ca").is_none() && !has_system_roots && !by_sds {
        let message = "expected \"trusted_ca\", got none: any server would be believed";
        refuse(context.first_place(), message.to_owned());
    }
    let names = ["match_typed_subject_alt_names", "match_subject_alt_names"]
        .into_iter()
        .filter_map(|key| context.get(key))
        .flat_map(Node::items);
    let is_host = |name: &Node| {
        let matcher = name.get("matcher").unwrap_or(name);
        matcher.get("exact").and_then(Node::text) == Some(host)
    };
    let mut names = names.peekable();
    if names.peek().is_none() || !names.any(is_host) {
        let at = context
            .entry("match_typed_subject_alt_names")
            .map_or_else(|| context.first_place(), |(key, _)| key.span.clone());
        let message = format!(
            "expected the exact name {host} in \"match_typed_subject_alt_names\", got another or none: any server \
                     with a certificate of these CAs would be believed"
        );
        refuse(at, message);
    }
    if context.get("trust_chain_verification").and_then(Node::text) == Some("ACCEPT_UNTRUSTED") {
        let message = "expected VERIFY_TRUST_CHAIN, got ACCEPT_UNTRUSTED: any server would be believed";
        refuse(context.place("trust_chain_verification"), message.to_owned());
    }
}
