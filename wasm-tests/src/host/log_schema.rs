//! The schema of the module's lines of JSON, to which the host holds each that it gets.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../../schema/log-line.schema.json")).expect("JSON");
    jsonschema::draft202012::new(&schema).expect("a schema")
});

/// What is wrong with a line, if it is one of JSON. Words for people are no JSON, and right.
pub(crate) fn fault(line: &str) -> Option<String> {
    if !line.starts_with('{') {
        return None;
    }
    match serde_json::from_str::<Value>(line) {
        Ok(value) => SCHEMA.validate(&value).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = r#"{"time":"2026-11-22T00:11:40.703Z","version":1,"event":"refused","status":401,"code":"JWS.InvalidClaim","reason":"r"}"#;
    const SIGNED: &str = r#"{"time":"2026-11-22T00:11:40.703Z","version":1,"event":"signed","kid":"k","jti":"1b6e5c0e-93a5-4f0b-8d0e-5f3a3d7c2f10","aud":"a","signer":"local"}"#;

    #[test]
    fn lines_of_the_schema_are_right_and_so_are_words() {
        let tolerated = REFUSED.replace("refused", "tolerated").replace(r#""status":401,"#, "");
        for line in [REFUSED, SIGNED, &tolerated, "The key set was fetched."] {
            assert_eq!(fault(line), None, "{line}");
        }
    }

    #[test]
    fn whatever_is_missing_or_other_is_a_fault() {
        for (line, from, to) in [
            (REFUSED, r#""version":1,"#, ""),
            (REFUSED, r#""version":1"#, r#""version":2"#),
            (REFUSED, r#""status":401,"#, ""),
            (REFUSED, "401", "200"),
            (REFUSED, "JWS.InvalidClaim", "JWS-InvalidClaim"),
            (REFUSED, "refused", "admitted"),
            (REFUSED, "refused", "tolerated"),
            (REFUSED, ".703Z", "Z"),
            (REFUSED, r#""reason":"r""#, r#""reason":"r","kid":"\u001b[31m""#),
            (SIGNED, r#""aud":"a","#, ""),
            (SIGNED, "-4f0b-", "-1f0b-"),
            (SIGNED, "local", "nobody"),
            (SIGNED, "}", ""),
        ] {
            let other = line.replacen(from, to, 1);
            assert_ne!(other, line, "{from}");
            assert!(fault(&other).is_some(), "{other}");
        }
    }
}
