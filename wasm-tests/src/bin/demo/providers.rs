//! Several providers behind one Ozone Connect (spec §2.5): the header names one, and the token must be for the same.

use wasm_tests::stage::client::Request;
use wasm_tests::stage::tokens::Signer;
use wasm_tests::stage::{Setup, token_of};

use crate::table::{Expected, Table};

const UNKNOWN: Expected = Expected::Refused(403, "Provider.Unknown");

/// The whole section.
pub async fn play(table: &mut Table) {
    let headline = "Several providers: JWT Auth with provider_ids retail and corporate";
    let mut section = table.section("jwt_auth", headline);
    let both = r#""provider_ids": ["retail", "corporate"],"#;
    let stage = Setup::new().edit(r#""provider_ids": ["retail"],"#, both).start().await;

    let hub = &stage.pki.hub;
    let token_for =
        |provider: &str| Request::with_token(&token_of(hub).claim("aud", provider).sign(Signer::Ps256(&hub.signing)));
    let retail = || token_for("retail").header("o3-provider-id", "retail");
    let cases = [
        ("o3-provider-id retail, token for it", Expected::Accepted, retail()),
        (
            "o3-provider-id corporate, token for it",
            Expected::Accepted,
            token_for("corporate").header("o3-provider-id", "corporate"),
        ),
        (
            "the alias o3-aspsp-id, token for it",
            Expected::Accepted,
            token_for("corporate").header("o3-aspsp-id", "corporate"),
        ),
        (
            "o3-provider-id corporate, token: retail",
            Expected::Refused(401, "JWS.InvalidClaim"),
            token_for("retail").header("o3-provider-id", "corporate"),
        ),
        ("neither header", UNKNOWN, token_for("retail")),
        ("an id that is not configured", UNKNOWN, token_for("retail").header("o3-provider-id", "private")),
        ("header and alias name different ones", UNKNOWN, retail().header("o3-aspsp-id", "corporate")),
    ];
    for (what, expected, request) in cases {
        section.row(what, expected, stage.send_as_hub(&request).await);
    }
    section.end(&[&stage]);
}
