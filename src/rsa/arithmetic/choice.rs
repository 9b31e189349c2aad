//! Which of the two kernels a host can calculate with, proven by the host.

#[cfg(fused_kernel)]
use crate::fused;

/// One of the two ways to multiply. Whoever holds one knows that this host gives right results with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(fused_kernel)]
    Fused,
}

impl Kernel {
    /// Limbs of 28 bits and multiplications of 32-bit integers, which every host has.
    #[must_use]
    pub const fn scalar() -> Self {
        Self(Kind::Scalar)
    }

    /// Limbs of 52 bits and fused multiplications of floats: `None` if this build does not have it, or if the host does not
    /// fuse them, which a test of a few products shows.
    #[must_use]
    pub fn fused() -> Option<Self> {
        #[cfg(fused_kernel)]
        return fused::is_usable().then_some(Self(Kind::Fused));
        #[cfg(not(fused_kernel))]
        None
    }

    /// The faster one of those that this host has. Natively that is the scalar one: there the other is for tests, and many
    /// machines calculate its products in software.
    #[must_use]
    pub fn fastest() -> Self {
        if cfg!(target_arch = "wasm32") { Self::fused().unwrap_or(Self::scalar()) } else { Self::scalar() }
    }

    #[cfg(fused_kernel)]
    pub(crate) fn is_fused(self) -> bool {
        self.0 == Kind::Fused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natively_both_kernels_are_there_and_the_scalar_one_is_taken() {
        assert_eq!(Kernel::fused().map(Kernel::is_fused), Some(true));
        assert_eq!(Kernel::fastest(), Kernel::scalar());
        assert!(!Kernel::scalar().is_fused());
    }
}
