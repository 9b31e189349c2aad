//! The numbers that host calls return: the statuses of the proxy-wasm ABI 0.2.1 and the few WASI error numbers that
//! proxy-wasm hosts use; and how calls end that do not return one.

/// A status of the proxy-wasm ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Status {
    /// The call succeeded.
    Ok = 0,
    /// What was asked for does not exist.
    NotFound = 1,
    /// An argument is not acceptable, or not at this moment.
    BadArgument = 2,
    /// The host could not write the value down.
    SerializationFailure = 3,
    /// The host could not read the value.
    ParseFailure = 4,
    /// An expression is not valid.
    BadExpression = 5,
    /// A pointer leads outside the memory of the module.
    InvalidMemoryAccess = 6,
    /// A queue is empty.
    Empty = 7,
    /// The shared value has changed meanwhile.
    CasMismatch = 8,
    /// The result is not of the expected kind.
    ResultMismatch = 9,
    /// The host failed.
    InternalFailure = 10,
    /// The connection broke.
    BrokenConnection = 11,
    /// The host does not have this call.
    Unimplemented = 12,
}

impl From<Status> for u32 {
    fn from(status: Status) -> u32 {
        status as u32
    }
}

/// The WASI error numbers in use.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Errno {
    BadDescriptor = 8,
    Fault = 21,
    Invalid = 28,
    NoEntry = 44,
    NotImplemented = 52,
    NotDirectory = 20,
    NotSupported = 58,
    NotCapable = 76,
}

/// How a host call ends when it does not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It returns this status to the module.
    Status(Status),
    /// It returns this status, and the gateway writes this line to its own log, with the level "alert".
    Alert(Status, String),
    /// The module traps.
    Trap(String),
    /// The whole worker process dies.
    Crash(String),
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Refused::Status(status)
    }
}

/// Why a call into the module did not return.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The module trapped.
    Trap(String),
    /// The worker died.
    Crash(String),
}

/// Why a host call did not succeed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It returns this number to the module.
    Code(u32),
    /// The module traps.
    Trap(String),
    /// The worker dies.
    Crash(String),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Refusal::Code(status.into())
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Status(status) | Refused::Alert(status, _) => Refusal::Code(status.into()),
            Refused::Trap(why) => Refusal::Trap(why),
            Refused::Crash(why) => Refusal::Crash(why),
        }
    }
}

/// What the module did while the host asked it for memory.
impl From<Ending> for Refusal {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Trap(why) => Refusal::Trap(why),
            Ending::Crash(why) => Refusal::Crash(why),
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Refusal::Code(errno as u32)
    }
}

/// How a host call ends.
pub(crate) type Answered<T = ()> = Result<T, Refusal>;
