//! Reads the JSON that the host hands in, and says which field is wrong when it does not fit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A configuration or an input without fields. Any field is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Reads `text` as a `T`. The error names `what`, the field, and what is wrong with it.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = without_position(&error.into_inner());
        match path.as_str() {
            "." => format!("{what}: {reason}"),
            path => format!("{what}, field `{path}`: {reason}"),
        }
    })?;
    reader.end().map_err(|error| format!("{what}: {error}"))?;
    Ok(value)
}

/// Line and column of a JSON text that the host wrote mean nothing to the author of the workflow.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[expect(dead_code, reason = "only its reading is tested")]
        rules: Vec<Rule>,
    }

    #[derive(Debug, Deserialize)]
    struct Rule {
        #[expect(dead_code, reason = "only its reading is tested")]
        replace: String,
    }

    #[test]
    fn an_error_names_the_field_and_no_position() {
        let error = decode::<Config>("config", r#"{"rules":[{"replace":"a"},{"replace":3}]}"#).unwrap_err();
        assert_eq!(error, "config, field `rules[1].replace`: invalid type: integer `3`, expected a string");
    }

    #[test]
    fn an_unknown_field_is_named() {
        let error = decode::<Config>("config", r#"{"rules":[],"ruels":[]}"#).unwrap_err();
        assert!(error.contains("`ruels`"), "{error}");
    }

    #[test]
    fn a_config_without_fields_takes_none() {
        assert_eq!(decode::<Empty>("config", "{}"), Ok(Empty {}));
        assert!(decode::<Empty>("config", r#"{"attempts":3}"#).unwrap_err().contains("attempts"));
    }
}
