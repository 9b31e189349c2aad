//! What the analysis knows of the values in a function: how each is made of others, so that equal ones are one, and how
//! large it can be.

use std::collections::BTreeMap;

/// A value of a function, as an optimising compiler sees it: set once, whatever locals it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value(usize);

/// The width of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Width {
    /// `i32`.
    W32,
    /// `i64`.
    W64,
}

impl Width {
    /// The largest number of that width.
    pub(super) fn mask(self) -> u64 {
        match self {
            Self::W32 => u64::from(u32::MAX),
            Self::W64 => u64::MAX,
        }
    }

    fn bits(self) -> u64 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }
}

/// The operators with two operands that the analysis understands. Numbers are unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How a value comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// A parameter, or the result of a call or of another operator that is not taken apart: the byte of the module where
    /// that stands, and which of its results it is.
    Made(usize, usize),
    /// What was read from memory, by the operator that stands at this byte.
    Loaded(usize),
    /// What lies in a place of the stack or in a local where branches meet: the byte at which their block begins, and
    /// which place.
    Joined(usize, Place),
    Constant(u64),
    /// `eqz`.
    IsZero(Value),
    /// `i32.wrap_i64`.
    Wrapped(Value),
    /// `i64.extend_i32_u`.
    Extended(Value),
    Binary(Binary, Width, Value, Value),
}

/// A place in which a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Stack(usize),
    Local(usize),
}

/// What is known at a point of the function because of the branches that lead there: no larger than.
pub(super) type Facts = BTreeMap<Value, u64>;

/// So deep does the search for the largest number go with facts that were not known when a value was made.
const DEPTH: u32 = 6;

/// The values of a function.
#[derive(Default)]
pub(super) struct Values {
    known: Vec<(Form, u64)>,
    by_form: BTreeMap<Form, Value>,
}

impl Values {
    /// How it is made.
    pub(super) fn form(&self, value: Value) -> Form {
        self.known[value.0].0
    }

    /// The value of that form, which is `most` at most as far as is known without facts.
    pub(super) fn of(&mut self, form: Form, most: u64) -> Value {
        let new = Value(self.known.len());
        let value = *self.by_form.entry(form).or_insert(new);
        if value == new {
            self.known.push((form, most));
        }
        value
    }

    /// A constant.
    pub(super) fn constant(&mut self, number: u64) -> Value {
        self.of(Form::Constant(number), number)
    }

    /// What a place holds where branches meet. It may be larger with each branch.
    pub(super) fn joined(&mut self, at: usize, place: Place, most: u64) -> Value {
        let value = self.of(Form::Joined(at, place), most);
        let known = &mut self.known[value.0].1;
        *known = most.max(*known);
        value
    }

    /// `eqz`.
    pub(super) fn is_zero(&mut self, of: Value) -> Value {
        self.of(Form::IsZero(of), 1)
    }

    /// `i32.wrap_i64`.
    pub(super) fn wrapped(&mut self, of: Value) -> Value {
        let most = self.most(Form::Wrapped(of), &Facts::new(), DEPTH);
        self.of(Form::Wrapped(of), most)
    }

    /// `i64.extend_i32_u`.
    pub(super) fn extended(&mut self, of: Value) -> Value {
        let most = self.most(Form::Extended(of), &Facts::new(), DEPTH);
        self.of(Form::Extended(of), most)
    }

    /// The result of an operator of two operands. What Cranelift simplifies before it selects instructions is not the
    /// operator's result but its operand: it looks through that.
    pub(super) fn binary(&mut self, operator: Binary, width: Width, left: Value, right: Value) -> Value {
        let (left, right) = self.with_constant_last(operator, left, right);
        if let Form::Constant(constant) = self.form(right) {
            if let Some(folded) = self.folded(operator, width, left, constant) {
                return folded;
            }
            if is_identity(operator, width, constant) {
                return left;
            }
        }
        let form = Form::Binary(operator, width, left, right);
        let most = self.most(form, &Facts::new(), DEPTH);
        self.of(form, most)
    }

    /// `(x + a) + b` as `x + (a + b)`, and likewise.
    fn folded(&mut self, operator: Binary, width: Width, left: Value, constant: u64) -> Option<Value> {
        let Form::Binary(inner, inner_width, operand, other) = self.form(left) else { return None };
        let Form::Constant(other) = self.form(other) else { return None };
        if (inner, inner_width) != (operator, width) {
            return None;
        }
        let both = match operator {
            Binary::Add => constant.wrapping_add(other),
            Binary::Mul => constant.wrapping_mul(other),
            Binary::And => constant & other,
            Binary::Or => constant | other,
            Binary::Xor => constant ^ other,
            _ => return None,
        };
        let both = self.constant(both & width.mask());
        Some(self.binary(operator, width, operand, both))
    }

    fn with_constant_last(&mut self, operator: Binary, left: Value, right: Value) -> (Value, Value) {
        let commutes = matches!(operator, Binary::Add | Binary::Mul | Binary::And | Binary::Or | Binary::Xor);
        let is_constant = |value| matches!(self.form(value), Form::Constant(_));
        if commutes && is_constant(left) && !is_constant(right) { (right, left) } else { (left, right) }
    }

    /// The largest number that the value can be where these facts hold.
    pub(super) fn largest(&self, value: Value, facts: &Facts) -> u64 {
        self.largest_to(value, facts, DEPTH)
    }

    fn largest_to(&self, value: Value, facts: &Facts, depth: u32) -> u64 {
        let (form, known) = self.known[value.0];
        let known = facts.get(&value).map_or(known, |fact| known.min(*fact));
        if depth == 0 { known } else { known.min(self.most(form, facts, depth)) }
    }

    fn most(&self, form: Form, facts: &Facts, depth: u32) -> u64 {
        let most = |value| self.largest_to(value, facts, depth - 1);
        match form {
            Form::Made(..) | Form::Loaded(_) | Form::Joined(..) => u64::MAX,
            Form::Constant(constant) => constant,
            Form::IsZero(_) => 1,
            Form::Extended(of) | Form::Wrapped(of) => fitting(most(of), Width::W32),
            Form::Binary(operator, width, left, right) => {
                let constant = match self.form(right) {
                    Form::Constant(constant) => Some(constant),
                    _ => None,
                };
                match (operator, constant) {
                    (Binary::Add, _) => match self.remainder(width, left, right, facts, depth) {
                        Some(most) => most,
                        None => fitting(most(left).saturating_add(most(right)), width),
                    },
                    (Binary::Sub, _) => self.remainder(width, left, right, facts, depth).unwrap_or(width.mask()),
                    (Binary::Mul, _) => fitting(most(left).saturating_mul(most(right)), width),
                    // What is divided by zero traps.
                    (Binary::Div, Some(constant)) => fitting(most(left), width).checked_div(constant).unwrap_or(0),
                    (Binary::Rem, Some(constant)) => most(left).min(constant.saturating_sub(1)),
                    (Binary::And, _) => most(left).min(most(right)),
                    (Binary::Or | Binary::Xor, _) => ones(most(left) | most(right)),
                    (Binary::Shr, Some(constant)) => fitting(most(left), width) >> (constant % width.bits()),
                    (Binary::Div | Binary::Rem | Binary::Shr, None) => fitting(most(left), width),
                    (Binary::Shl, Some(constant)) => {
                        fitting(most(left).saturating_mul(1 << (constant % width.bits())), width)
                    }
                    (Binary::Shl, None) => width.mask(),
                    _ => 1,
                }
            }
        }
    }

    /// `x + (x / c) * -c` and `x - (x / c) * c` are `x % c`: the largest of those.
    fn remainder(&self, width: Width, left: Value, right: Value, facts: &Facts, depth: u32) -> Option<u64> {
        let remainder_of = |dividend: Value, product: Value| {
            let Form::Binary(Binary::Mul, product_width, quotient, factor) = self.form(product) else { return None };
            let Form::Constant(factor) = self.form(factor) else { return None };
            let divisor = self.divisor(self.unwrapped(quotient), self.unwrapped(dividend), facts, depth)?;
            let is_factor = [divisor, divisor.wrapping_neg()].iter().any(|divisor| divisor & width.mask() == factor);
            (product_width == width && is_factor).then(|| divisor - 1)
        };
        remainder_of(left, right).or_else(|| remainder_of(right, left))
    }

    /// The constant by which `dividend` is divided to get `quotient`.
    fn divisor(&self, quotient: Value, dividend: Value, facts: &Facts, depth: u32) -> Option<u64> {
        let Form::Binary(operator, width, of, constant) = self.form(quotient) else { return None };
        let Form::Constant(constant) = self.form(constant) else { return None };
        match operator {
            Binary::Div if of == dividend && constant != 0 => Some(constant),
            // x * m >> s is x / d, if m is 2^s / d rounded up and x small enough for the error.
            Binary::Shr => {
                let Form::Binary(Binary::Mul, product_width, of, factor) = self.form(of) else { return None };
                let Form::Constant(factor) = self.form(factor) else { return None };
                let power = 1u64.checked_shl(u32::try_from(constant).ok()?)?;
                let divisor = power.checked_div(factor)? + 1;
                let error = factor.checked_mul(divisor)? - power;
                let most = self.largest_to(dividend, facts, depth - 1);
                let is_exact = most.checked_mul(error)? < power && most.checked_mul(factor)? <= width.mask();
                (product_width == width && self.unwrapped(of) == dividend && is_exact).then_some(divisor)
            }
            _ => None,
        }
    }

    fn unwrapped(&self, value: Value) -> Value {
        match self.form(value) {
            Form::Wrapped(of) => of,
            _ => value,
        }
    }

    /// Notes what follows from `condition` being zero or not.
    pub(super) fn note(&self, condition: Value, holds: bool, facts: &mut Facts) {
        match (self.form(condition), holds) {
            (Form::IsZero(of), _) => self.note(of, !holds, facts),
            // A bit that both have: neither is zero.
            (Form::Binary(Binary::And, _, left, right), true) => {
                self.note(left, true, facts);
                self.note(right, true, facts);
            }
            (Form::Binary(Binary::Or, _, left, right), false) => {
                self.note(left, false, facts);
                self.note(right, false, facts);
            }
            (Form::Binary(operator, _, left, right), _) => {
                use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Unequal};
                let (below, above, strictly) = match (operator, holds) {
                    (Less, true) | (GreaterOrEqual, false) => (left, right, true),
                    (LessOrEqual, true) | (Greater, false) => (left, right, false),
                    (Greater, true) | (LessOrEqual, false) => (right, left, true),
                    (GreaterOrEqual, true) | (Less, false) => (right, left, false),
                    (Equal, true) | (Unequal, false) => {
                        let most = self.largest(right, facts).min(self.largest(left, facts));
                        at_most(facts, left, most);
                        at_most(facts, right, most);
                        return;
                    }
                    _ if !holds => return at_most(facts, condition, 0),
                    _ => return,
                };
                let most = self.largest(above, facts);
                at_most(facts, below, if strictly { most.saturating_sub(1) } else { most });
            }
            (_, false) => at_most(facts, condition, 0),
            (_, true) => {}
        }
    }
}

fn at_most(facts: &mut Facts, value: Value, most: u64) {
    facts.entry(value).and_modify(|fact| *fact = most.min(*fact)).or_insert(most);
}

/// `most`, or if that does not fit, and the number may have lost bits, the largest number that does.
fn fitting(most: u64, width: Width) -> u64 {
    most.min(width.mask())
}

/// The least number of ones that is not below.
fn ones(most: u64) -> u64 {
    most.checked_ilog2().map_or(0, |log| u64::MAX >> (63 - log))
}

/// Whether the operator leaves its left operand as it is.
fn is_identity(operator: Binary, width: Width, constant: u64) -> bool {
    match operator {
        Binary::Add | Binary::Sub | Binary::Or | Binary::Xor => constant == 0,
        Binary::Shl | Binary::Shr => constant.is_multiple_of(width.bits()),
        Binary::Mul | Binary::Div => constant == 1,
        Binary::And => constant == width.mask(),
        _ => false,
    }
}
