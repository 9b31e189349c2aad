//! SHA-256 of four blocks at a time (FIPS 180-4 §6.2.2): the same steps as for one, with numbers of four lanes.

use super::{END_OF_BLOCK, INITIAL_STATE};

#[cfg(target_arch = "wasm32")]
mod vector {
    use core::arch::wasm32::{
        i32x4_add, u32x4, u32x4_extract_lane, u32x4_shl, u32x4_shr, u32x4_splat, v128, v128_and, v128_or, v128_xor,
    };

    /// Four lanes of 32 bits: a vector of WebAssembly.
    #[derive(Clone, Copy)]
    pub(crate) struct Lanes(v128);

    impl Lanes {
        pub(crate) fn new([a, b, c, d]: [u32; 4]) -> Self {
            Self(u32x4(a, b, c, d))
        }

        pub(crate) fn splat(all: u32) -> Self {
            Self(u32x4_splat(all))
        }

        pub(crate) fn parts(self) -> [u32; 4] {
            let Self(lanes) = self;
            [
                u32x4_extract_lane::<0>(lanes),
                u32x4_extract_lane::<1>(lanes),
                u32x4_extract_lane::<2>(lanes),
                u32x4_extract_lane::<3>(lanes),
            ]
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(i32x4_add(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn xor(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn and(self, other: Self) -> Self {
            Self(v128_and(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn right<const BITS: u32>(self) -> Self {
            Self(u32x4_shr(self.0, BITS))
        }

        #[inline(always)]
        pub(crate) fn rotated<const BITS: u32>(self) -> Self {
            Self(v128_or(u32x4_shr(self.0, BITS), u32x4_shl(self.0, 32 - BITS)))
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod vector {
    /// Four lanes of 32 bits.
    #[derive(Clone, Copy)]
    pub(crate) struct Lanes([u32; 4]);

    impl Lanes {
        pub(crate) fn new(lanes: [u32; 4]) -> Self {
            Self(lanes)
        }

        pub(crate) fn splat(all: u32) -> Self {
            Self([all; 4])
        }

        pub(crate) fn parts(self) -> [u32; 4] {
            self.0
        }

        pub(crate) fn plus(self, other: Self) -> Self {
            self.zip(other, u32::wrapping_add)
        }

        pub(crate) fn xor(self, other: Self) -> Self {
            self.zip(other, |a, b| a ^ b)
        }

        pub(crate) fn and(self, other: Self) -> Self {
            self.zip(other, |a, b| a & b)
        }

        pub(crate) fn right<const BITS: u32>(self) -> Self {
            Self(self.0.map(|lane| lane >> BITS))
        }

        pub(crate) fn rotated<const BITS: u32>(self) -> Self {
            Self(self.0.map(|lane| lane.rotate_right(BITS)))
        }

        fn zip(self, other: Self, operation: fn(u32, u32) -> u32) -> Self {
            let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (self.0, other.0);
            Self([operation(a0, b0), operation(a1, b1), operation(a2, b2), operation(a3, b3)])
        }
    }
}

use vector::Lanes;

/// The constants of the rounds (FIPS 180-4 §4.2.2).
#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The hashes of a seed with four counters in a row.
pub(super) fn hashes(seed: &[u32; 8], counter: u32) -> [[u32; 8]; 4] {
    let start = INITIAL_STATE.map(Lanes::splat);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = start;
    for (round, word) in ROUNDS.iter().zip(schedule(seed, counter)) {
        let choice = e.and(f).xor(e.and(g).xor(g));
        let sum = e.rotated::<6>().xor(e.rotated::<11>()).xor(e.rotated::<25>());
        let first = h.plus(sum).plus(choice).plus(Lanes::splat(*round)).plus(word);
        let majority = a.and(b).xor(a.and(c)).xor(b.and(c));
        let sum = a.rotated::<2>().xor(a.rotated::<13>()).xor(a.rotated::<22>());
        (h, g, f, e, d, c, b, a) = (g, f, e, d.plus(first), c, b, a, first.plus(sum).plus(majority));
    }
    let mut hashes = [[0; 8]; 4];
    let [first, second, third, fourth] = &mut hashes;
    let words = first.iter_mut().zip(second).zip(third).zip(fourth);
    for ((((w0, w1), w2), w3), (start, end)) in words.zip(start.iter().zip([a, b, c, d, e, f, g, h])) {
        [*w0, *w1, *w2, *w3] = start.plus(end).parts();
    }
    hashes
}

/// What the rounds add: the block, in which only the counter differs from lane to lane, and what follows from it.
fn schedule(seed: &[u32; 8], counter: u32) -> [Lanes; 64] {
    let mut words = [Lanes::splat(0); 64];
    let counters = Lanes::new([0, 1, 2, 3]).plus(Lanes::splat(counter));
    let block = seed.iter().map(|word| Lanes::splat(*word)).chain([counters]).chain(END_OF_BLOCK.map(Lanes::splat));
    words.iter_mut().zip(block).for_each(|(place, word)| *place = word);
    for index in 16..64 {
        let known = words.get(index - 16..index).and_then(<[Lanes]>::as_array);
        if let Some([w16, w15, _, _, _, _, _, _, _, w7, _, _, _, _, w2, _]) = known {
            let first = w15.rotated::<7>().xor(w15.rotated::<18>()).xor(w15.right::<3>());
            let second = w2.rotated::<17>().xor(w2.rotated::<19>()).xor(w2.right::<10>());
            let word = w16.plus(first).plus(*w7).plus(second);
            words.iter_mut().skip(index).take(1).for_each(|place| *place = word);
        }
    }
    words
}
