//! What an operator should know of a configuration although it is accepted: where it takes a rule away that would stop
//! somebody (spec §2.1, §2.3). Each is a line of the log at the start.

use super::{Auth, Direction, Inbound};
use crate::peer::{ForwardedHeader, Hop, PeerSource, Pins};

/// The warnings, each with its path.
pub(super) fn of(direction: &Direction) -> Vec<String> {
    let Direction::Inbound(inbound) = direction else { return Vec::new() };
    let Inbound { peer, auth, service_initiation, .. } = &**inbound;
    let hop = match &peer.source {
        PeerSource::ForwardedHeader(ForwardedHeader { hop, .. }) => Some(hop),
        PeerSource::Connection => None,
    };
    let trusts_plaintext = hop == Some(&Hop::Plaintext);
    let trusts_any_proxy = matches!(hop, Some(Hop::MutualTls(Pins { allow_unpinned: true, .. })));
    let allows_unpinned = peer.pins.allow_unpinned;
    let is_unbound = matches!(auth, Auth::ClientCredentials(settings) if !settings.certificate_bound);
    let warnings = [
        (
            allows_unpinned && *auth == Auth::MtlsOnly,
            "inbound.peer.allow_unpinned: with \"mtls_only\" every participant of the Trust Framework is let in, and nothing \
             more is asked of it",
        ),
        (
            allows_unpinned && service_initiation.is_some(),
            "inbound.peer.allow_unpinned: with \"service_initiation\" every participant of the Trust Framework reaches the \
             backend on the paths that are listed there, with any token",
        ),
        (
            trusts_plaintext,
            "inbound.peer.source.forwarded_header.trust_plaintext_hop: whoever reaches this gateway may say in the \
             header who calls, also without TLS; see to it that only the proxy in front can",
        ),
        (
            trusts_any_proxy,
            "inbound.peer.source.forwarded_header.proxy.allow_unpinned: whoever has a client certificate that this gateway \
             verifies may say in the header who calls",
        ),
        (
            is_unbound,
            "inbound.auth.client_credentials.certificate_bound: an access token that is not bound to a certificate can be \
             used by whoever gets hold of it and may call",
        ),
    ];
    warnings.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning.to_owned()).collect()
}
