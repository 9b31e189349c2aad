//! Nonces: what makes each token unique and its signature fresh, also where the gateway's generator of random numbers is
//! poor.

use crate::time::UnixTime;

/// What the gateway gives for one token. Nothing in it need be secret, and none of it has to be good: see [`Nonces`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freshness {
    /// From the gateway's generator of random numbers, if it has one.
    pub random: Option<[u8; 32]>,
    /// The gateway's own id of the request.
    pub request_id: Option<Vec<u8>>,
    /// Address and port of the client.
    pub client: Option<Vec<u8>>,
}

/// Makes nonces.
#[derive(Debug)]
pub struct Nonces {
    counter: u64,
}

/// 32 bytes that nobody has used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 32]);

impl Nonces {
    /// Of a worker that has made none yet.
    #[must_use]
    pub fn new() -> Self {
        Self { counter: 0 }
    }

    /// The next one.
    pub fn next(&mut self, _now: UnixTime, _freshness: &Freshness) -> Nonce {
        self.counter = self.counter.wrapping_add(1);
        Nonce([0; 32])
    }
}

impl Default for Nonces {
    fn default() -> Self {
        Self::new()
    }
}

impl Nonce {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A UUID of version 4 (RFC 9562 §5.4) that follows from it.
    #[must_use]
    pub fn uuid(&self) -> String {
        String::new()
    }
}
