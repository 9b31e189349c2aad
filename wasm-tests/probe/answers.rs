//! Answers by the filter's own types: what they do here is what they do in the filter.

use hub_auth_filter::facade::rsa::{RsaPrivateKey, RsaPublicKey};
use rsa_arithmetic::{Kernel, PublicRing};

use crate::question::{Answer, Bytes, KernelInUse, Padding, PowerOf, PublicKey, Question, SignedMessage, Verdict};
use crate::timing;

/// Answers a question. The clock says how many nanoseconds have passed since whenever.
#[must_use]
pub fn answer(question: &Question, clock: impl Fn() -> u64) -> Answer {
    let answer = match question {
        Question::Kernel => Ok(Answer::Kernel(kernel_in_use())),
        Question::Verify(signed) => Ok(Answer::Verdicts(signed.iter().map(verdict).collect())),
        Question::Power(powers) => powers.iter().map(power).collect::<Result<_, _>>().map(Answer::Powers),
        Question::Sign(key, messages) => sign(key, messages).map(Answer::Signatures),
        Question::Time(work, budget) => timing::time(work, *budget, clock).map(Answer::Time),
    };
    answer.unwrap_or_else(|reason| Answer::Nonsense(reason.to_owned()))
}

/// A key in the filter's type.
pub(crate) fn public(key: &PublicKey) -> Result<RsaPublicKey, &'static str> {
    RsaPublicKey::new(&key.modulus.0, &key.exponent.0).map_err(|_| "not an acceptable public key")
}

/// What the filter calculates with modulo the modulus of a key.
pub(crate) fn ring(key: &RsaPublicKey) -> PublicRing {
    let modulus = key.modulus();
    let above = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    PublicRing::new(&modulus, modulus.len() * 8 - above, Kernel::fastest())
}

/// Whether the filter takes a signature.
pub(crate) fn verifies(key: &RsaPublicKey, signed: &SignedMessage) -> bool {
    match signed.padding {
        Padding::Pss => key.verify_ps256(&signed.message.0, &signed.signature.0).is_ok(),
        Padding::Pkcs1 => key.verify_rs256(&signed.message.0, &signed.signature.0).is_ok(),
    }
}

fn kernel_in_use() -> KernelInUse {
    if Kernel::fastest() == Kernel::scalar() { KernelInUse::Scalar } else { KernelInUse::Fused }
}

fn verdict(signed: &SignedMessage) -> Verdict {
    match public(&signed.key) {
        Err(_) => Verdict::KeyRefused,
        Ok(key) if verifies(&key, signed) => Verdict::Valid,
        Ok(_) => Verdict::Invalid,
    }
}

/// The power that verification takes (RSAVP1, RFC 8017 §5.2.2), whole.
fn power(PowerOf { key, base }: &PowerOf) -> Result<Bytes, &'static str> {
    let key = public(key)?;
    let (modulus, exponent) = (key.modulus(), key.exponent());
    if base.0.len() != modulus.len() || *base.0 >= *modulus {
        return Err("a base that is not below the modulus, or not as long");
    }
    let exponent = exponent.iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
    let ring = ring(&key);
    let base = ring.number(&base.0);
    Ok(ring.power_times(&base, exponent, &base).to_be_bytes(modulus.len()).as_slice().into())
}

fn sign(key: &str, messages: &[Bytes]) -> Result<Vec<Bytes>, &'static str> {
    let key = RsaPrivateKey::from_pem(key).map_err(|_| "not an acceptable private key")?;
    let signatures = messages.iter().zip(0_u8..).map(|(message, nonce)| key.sign_ps256(&message.0, &[nonce; 32]));
    signatures.map(|signature| Ok(signature.map_err(|_| "a fault")?.into())).collect()
}
