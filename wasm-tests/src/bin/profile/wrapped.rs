//! A module that tells where it is: each function is called by way of another one, which tells the host before and after.
//!
//! What that costs is known, and is taken out again.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, Function, FunctionSection, ImportSection, Instruction, TypeSection, ValType,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, FunctionSectionReader, ImportSectionReader, Parser, Payload, TypeRef,
    TypeSectionReader,
};

/// What a wrapper uses before it tells of the entry: to begin, the number, and the call.
pub(crate) const BEFORE: i64 = 3;

/// What it uses between entry and leave: the parameters, and two calls.
pub(crate) fn within(parameters: u32) -> i64 {
    i64::from(parameters) + 2
}

/// How many parameters the functions of a module have.
#[derive(Default)]
pub(crate) struct Arities {
    /// By type.
    of_types: Vec<u32>,
    /// How many functions are the host's; they come before the module's own.
    imported: u32,
    /// The types of its own.
    types: Vec<u32>,
}

impl Arities {
    pub(crate) fn of(module: &[u8]) -> Self {
        let mut arities = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.expect("a module") {
                Payload::TypeSection(types) => {
                    let types =
                        types.into_iter_err_on_gc_types().map(|function| function.expect("a function").params().len());
                    arities.of_types = types.map(|count| u32::try_from(count).expect("a few parameters")).collect();
                }
                Payload::ImportSection(imports) => {
                    let functions = imports
                        .into_imports()
                        .filter(|import| matches!(import, Ok(import) if matches!(import.ty, TypeRef::Func(_))));
                    arities.imported = u32::try_from(functions.count()).expect("a few imports");
                }
                Payload::FunctionSection(types) => {
                    arities.types = types.into_iter().collect::<Result<_, _>>().expect("functions");
                }
                _ => {}
            }
        }
        arities
    }

    /// Those of the function at this place.
    pub(crate) fn parameters(&self, function: u32) -> u32 {
        self.types.get((function - self.imported) as usize).map_or(0, |of_type| self.of_types[*of_type as usize])
    }

    fn own(&self) -> u32 {
        u32::try_from(self.types.len()).expect("a number that has a place")
    }
}

/// The same module with wrappers.
pub(crate) fn module(plain: &[u8]) -> Vec<u8> {
    let mut wrapping = Wrapping(Arities::of(plain));
    let mut module = wasm_encoder::Module::new();
    wrapping.parse_core_module(&mut module, Parser::new(0), plain).expect("a module");
    module.finish()
}

/// Puts a wrapper in the place of each function, and the functions themselves behind them all.
struct Wrapping(Arities);

impl Wrapping {
    /// Where `enter` is, and after it `leave`.
    fn enter(&self) -> u32 {
        self.0.imported
    }

    fn wrapper(&self, function: u32) -> Function {
        let mut wrapper = Function::new([]);
        wrapper
            .instruction(&Instruction::I32Const(function.cast_signed()))
            .instruction(&Instruction::Call(self.enter()));
        for parameter in 0..self.0.parameters(function) {
            wrapper.instruction(&Instruction::LocalGet(parameter));
        }
        wrapper.instruction(&Instruction::Call(function + 2 + self.0.own()));
        wrapper.instruction(&Instruction::Call(self.enter() + 1)).instruction(&Instruction::End);
        wrapper
    }
}

type Encoded = Result<(), Error<std::convert::Infallible>>;

impl Reencode for Wrapping {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        Ok(if function < self.0.imported { function } else { function + 2 })
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Encoded {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32], []);
        types.ty().function([], []);
        Ok(())
    }

    fn parse_import_section(&mut self, imports: &mut ImportSection, section: ImportSectionReader<'_>) -> Encoded {
        utils::parse_import_section(self, imports, section)?;
        let types = u32::try_from(self.0.of_types.len()).expect("a few types");
        imports.import("profile", "enter", EntityType::Function(types));
        imports.import("profile", "leave", EntityType::Function(types + 1));
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Encoded {
        utils::parse_function_section(self, functions, section.clone())?;
        utils::parse_function_section(self, functions, section)
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Encoded {
        for place in 0..self.0.own() {
            code.function(&self.wrapper(self.0.imported + place));
        }
        utils::parse_code_section(self, code, section)
    }

    /// Names and lists of packages are of no use to the engine.
    fn parse_custom_section(&mut self, _: &mut wasm_encoder::Module, _: CustomSectionReader<'_>) -> Encoded {
        Ok(())
    }
}
