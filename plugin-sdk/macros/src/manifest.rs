//! The manifest: what a plugin is called and what it asks for, from `plugin.toml` to the JSON inside the component.
//!
//! The host reads that JSON again and trusts none of it; the checks here are there to tell the author early, with
//! file and field.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the WIT package that the SDK speaks.
const API: &str = "0.1.0";

/// The version of the manifest's own format.
const FORMAT: u32 = 1;

/// The most bytes of a manifest that a host reads.
const MAX_BYTES: usize = 256 * 1024;

/// What a permission can be for.
const CAPABILITIES: [&str; 9] =
    ["fs.read", "fs.write", "exec", "model", "http", "memory", "messages", "tasks", "human"];

/// The two kinds of plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Agent,
    Strategy,
}

impl Kind {
    /// The trait that a plugin of this kind implements.
    pub(crate) fn trait_name(self) -> &'static str {
        match self {
            Self::Agent => "Agent",
            Self::Strategy => "Strategy",
        }
    }
}

/// What Cargo says about the crate being compiled; the defaults of the manifest.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
}

impl Package {
    /// From the environment that Cargo sets for the compiler.
    pub(crate) fn of_cargo() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Self {
            name: variable("CARGO_PKG_NAME"),
            version: variable("CARGO_PKG_VERSION"),
            description: variable("CARGO_PKG_DESCRIPTION"),
        }
    }
}

/// `plugin.toml` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    #[serde(default)]
    skills: Vec<String>,
    #[serde(default)]
    permissions: Vec<Permission>,
    config: Option<toml::Table>,
    input: Option<toml::Table>,
}

/// One line that the plugin asks for.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    capability: String,
    pattern: String,
    reason: String,
    /// Whether the plugin also works without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
}

/// The manifest as the host reads it.
#[derive(Serialize)]
struct Manifest {
    manifest: u32,
    kind: Kind,
    name: String,
    version: String,
    api: &'static str,
    description: String,
    permissions: Vec<Permission>,
    config: Option<Value>,
    input: Option<Value>,
    skills: Vec<String>,
}

/// Reads `file` where it exists, checks it, and gives the manifest's JSON.
pub(crate) fn read(kind: Kind, file: &Path, package: &Package) -> Result<String, String> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    manifest(kind, &text, package).map_err(|error| format!("{}: {error}", file.display()))
}

fn manifest(kind: Kind, text: &str, package: &Package) -> Result<String, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let manifest = Manifest {
        manifest: FORMAT,
        kind,
        name: file.name.unwrap_or_else(|| package.name.clone()),
        version: file.version.unwrap_or_else(|| package.version.clone()),
        api: API,
        description: file.description.unwrap_or_else(|| package.description.clone()),
        permissions: file.permissions,
        config: file.config.map(|table| schema("config", table)).transpose()?,
        input: file.input.map(|table| schema("input", table)).transpose()?,
        skills: file.skills,
    };
    check(&manifest)?;
    let text = serde_json::to_string(&manifest).map_err(|error| error.to_string())?;
    match text.len() {
        0..=MAX_BYTES => Ok(text),
        bytes => Err(format!(
            "the manifest has {bytes} bytes, more than the {MAX_BYTES} that a host reads; shorten the schemas"
        )),
    }
}

fn check(manifest: &Manifest) -> Result<(), String> {
    if !is_name(&manifest.name) {
        return Err(format!(
            "field `name`: `{}` is no plugin name; use 1 to 64 lower-case letters, digits and single hyphens, a letter first",
            manifest.name
        ));
    }
    if !is_version(&manifest.version) {
        return Err(format!("field `version`: `{}` is no version; write it like `1.2.3`", manifest.version));
    }
    if let Some(index) = manifest.skills.iter().position(|skill| !is_name(skill)) {
        return Err(format!(
            "field `skills[{index}]`: `{}` is no skill; use lower-case letters, digits and single hyphens",
            manifest.skills[index]
        ));
    }
    if manifest.kind == Kind::Strategy {
        if !manifest.permissions.is_empty() {
            return Err(
                "field `permissions`: a strategy decides and does nothing else, so it can ask for nothing".into()
            );
        }
        if manifest.input.is_some() {
            return Err("field `input`: a strategy has no input; describe its `config`".into());
        }
    }
    for (index, permission) in manifest.permissions.iter().enumerate() {
        check_permission(permission)
            .map_err(|(field, error)| format!("field `permissions[{index}].{field}`: {error}"))?;
    }
    Ok(())
}

fn check_permission(permission: &Permission) -> Result<(), (&'static str, String)> {
    if !CAPABILITIES.contains(&permission.capability.as_str()) {
        let known = CAPABILITIES.join(", ");
        return Err(("capability", format!("`{}` is none of {known}", permission.capability)));
    }
    if permission.pattern.trim().is_empty() {
        return Err(("pattern", "is empty; `**` or `*` stands for everything".into()));
    }
    if permission.reason.trim().is_empty() {
        return Err(("reason", "is empty; tell the operator what it is for".into()));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// Three numbers, and what semantic versioning allows behind them.
fn is_version(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
}

/// A JSON Schema that was written as TOML.
fn schema(field: &str, table: toml::Table) -> Result<Value, String> {
    let value = json(field, toml::Value::Table(table))?;
    match value.get("type") {
        Some(Value::String(kind)) if kind == "object" => Ok(value),
        _ => Err(format!("field `{field}.type`: has to be \"object\"; the table is a JSON Schema of an object")),
    }
}

fn json(field: &str, value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Float(number) => {
            let number = serde_json::Number::from_f64(number);
            number.map(Value::Number).ok_or_else(|| format!("field `{field}`: JSON has no such number"))?
        }
        toml::Value::Datetime(_) => return Err(format!("field `{field}`: JSON has no dates; write a string")),
        toml::Value::Array(values) => {
            let values = values.into_iter().enumerate();
            Value::Array(
                values.map(|(index, value)| json(&format!("{field}[{index}]"), value)).collect::<Result<_, _>>()?,
            )
        }
        toml::Value::Table(table) => {
            let entries =
                table.into_iter().map(|(key, value)| Ok((key.clone(), json(&format!("{field}.{key}"), value)?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        Package { name: "count".into(), version: "1.2.3".into(), description: "Counts".into() }
    }

    fn error(kind: Kind, text: &str) -> String {
        manifest(kind, text, &package()).unwrap_err()
    }

    #[test]
    fn without_a_file_the_manifest_is_what_cargo_says() {
        let manifest = read(Kind::Agent, Path::new("/nowhere/plugin.toml"), &package()).unwrap();
        assert_eq!(
            manifest,
            r#"{"manifest":1,"kind":"agent","name":"count","version":"1.2.3","api":"0.1.0","description":"Counts","permissions":[],"config":null,"input":null,"skills":[]}"#
        );
    }

    #[test]
    fn permissions_and_schemas_arrive_as_json() {
        let text = r#"
            [[permissions]]
            capability = "fs.read"
            pattern = "src/**"
            reason = "to read"
            [[permissions]]
            capability = "human"
            pattern = "*"
            reason = "to ask when in doubt"
            optional = true
            [config]
            type = "object"
            properties.depth = { type = "integer", default = 3 }
        "#;
        let manifest: Value = serde_json::from_str(&manifest(Kind::Agent, text, &package()).unwrap()).unwrap();
        assert_eq!(manifest["permissions"][0]["pattern"], "src/**");
        assert_eq!(
            (&manifest["permissions"][0]["optional"], &manifest["permissions"][1]["optional"]),
            (&Value::Null, &true.into())
        );
        assert_eq!(manifest["config"]["properties"]["depth"]["default"], 3);
    }

    #[test]
    fn each_mistake_names_its_field() {
        let permission = |capability: &str, reason: &str| {
            format!("[[permissions]]\ncapability = \"{capability}\"\npattern = \"**\"\nreason = \"{reason}\"\n")
        };
        for (kind, text, wanted) in [
            (Kind::Agent, "nmae = 'x'".to_owned(), "nmae"),
            (Kind::Agent, "name = 'Count Lines'".to_owned(), "field `name`"),
            (Kind::Agent, "version = '1'".to_owned(), "field `version`"),
            (Kind::Agent, "skills = ['ok', 'No']".to_owned(), "field `skills[1]`"),
            (Kind::Agent, permission("filesystem", "x"), "field `permissions[0].capability`"),
            (Kind::Agent, permission("fs.read", " "), "field `permissions[0].reason`"),
            (Kind::Agent, "[config]\ntype = 'string'".to_owned(), "field `config.type`"),
            (Kind::Agent, "[config]\ntype = 'object'\ndefault.at = 2026-01-01".to_owned(), "field `config.default.at`"),
            (Kind::Strategy, permission("fs.read", "x"), "field `permissions`"),
            (Kind::Strategy, "[input]\ntype = 'object'".to_owned(), "field `input`"),
        ] {
            let error = error(kind, &text);
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
