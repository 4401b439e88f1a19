//! The schema says what the parser takes.

use super::super::schema::schema;
use super::EXAMPLES;
use serde_json::{Value, json};

/// As much of JSON Schema as the schema of workflows uses; anything else in it fails the test.
fn check(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    let schema = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(schema) => schema,
        other => return Err(format!("{at}: odd schema {other}")),
    };
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "$ref" => {
                let target =
                    root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).ok_or("no such definition")?;
                check(value, target, root, at)?;
            }
            "anyOf" => {
                let results: Vec<_> = rule.as_array().unwrap().iter().map(|s| check(value, s, root, at)).collect();
                if results.iter().all(Result::is_err) {
                    return Err(format!("{at}: {results:?}"));
                }
            }
            "type" => {
                let kinds = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                let fits = kinds.iter().any(|kind| match kind.as_str().unwrap() {
                    "null" => value.is_null(),
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    _ => false,
                });
                if !fits {
                    return Err(format!("{at}: {value} is not of type {rule}"));
                }
            }
            "properties" | "required" | "additionalProperties" if value.is_object() => {
                let object = value.as_object().unwrap();
                match (keyword.as_str(), rule) {
                    ("required", rule) => {
                        for name in rule.as_array().unwrap() {
                            object.get(name.as_str().unwrap()).ok_or_else(|| format!("{at}: {name} is missing"))?;
                        }
                    }
                    ("properties", rule) => {
                        for (name, rule) in rule.as_object().unwrap() {
                            if let Some(value) = object.get(name) {
                                check(value, rule, root, &format!("{at}.{name}"))?;
                            }
                        }
                    }
                    (_, rule) => {
                        let known = schema.get("properties").and_then(Value::as_object);
                        for (name, value) in
                            object.iter().filter(|(name, _)| !known.is_some_and(|k| k.contains_key(*name)))
                        {
                            if *rule == json!(false) {
                                return Err(format!("{at}.{name} is unknown"));
                            }
                            check(value, rule, root, &format!("{at}.{name}"))?;
                        }
                    }
                }
            }
            "items" => {
                for (i, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(value, rule, root, &format!("{at}[{i}]"))?;
                }
            }
            "$schema"
            | "$defs"
            | "title"
            | "description"
            | "default"
            | "format"
            | "minimum"
            | "maximum"
            | "properties"
            | "required"
            | "additionalProperties" => {}
            other => return Err(format!("{at}: this test does not know `{other}`")),
        }
    }
    Ok(())
}

fn accepts(text: &str) -> Result<(), String> {
    let value: Value = serde_saphyr::from_str(text).unwrap();
    let schema = schema();
    check(&value, &schema, &schema, "")
}

#[test]
fn the_examples_fit_the_schema() {
    for (file, text) in EXAMPLES {
        accepts(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    accepts(super::DESIGN).unwrap();
    assert!(accepts(&super::DESIGN.replace("priority: 3", "priorty: 3")).unwrap_err().contains("tasks.test.priorty"));
    assert!(accepts("version: 1\nname: x\n").unwrap_err().contains("tasks"));
}

#[test]
fn every_field_is_described() {
    fn walk(value: &Value, at: &str) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                assert!(property.get("description").is_some(), "{at}.{name} has no description");
            }
        }
        if let Some(object) = value.as_object() {
            for (name, value) in object {
                walk(value, &format!("{at}.{name}"));
            }
        }
    }
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    walk(&schema, "");
}
