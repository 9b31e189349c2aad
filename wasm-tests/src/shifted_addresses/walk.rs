//! Walks through a function as often as it takes to know which values lie in which places, and finds the accesses to
//! memory.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{FuncToValidate, FunctionBody, ModuleArity, Operator, WasmModuleResources};

use super::operators::{binary_32, binary_64, memarg, most};
use super::values::{Binary, Facts, Form, Place, Value, Values, Width};
use super::{Origin, Site};

/// An operator, and what the walk needs to know of it.
pub(super) struct Step<'a> {
    at: usize,
    operator: Operator<'a>,
    /// How many values it takes from the stack.
    takes: usize,
    /// How many it leaves there.
    gives: usize,
    /// How many values a block that begins here takes, and gives.
    block: (usize, usize),
}

/// A function, validated.
pub(super) struct Function<'a> {
    parameters: usize,
    locals: usize,
    results: usize,
    /// Where its code begins.
    at: usize,
    steps: Vec<Step<'a>>,
}

impl<'a> Function<'a> {
    /// Reads it.
    pub(super) fn read<R: WasmModuleResources>(
        function: FuncToValidate<R>,
        body: &FunctionBody<'a>,
    ) -> Result<Self, wasmparser::Error> {
        let mut validator = function.into_validator(Default::default());
        let ty = validator
            .sub_type_at(validator.resources().type_index_of_function(validator.index()).unwrap_or_default())
            .map(|ty| ty.unwrap_func())
            .cloned();
        let (parameters, results) = ty.map_or((0, 0), |ty| (ty.params().len(), ty.results().len()));
        let mut locals = parameters;
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let at = reader.original_position();
            let (count, ty) = reader.read()?;
            validator.define_locals(at, count, ty)?;
            locals += count as usize;
        }
        let mut steps = Vec::new();
        for operator in body.get_operators_reader()?.into_iter_with_offsets() {
            let (operator, at) = operator?;
            let (takes, gives) = operator.operator_arity(&validator).unwrap_or_default();
            let block = match &operator {
                Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                    validator.block_type_arity(*blockty).unwrap_or_default()
                }
                _ => (0, 0),
            };
            validator.op(at, &operator)?;
            let block = (block.0 as usize, block.1 as usize);
            steps.push(Step { at, operator, takes: takes as usize, gives: gives as usize, block });
        }
        Ok(Self { parameters, locals, results, at: body.range().start, steps })
    }

    /// The accesses to memory whose address is the result of a small shift.
    pub(super) fn sites(&self) -> Vec<Site> {
        // Which places do not keep their value in which loop is found by walking until nothing new is found.
        let mut changes = Changes::new();
        loop {
            let mut walk = Walk::new(self, &changes);
            self.steps.iter().for_each(|step| walk.step(step));
            let found = walk.found;
            if found == changes {
                return walk.sites;
            }
            changes = found;
        }
    }
}

/// What changes in the loops that begin at these bytes.
type Changes = BTreeMap<usize, BTreeSet<Change>>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Local(usize),
    Stored,
    Global,
}

/// What lies where, at a point of the function that is reached.
#[derive(Clone)]
struct State {
    locals: Vec<Value>,
    stack: Vec<Value>,
    facts: Facts,
    /// The 32 bits that the last access to write memory wrote: where, at which offset, and what.
    stored: Option<(Value, u64, Value)>,
    /// The global that was written last, and what was written.
    global: Option<(u32, Value)>,
}

enum Kind {
    Block,
    /// With what lies in locals and memory at its beginning.
    Loop(Option<State>),
    /// With the state in which its other branch begins.
    If(Option<State>),
}

struct Frame {
    kind: Kind,
    at: usize,
    height: usize,
    gives: usize,
    /// The state at its end, of all the branches that lead there.
    end: Option<State>,
}

struct Walk<'a> {
    values: Values,
    frames: Vec<Frame>,
    /// Nothing where the function does not come.
    state: Option<State>,
    changes: &'a Changes,
    found: Changes,
    sites: Vec<Site>,
}

impl<'a> Walk<'a> {
    fn new(function: &Function, changes: &'a Changes) -> Self {
        let mut values = Values::default();
        let mut locals = Vec::new();
        for local in 0..function.locals {
            locals.push(if local < function.parameters {
                values.of(Form::Made(function.at, local), u64::MAX)
            } else {
                values.constant(0)
            });
        }
        let state = State { locals, stack: Vec::new(), facts: Facts::new(), stored: None, global: None };
        let whole = Frame { kind: Kind::Block, at: function.at, height: 0, gives: function.results, end: None };
        let found = changes.clone();
        Self { values, frames: vec![whole], state: Some(state), changes, found, sites: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        match &step.operator {
            Operator::Block { .. } => self.begin(step, Kind::Block),
            Operator::Loop { .. } => self.begin_loop(step),
            Operator::If { .. } => {
                let otherwise = self.fork();
                self.begin(step, Kind::If(otherwise));
            }
            Operator::Else => self.begin_else(),
            Operator::End => self.end(),
            Operator::Br { relative_depth } => {
                let state = self.state.take();
                self.branch(*relative_depth, state);
            }
            Operator::BrIf { relative_depth } => {
                let stays = self.fork();
                let goes = std::mem::replace(&mut self.state, stays);
                self.branch(*relative_depth, goes);
            }
            Operator::BrTable { targets } => {
                let mut state = self.state.take();
                if let Some(state) = &mut state {
                    state.stack.pop();
                }
                let depths: BTreeSet<u32> = targets.targets().flatten().chain([targets.default()]).collect();
                for depth in depths {
                    self.branch(depth, state.clone());
                }
            }
            Operator::Return | Operator::Unreachable => self.state = None,
            _ => {
                if let Some(mut state) = self.state.take() {
                    self.plain(step, &mut state);
                    self.state = Some(state);
                }
            }
        }
    }

    /// Takes the condition from the stack. The state where it does not hold is returned; the other one is the state now.
    fn fork(&mut self) -> Option<State> {
        let state = self.state.as_mut()?;
        let condition = state.stack.pop()?;
        let mut otherwise = state.clone();
        self.values.note(condition, true, &mut state.facts);
        self.values.note(condition, false, &mut otherwise.facts);
        Some(otherwise)
    }

    fn begin(&mut self, step: &Step, kind: Kind) {
        let (takes, gives) = step.block;
        let height = self.state.as_ref().map_or(0, |state| state.stack.len() - takes);
        self.frames.push(Frame { kind, at: step.at, height, gives, end: None });
    }

    fn begin_loop(&mut self, step: &Step) {
        let (takes, _) = step.block;
        if let Some(state) = &mut self.state {
            for place in self.changes.get(&step.at).into_iter().flatten() {
                match place {
                    Change::Local(local) => {
                        state.locals[*local] = self.values.joined(step.at, Place::Local(*local), u64::MAX);
                    }
                    Change::Stored => state.stored = None,
                    Change::Global => state.global = None,
                }
            }
            let height = state.stack.len() - takes;
            for index in height..state.stack.len() {
                state.stack[index] = self.values.joined(step.at, Place::Stack(index), u64::MAX);
            }
        }
        self.begin(step, Kind::Loop(self.state.clone()));
    }

    fn begin_else(&mut self) {
        let then = self.state.take();
        self.branch(0, then);
        if let Some(Frame { kind: Kind::If(otherwise), .. }) = self.frames.last_mut() {
            self.state = otherwise.take();
        }
    }

    fn end(&mut self) {
        let last = self.state.take();
        // The end of a loop is not its label.
        let Some(frame) = self.frames.pop() else { return };
        let mut frame = match frame.kind {
            Kind::Loop(_) => {
                self.state = last;
                return;
            }
            _ => frame,
        };
        self.meet(&mut frame, last);
        if let Kind::If(otherwise) = &mut frame.kind {
            let otherwise = otherwise.take();
            self.meet(&mut frame, otherwise);
        }
        self.state = frame.end;
    }

    /// The state goes to a label.
    fn branch(&mut self, depth: u32, state: Option<State>) {
        let index = self.frames.len() - 1 - depth as usize;
        if let Kind::Loop(beginning) = &self.frames[index].kind {
            let (Some(state), Some(beginning)) = (state, beginning) else { return };
            let changes = self.found.entry(self.frames[index].at).or_default();
            let locals = state.locals.iter().zip(&beginning.locals).enumerate();
            changes.extend(locals.filter(|(_, (now, then))| now != then).map(|(local, _)| Change::Local(local)));
            if state.stored != beginning.stored && beginning.stored.is_some() {
                changes.insert(Change::Stored);
            }
            if state.global != beginning.global && beginning.global.is_some() {
                changes.insert(Change::Global);
            }
        } else {
            // Taken out, so that it and the values can be written at once.
            let kind = Kind::Block;
            let empty = Frame { kind, at: 0, height: 0, gives: 0, end: None };
            let mut frame = std::mem::replace(&mut self.frames[index], empty);
            self.meet(&mut frame, state);
            self.frames[index] = frame;
        }
    }

    /// Another state comes to the end of a block.
    fn meet(&mut self, frame: &mut Frame, state: Option<State>) {
        let Some(mut state) = state else { return };
        let results = state.stack.split_off(state.stack.len() - frame.gives);
        state.stack.truncate(frame.height);
        state.stack.extend(results);
        let Some(end) = &mut frame.end else {
            frame.end = Some(state);
            return;
        };
        let locals = end.locals.iter_mut().zip(&state.locals).enumerate().map(|(i, pair)| (Place::Local(i), pair));
        let stack = end.stack.iter_mut().zip(&state.stack).enumerate().map(|(i, pair)| (Place::Stack(i), pair));
        for (place, (here, other)) in locals.chain(stack) {
            if here != other {
                let most = self.values.largest(*here, &end.facts).max(self.values.largest(*other, &state.facts));
                *here = self.values.joined(frame.at, place, most);
            }
        }
        end.facts = end
            .facts
            .iter()
            .map(|(value, most)| (*value, (*most).max(self.values.largest(*value, &state.facts))))
            .filter(|(value, most)| *most < self.values.largest(*value, &Facts::new()))
            .collect();
        if end.stored != state.stored {
            end.stored = None;
        }
        if end.global != state.global {
            end.global = None;
        }
    }

    /// An operator that goes on to the next one.
    fn plain(&mut self, step: &Step, state: &mut State) {
        use Operator as O;
        match &step.operator {
            O::LocalGet { local_index } => state.stack.push(state.locals[*local_index as usize]),
            O::LocalSet { local_index } => {
                let value = state.stack.pop();
                state.locals[*local_index as usize] = value.unwrap_or_else(|| self.values.constant(0));
            }
            O::LocalTee { local_index } => {
                state.locals[*local_index as usize] = state.stack[state.stack.len() - 1];
            }
            O::Drop => {
                state.stack.pop();
            }
            operator => {
                let taken = state.stack.split_off(state.stack.len() - step.takes);
                if memarg(operator).is_some() {
                    self.access(step.at, &taken, state);
                }
                let result = self.result(step.at, operator, &taken, state);
                match result {
                    Some(value) if step.gives == 1 => state.stack.push(value),
                    _ => {
                        for result in 0..step.gives {
                            let is_load = memarg(operator).is_some();
                            let form = if is_load { Form::Loaded(step.at) } else { Form::Made(step.at, result) };
                            state.stack.push(self.values.of(form, most(operator)));
                        }
                    }
                }
                self.write(step, &taken, state);
            }
        }
    }

    /// Notes what the operator writes, which is what the same operator reads again if nothing is written between.
    fn write(&mut self, step: &Step, taken: &[Value], state: &mut State) {
        use Operator as O;
        match (&step.operator, taken) {
            (O::Call { .. } | O::CallIndirect { .. } | O::MemoryGrow { .. }, _) => {
                state.stored = None;
                state.global = None;
            }
            (O::GlobalSet { global_index }, [value]) => state.global = Some((*global_index, *value)),
            (O::I32Store { memarg }, [address, value]) => state.stored = Some((*address, memarg.offset, *value)),
            (O::MemoryFill { .. } | O::MemoryCopy { .. } | O::MemoryInit { .. }, _) => state.stored = None,
            (operator, _) if memarg(operator).is_some() && step.gives == 0 => state.stored = None,
            _ => {}
        }
    }

    /// The result of an operator that the analysis understands.
    fn result(&mut self, at: usize, operator: &Operator, taken: &[Value], state: &State) -> Option<Value> {
        use Operator as O;
        let values = &mut self.values;
        let widths = [(Width::W32, binary_32(operator)), (Width::W64, binary_64(operator))];
        for (width, binary) in widths {
            if let (Some(binary), [left, right]) = (binary, taken) {
                return Some(values.binary(binary, width, *left, *right));
            }
        }
        Some(match (operator, taken) {
            (O::I32Const { value }, _) => values.constant(u64::from(value.cast_unsigned())),
            (O::I64Const { value }, _) => values.constant(value.cast_unsigned()),
            (O::I32Eqz | O::I64Eqz, [of]) => values.is_zero(*of),
            (O::Select | O::TypedSelect { .. }, [one, other, _]) => {
                let most = values.largest(*one, &state.facts).max(values.largest(*other, &state.facts));
                values.of(Form::Made(at, 0), most)
            }
            (O::I32ShrS | O::I32Rotl | O::I32Rotr, [of, by]) if values.form(*by) == Form::Constant(0) => *of,
            (O::I32DivS, [of, by]) if values.form(*by) == Form::Constant(1) => *of,
            (O::I32WrapI64, [of]) => values.wrapped(*of),
            (O::I64ExtendI32U, [of]) => values.extended(*of),
            (O::I32Load { memarg }, [address]) => match state.stored {
                // Cranelift reads what was written, and not memory.
                Some((stored, offset, value)) if (stored, offset) == (*address, memarg.offset) => value,
                _ => return None,
            },
            (O::GlobalGet { global_index }, _) => match state.global {
                Some((global, value)) if global == *global_index => value,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// An access to memory.
    fn access(&mut self, at: usize, taken: &[Value], state: &State) {
        let Some(address) = taken.first() else { return };
        let Form::Binary(Binary::Shl, Width::W32, of, by) = self.values.form(*address) else { return };
        let Form::Constant(shift @ 1..=3) = self.values.form(by) else { return };
        let most = self.values.largest(of, &state.facts);
        let loses_bits = most.min(Width::W32.mask()) << shift > Width::W32.mask();
        let origin = match self.values.form(of) {
            Form::Loaded(_) => Origin::Loaded,
            Form::Joined(..) => Origin::Joined,
            _ => Origin::Computed,
        };
        self.sites.push(Site { at, origin, is_proven: !loses_bits });
    }
}
