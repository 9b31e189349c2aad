//! What the analysis knows of WebAssembly's operators.

use wasmparser::{MemArg, Operator};

use super::values::Binary;

/// The largest result of an operator that is not taken apart.
pub(super) fn most(operator: &Operator) -> u64 {
    use Operator as O;
    match operator {
        O::I32Load8U { .. } | O::I64Load8U { .. } => u64::from(u8::MAX),
        O::I32Load16U { .. } | O::I64Load16U { .. } => u64::from(u16::MAX),
        O::I64Load32U { .. } => u64::from(u32::MAX),
        O::I32Clz | O::I32Ctz | O::I32Popcnt => 32,
        O::I64Clz | O::I64Ctz | O::I64Popcnt => 64,
        O::I32LtS | O::I32LeS | O::I32GtS | O::I32GeS | O::I64LtS | O::I64LeS | O::I64GtS | O::I64GeS => 1,
        _ => u64::MAX,
    }
}

/// An operator of `i32` that the analysis understands.
pub(super) fn binary_32(operator: &Operator) -> Option<Binary> {
    use Operator as O;
    Some(match operator {
        O::I32Add => Binary::Add,
        O::I32Sub => Binary::Sub,
        O::I32Mul => Binary::Mul,
        O::I32DivU => Binary::Div,
        O::I32RemU => Binary::Rem,
        O::I32And => Binary::And,
        O::I32Or => Binary::Or,
        O::I32Xor => Binary::Xor,
        O::I32Shl => Binary::Shl,
        O::I32ShrU => Binary::Shr,
        O::I32Eq => Binary::Equal,
        O::I32Ne => Binary::Unequal,
        O::I32LtU => Binary::Less,
        O::I32LeU => Binary::LessOrEqual,
        O::I32GtU => Binary::Greater,
        O::I32GeU => Binary::GreaterOrEqual,
        _ => return None,
    })
}

/// Likewise of `i64`.
pub(super) fn binary_64(operator: &Operator) -> Option<Binary> {
    use Operator as O;
    Some(match operator {
        O::I64Add => Binary::Add,
        O::I64Sub => Binary::Sub,
        O::I64Mul => Binary::Mul,
        O::I64DivU => Binary::Div,
        O::I64RemU => Binary::Rem,
        O::I64And => Binary::And,
        O::I64Or => Binary::Or,
        O::I64Xor => Binary::Xor,
        O::I64Shl => Binary::Shl,
        O::I64ShrU => Binary::Shr,
        O::I64Eq => Binary::Equal,
        O::I64Ne => Binary::Unequal,
        O::I64LtU => Binary::Less,
        O::I64LeU => Binary::LessOrEqual,
        O::I64GtU => Binary::Greater,
        O::I64GeU => Binary::GreaterOrEqual,
        _ => return None,
    })
}

/// Where in memory the operator reads or writes, beside the address on the stack.
pub(super) fn memarg(operator: &Operator) -> Option<MemArg> {
    // wasmparser lists all operators with the names of their immediates: this one is the same everywhere.
    macro_rules! memarg_of {
        (memarg $($rest:ident)*; $memarg:ident $($other:ident)*) => {
            Some(*$memarg)
        };
        ($($rest:ident)*; $($other:ident)*) => {
            None
        };
    }
    macro_rules! define {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $(Operator::$op $({ $($arg),* })? => {
                    $($(let _ = $arg;)*)?
                    memarg_of!($($($arg)*)?; $($($arg)*)?)
                })*
                _ => None,
            }
        };
    }
    wasmparser::for_each_operator!(define)
}
