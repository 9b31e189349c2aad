//! What can happen to a gateway, one step at a time, and how often it does in a random sequence.

use proptest::prelude::*;
use proptest::sample::select;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request comes.
    Send(Sending),
    /// How the server that the filter calls answers from now on: the keystore, the authorisation server or the signer.
    Server(Manner),
    /// What that server has to say from now on.
    Contents(Contents),
    /// How the bank, or the Hub, answers from now on.
    Bank(Bank),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The client of one of the last requests hangs up: 0 is the latest.
    HangUp(usize),
    /// The clock jumps by so many seconds.
    Clock(i64),
    /// Somebody writes to the gateway's configuration.
    Rewrite,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Which worker it comes to.
    pub worker: usize,
    /// Who sends it.
    pub client: Client,
    /// What it brings.
    pub credential: Credential,
    /// Its method.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// Whether it has a body.
    pub body: bool,
    /// How many further headers it has.
    pub crowd: usize,
    /// Whether it names a host, as all do but those of HTTP/1.0.
    pub host: bool,
    /// Whether it has a header that only the filter may set.
    pub reserved: bool,
    /// What keeps it from the filter, where the gateway knows such a thing.
    pub detour: Detour,
}

/// How a request gets past the request phase of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detour {
    /// It does not.
    No,
    /// It goes upstream all the same.
    Skips,
    /// Something else answers it.
    Answered,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The Hub.
    Hub,
    /// A certificate of somebody else.
    Tpp,
    /// A certificate that says that it is the Hub's, and that nobody vouches for.
    Pretender,
    /// No certificate.
    Nobody,
    /// No TLS.
    Plaintext,
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token that is right, signed with the first or the second key of the Hub.
    Jwt(Key),
    /// One that ends within some seconds.
    Ending,
    /// Another one's signature, or one bit of it changed.
    WrongSignature(bool),
    /// A key that nobody publishes.
    UnknownKid,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    Early,
    /// It is for another bank.
    WrongAudience,
    /// It says that it needs no signature.
    AlgNone,
    /// Nothing.
    Missing,
    /// Something that is no token.
    Garbage,
    /// A token of which only the authorisation server knows what it is, and which of them.
    Opaque(Opaque, u8),
    /// The latest token that was right, once more.
    Again,
    /// Two of them.
    Twice,
}

/// A key of the Hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The one that it has had for long.
    First,
    /// The one that comes next.
    Next,
}

/// What the authorisation server knows of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// It is right.
    Active,
    /// It is right for a minute and a half from the start.
    Ending,
    /// It is not.
    Inactive,
    /// It is bound to another certificate.
    Elsewhere,
    /// It lacks the scope.
    Scopeless,
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Good,
    /// After so many milliseconds.
    Slow(u64),
    /// It does not listen.
    Refused,
    /// Its name cannot be resolved.
    Unresolved,
    /// Its certificate is not accepted.
    TlsFailure,
    /// It closes the connection.
    Reset,
    /// It says nothing.
    Never,
    /// It closes the connection in the middle of its answer.
    Half,
    /// The end of its answer takes so many milliseconds more.
    Dripping(u64),
    /// The gateway knows no healthy one.
    Unavailable,
    /// It does not speak HTTP.
    Unreadable,
    /// It answers with this status, with or without a body.
    Status(u16, bool),
    /// A sign-in page.
    Html,
    /// 200 and nothing.
    Empty,
    /// The right answer, made long with spaces.
    TooLong,
    /// The right answer with a length that is another.
    LyingLength,
    /// The right answer after an informational one.
    Announced(u16),
    /// The right answer as HTTP/1.0.
    Old,
    /// The right answer without a length.
    Unframed,
    /// The right answer, and then the end of the connection.
    Closing,
}

/// What a server has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// The Hub's first key; tokens are what they are called; signatures are right.
    First,
    /// Both keys; every token has been revoked; signatures are another key's.
    Second,
    /// The next key alone; every token is bound to another certificate; the signer's token is not accepted.
    Third,
}

/// How the bank answers, or the Hub where the requests are the bank's.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    /// What becomes of its answer.
    pub fate: Fate,
    /// Its status.
    pub status: u16,
    /// How long its body is.
    pub length: usize,
    /// How many further headers it has.
    pub crowd: usize,
    /// Whether it says how long it is.
    pub framed: bool,
    /// Which token it has.
    pub token: BankToken,
}

/// What becomes of an answer of the bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes after so many milliseconds.
    Comes(u64),
    /// There is none.
    Never,
    /// The bank does not listen.
    Refused,
    /// It closes the connection.
    Reset,
    /// It closes the connection in the middle.
    Half,
}

/// The token of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankToken {
    /// There is none.
    Missing,
    /// One that is right now, and for 40 seconds more, by either key.
    Right(Key),
    /// One bit of the signature is changed.
    WrongSignature,
    /// It has expired.
    Expired,
    /// Two that are right.
    Twice,
    /// Three that are none.
    Garbage,
}

/// The bank at first, and at the end: right in everything.
pub const GOOD_BANK: Bank =
    Bank { fate: Fate::Comes(0), status: 200, length: 30, crowd: 0, framed: true, token: BankToken::Right(Key::First) };

/// Anything that can happen.
pub fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => sending().prop_map(Step::Send),
        4 => manner().prop_map(Step::Server),
        1 => contents().prop_map(Step::Contents),
        2 => bank().prop_map(Step::Bank),
        6 => wait().prop_map(Step::Wait),
        1 => (0..4_usize).prop_map(Step::HangUp),
        1 => select(vec![-3600, -400, -60, -11, -1, 1, 9, 30, 400, 3600]).prop_map(Step::Clock),
        1 => Just(Step::Rewrite),
    ]
}

/// What can happen while nothing fails and nobody is slow.
pub fn calm_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => sending().prop_map(|sending| Step::Send(Sending { detour: Detour::No, ..sending })),
        // Of a response with very many headers Kong cannot see the token.
        1 => bank().prop_map(|bank| Step::Bank(Bank { fate: Fate::Comes(0), crowd: bank.crowd.min(30), ..bank })),
        3 => wait().prop_map(Step::Wait),
    ]
}

fn sending() -> impl Strategy<Value = Sending> {
    let rare = |percent: u32| prop::bool::weighted(f64::from(percent) / 100.0);
    let detour = prop_oneof![16 => Just(Detour::No), 1 => Just(Detour::Skips), 1 => Just(Detour::Answered)];
    let crowd = prop_oneof![16 => Just(0_usize), 2 => 1..30_usize, 1 => 90..102_usize, 1 => Just(150)];
    let to = (0..2_usize, client(), credential(), detour);
    let method = select(vec!["GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]);
    let path = select(vec!["/accounts", "/accounts", "/payments", "/payments?a=b", "/hello"]);
    let form = (method, path, any::<bool>(), crowd, rare(5), rare(5));
    (to, form).prop_map(|((worker, client, credential, detour), (method, path, body, crowd, hostless, reserved))| {
        let body = body && !["GET", "HEAD"].contains(&method);
        Sending { worker, client, credential, method, path, body, crowd, host: !hostless, reserved, detour }
    })
}

fn client() -> impl Strategy<Value = Client> {
    prop_oneof![
        20 => Just(Client::Hub),
        1 => Just(Client::Tpp),
        1 => Just(Client::Pretender),
        1 => Just(Client::Nobody),
        1 => Just(Client::Plaintext),
    ]
}

fn credential() -> impl Strategy<Value = Credential> {
    let kinds = vec![
        Opaque::Active,
        Opaque::Active,
        Opaque::Active,
        Opaque::Ending,
        Opaque::Inactive,
        Opaque::Elsewhere,
        Opaque::Scopeless,
    ];
    let wrong = vec![
        Credential::WrongSignature(true),
        Credential::WrongSignature(false),
        Credential::UnknownKid,
        Credential::Expired,
        Credential::Early,
        Credential::WrongAudience,
        Credential::AlgNone,
        Credential::Missing,
        Credential::Garbage,
        Credential::Twice,
    ];
    prop_oneof![
        6 => Just(Credential::Jwt(Key::First)),
        2 => Just(Credential::Jwt(Key::Next)),
        2 => Just(Credential::Ending),
        6 => (select(kinds), 0..2_u8).prop_map(|(kind, which)| Credential::Opaque(kind, which)),
        5 => Just(Credential::Again),
        6 => select(wrong),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    let statuses = vec![204, 302, 304, 307, 400, 403, 404, 412, 429, 472, 500, 502, 503];
    let failures = vec![
        Manner::Refused,
        Manner::Unresolved,
        Manner::TlsFailure,
        Manner::Reset,
        Manner::Never,
        Manner::Half,
        Manner::Unavailable,
        Manner::Unreadable,
        Manner::Html,
        Manner::Empty,
        Manner::TooLong,
        Manner::LyingLength,
        Manner::Old,
        Manner::Unframed,
        Manner::Closing,
    ];
    prop_oneof![
        14 => Just(Manner::Good),
        4 => select(vec![1, 200, 900, 1999, 2000, 2500, 4000, 4999, 5000, 5001, 9000]).prop_map(Manner::Slow),
        2 => select(vec![1, 900, 2500, 4900, 7000, 20_000]).prop_map(Manner::Dripping),
        4 => (select(statuses), any::<bool>()).prop_map(|(status, body)| Manner::Status(status, body)),
        1 => select(vec![100, 102, 103]).prop_map(Manner::Announced),
        8 => select(failures),
    ]
}

fn contents() -> impl Strategy<Value = Contents> {
    select(vec![Contents::First, Contents::Second, Contents::Second, Contents::Third])
}

fn bank() -> impl Strategy<Value = Bank> {
    let fate = prop_oneof![
        8 => Just(Fate::Comes(0)),
        3 => select(vec![1, 1000, 30_000, 60_000]).prop_map(Fate::Comes),
        1 => select(vec![Fate::Never, Fate::Refused, Fate::Reset, Fate::Half]),
    ];
    let status = select(vec![200_u16, 200, 200, 200, 204, 304, 418]);
    let length = select(vec![0_usize, 30, 30, 103, 104, 4096, 4097, 33_000, 100_000]);
    let crowd = select(vec![0_usize, 0, 0, 17, 18, 19, 30, 120]);
    let token = select(vec![
        BankToken::Right(Key::First),
        BankToken::Right(Key::First),
        BankToken::Right(Key::First),
        BankToken::Right(Key::Next),
        BankToken::Missing,
        BankToken::WrongSignature,
        BankToken::Expired,
        BankToken::Twice,
        BankToken::Garbage,
    ]);
    let framed = prop::bool::weighted(0.9);
    (fate, status, length, crowd, framed, token).prop_map(|(fate, status, length, crowd, framed, token)| {
        let length = if [204, 304].contains(&status) { 0 } else { length };
        Bank { fate, status, length, crowd, framed, token }
    })
}

fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => select(vec![0, 1, 100, 999, 1000, 1001, 2000]),
        3 => 2000..12_000_u64,
        2 => select(vec![20_000, 30_000, 60_001, 100_000]),
        2 => select(vec![300_000, 479_000, 481_000, 600_001]),
    ]
}
