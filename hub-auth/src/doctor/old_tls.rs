//! Whether a server speaks TLS 1.0 or 1.1 (RFC 2246, RFC 4346), which no library here does any more: the first message of a client of that
//! version is sent, and the first record of the answer is looked at.

use std::io::{self, Read as _, Write as _};

use super::connect::Server;

/// A version that must not be spoken (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OldVersion {
    Tls10,
    Tls11,
}

/// What a server does with the first message of such a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// It goes on with the handshake.
    Accepts,
    /// It says no, with this alert (RFC 8446 §6).
    Alert(u8),
    /// It ends the connection.
    Closes,
    /// It answers with something that is no TLS.
    Other,
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const SERVER_HELLO: u8 = 2;

/// The suites of those versions that servers have: ECDHE and RSA with AES or Triple DES, each with HMAC-SHA-1; and the one that says that
/// the client knows of renegotiation (RFC 5746 §3.3).
const CIPHER_SUITES: [u16; 9] = [0xc00a, 0xc014, 0xc009, 0xc013, 0x0035, 0x002f, 0xc012, 0x000a, 0x00ff];

impl OldVersion {
    /// As it stands in messages.
    fn number(self) -> [u8; 2] {
        match self {
            Self::Tls10 => [3, 1],
            Self::Tls11 => [3, 2],
        }
    }
}

/// Asks the server.
///
/// # Errors
/// There is no connection, or no answer in time.
pub(super) fn ask(server: &Server, version: OldVersion) -> io::Result<Reaction> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let hello = client_hello(version, &server.host, &random)
        .ok_or_else(|| io::Error::other("the name of the host is too long"))?;
    let mut stream = server.connect()?;
    let answered = stream.write_all(&hello).and_then(|()| {
        // Type, version and length of a record, and the type of what is in it.
        let mut record = [0; 7];
        stream.read_exact(&mut record).map(|()| record)
    });
    match answered {
        Ok(record) => Ok(reaction(&record)),
        Err(error) if is_end(error.kind()) => Ok(Reaction::Closes),
        Err(error) => Err(error),
    }
}

/// Whether the other side ended the connection.
pub(super) fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn reaction(record: &[u8; 7]) -> Reaction {
    match *record {
        [HANDSHAKE, 3, _, _, _, SERVER_HELLO, _] => Reaction::Accepts,
        [ALERT, 3, _, 0, 2, _, description] => Reaction::Alert(description),
        _ => Reaction::Other,
    }
}

/// The ClientHello in its record (RFC 4346 §7.4.1.2), with the extensions of RFC 6066 §3 (the server's name, if it is none that is an
/// address) and RFC 8422 §5.1.
fn client_hello(version: OldVersion, host: &str, random: &[u8; 32]) -> Option<Vec<u8>> {
    let mut extensions = Vec::new();
    if host.parse::<std::net::IpAddr>().is_err() {
        let name = [&[0][..], &with_length(host.as_bytes())?].concat();
        extension(&mut extensions, 0, &with_length(&name)?)?;
    }
    // P-256, P-384 and P-521, and points that are not compressed.
    extension(&mut extensions, 10, &[0, 6, 0, 23, 0, 24, 0, 25])?;
    extension(&mut extensions, 11, &[1, 0])?;

    let suites: Vec<u8> = CIPHER_SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let no_session = [0];
    let no_compression = [1, 0];
    let body = [
        &version.number()[..],
        random,
        &no_session,
        &with_length(&suites)?,
        &no_compression,
        &with_length(&extensions)?,
    ]
    .concat();
    let length = u16::try_from(body.len()).ok()?.to_be_bytes();
    let message = [&[1, 0][..], &length, &body].concat();
    // The version of the record is the oldest, for servers that know no newer one.
    Some([&[HANDSHAKE, 3, 1][..], &with_length(&message)?].concat())
}

/// Bytes behind their number, which has two.
fn with_length(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(bytes.len()).ok()?.to_be_bytes();
    Some([&length, bytes].concat())
}

fn extension(extensions: &mut Vec<u8>, number: u16, data: &[u8]) -> Option<()> {
    extensions.extend(number.to_be_bytes());
    extensions.extend(with_length(data)?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_hello_is_as_long_as_it_says_and_names_the_server() {
        let hello = client_hello(OldVersion::Tls11, "bank.example", &[7; 32]).expect("a message");
        assert_eq!(hello[..5], [22, 3, 1, 0, u8::try_from(hello.len() - 5).expect("short")]);
        assert_eq!(hello[5..11], [1, 0, 0, u8::try_from(hello.len() - 9).expect("short"), 3, 2]);
        let name = b"bank.example";
        assert!(hello.windows(name.len()).any(|window| window == name));
        let of_address = client_hello(OldVersion::Tls10, "127.0.0.1", &[7; 32]).expect("a message");
        assert_eq!(of_address.len() + 2 + 2 + 2 + 1 + 2 + name.len(), hello.len());
    }

    #[test]
    fn the_first_record_of_an_answer_is_told_apart() {
        for (record, expected) in [
            ([22, 3, 1, 0, 90, 2, 0], Reaction::Accepts),
            ([22, 3, 2, 0, 90, 2, 0], Reaction::Accepts),
            ([21, 3, 1, 0, 2, 2, 70], Reaction::Alert(70)),
            ([21, 3, 3, 0, 2, 2, 40], Reaction::Alert(40)),
            ([22, 3, 1, 0, 90, 3, 0], Reaction::Other),
            (*b"HTTP/1.", Reaction::Other),
        ] {
            assert_eq!(reaction(&record), expected, "{record:?}");
        }
    }
}
