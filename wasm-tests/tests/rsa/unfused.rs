//! A module as an engine runs it that does not fuse: every fused multiplication is one multiplication and one addition. The
//! proposal of relaxed SIMD lets engines choose.

use wasmparser::{CompositeInnerType, FunctionBody, Operator, Parser, Payload, TypeSectionReader};

const CODE_SECTION: u8 = 10;
const V128: u8 = 0x7b;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const F64X2_ADD: [u8; 3] = [0xfd, 0xf0, 0x01];
const F64X2_MUL: [u8; 3] = [0xfd, 0xf2, 0x01];

/// The same module without fused multiplications. It must have some.
pub fn unfused(module: &[u8]) -> Vec<u8> {
    let mut out = module[..8].to_vec();
    let (mut parameters, mut types) = (Vec::new(), Vec::new());
    let (mut code, mut functions, mut replaced) = (Vec::new(), 0, 0);
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.expect("a module");
        match &payload {
            Payload::TypeSection(section) => parameters = parameters_of(section),
            Payload::FunctionSection(section) => {
                types = section.clone().into_iter().map(|kind| kind.expect("a type") as usize).collect();
                code = number(types.len());
            }
            Payload::CodeSectionEntry(body) => {
                let body = unfused_body(module, body, parameters[types[functions]], &mut replaced);
                code.extend([number(body.len()), body].concat());
                functions += 1;
                if functions == types.len() {
                    out.extend([vec![CODE_SECTION], number(code.len()), std::mem::take(&mut code)].concat());
                }
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section()
            && id != CODE_SECTION
        {
            out.extend([&[id], &*number(range.len()), &module[range]].concat());
        }
    }
    assert!(replaced > 0, "the module has no fused multiplication");
    out
}

/// How many parameters the functions of each type have.
fn parameters_of(section: &TypeSectionReader<'_>) -> Vec<usize> {
    let types = section.clone().into_iter().flat_map(|group| group.expect("types").into_types());
    let parameters = types.map(|one| match one.composite_type.inner {
        CompositeInnerType::Func(function) => function.params().len(),
        other => panic!("not a function: {other:?}"),
    });
    parameters.collect()
}

/// A function with one more local, which holds what is to be added while the rest is multiplied.
fn unfused_body(module: &[u8], body: &FunctionBody<'_>, parameters: usize, replaced: &mut usize) -> Vec<u8> {
    let locals = body.get_locals_reader().expect("locals");
    let groups = locals.get_count() as usize;
    let declared: u32 = locals.into_iter().map(|group| group.expect("locals").0).sum();
    let spare = number(parameters + declared as usize);
    let mut operators = body.get_operators_reader().expect("operators");

    let mut out = number(groups + 1);
    out.extend(&module[body.range().start + number(groups).len()..operators.original_position()]);
    out.extend([1, V128]);
    while !operators.eof() {
        let (operator, start) = operators.read_with_offset().expect("an operator");
        match operator {
            Operator::F64x2RelaxedMadd => {
                out.extend([&[LOCAL_SET], &*spare, &F64X2_MUL, &[LOCAL_GET], &*spare, &F64X2_ADD].concat());
                *replaced += 1;
            }
            Operator::F64x2RelaxedNmadd => panic!("a fused multiplication of another kind"),
            _ => out.extend(&module[start..operators.original_position()]),
        }
    }
    out
}

/// A number as WebAssembly writes it: LEB128.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number % 128) as u8;
        number /= 128;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
