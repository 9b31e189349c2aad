//! What comes after the request: the steps in the Trust Framework's portal (the standard's *Certificate Walkthroughs* and *JWT Auth —
//! Client-side*).

use std::io::{self, Write};
use std::path::Path;

use crate::arguments::{NewKey, Purpose};

/// Tells them.
pub(super) fn print(arguments: &NewKey, csr: &Path, output: &mut dyn Write) -> io::Result<()> {
    let (csr, organisation) = (csr.display(), &arguments.organisation_id);
    let (place, kind) = match arguments.purpose {
        Purpose::C3 => ("Applications, C3-hh-cm-client, App Certificates", "OPF UAE CLIENT TRANSPORT"),
        Purpose::S4 => ("Organisation Certificates", "OPF UAE SERVER TRANSPORT"),
        Purpose::Sig4 => ("Applications, C3-hh-cm-client, App Certificates", "OPF UAE CLIENT SIGNING"),
    };
    writeln!(
        output,
        "\nNext, in the directory of the Trust Framework, of the sandbox for pre-production (https://web.sandbox.directory.openfinance.ae)\n\
         or of production (https://web.directory.openfinance.ae):\n\n\
         1. Open your organisation, then {place}, and choose New Certificate.\n\
         2. Choose the type {kind}."
    )?;
    match arguments.purpose {
        Purpose::C3 => writeln!(
            output,
            "3. Skip the step that makes a key, and upload {csr}.\n\
             4. Save the certificate, with its issuing CA below it, as c3-chain.pem. Its O and OU are \"certificate\" in the outbound\n   \
             configuration.\n\
             5. Give Ozone the subject of the certificate in the Service Desk ticket."
        ),
        Purpose::S4 => writeln!(
            output,
            "3. Describe it as \"S4 - I hold Private Key - APIHub-OzoneConnect\", skip the step that makes a key, and upload {csr}.\n\
             4. Save the certificate, with its issuing CA below it, as s4-chain.pem.\n\
             5. Give Ozone the key id (KID) exactly as it is shown, and the address of the key set, in the Service Desk ticket:\n   \
             https://keystore.sandbox.directory.openfinance.ae/{organisation}/transport.jwks\n   \
             https://keystore.directory.openfinance.ae/{organisation}/transport.jwks"
        ),
        Purpose::Sig4 => {
            let is_in_vault = arguments.signer.as_ref().is_some_and(|signer| signer.starts_with("http"));
            let (member, time) = if is_in_vault {
                ("\"remote_signer\"", "it signs as soon as it is configured")
            } else {
                ("\"keys\"", "\"active_from\"")
            };
            writeln!(
                output,
                "3. Skip the step that makes a key, and upload {csr}.\n\
                 4. Write the key id (KID) that is shown, exactly as it is, as \"kid\" into {member} of the outbound configuration.\n\
                 5. Let it sign 10 minutes after it was published, not earlier: {time}."
            )
        }
    }
}
