//! What a workflow file says about attachments.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What a task is given beside its input: one of `files`, `image`, `command` and `repository`. A text alone is `files`.
#[derive(Debug, Clone, Default)]
pub(in crate::workflow) struct RawAttachment {
    pub files: Option<String>,
    pub image: Option<String>,
    pub command: Option<Vec<String>>,
    pub repository: Option<bool>,
    /// Whether it was written as a text alone.
    pub is_text: bool,
}

/// It with its fields.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AttachmentFields")]
struct Fields {
    /// Files of the workspace, by a pattern, as in `src/**/*.rs`.
    files: Option<String>,
    /// A picture of the workspace, PNG or JPEG, by its path.
    image: Option<String>,
    /// A command, as an argument vector; what it writes to its standard output is attached. The task's `permissions.exec` has to cover it.
    command: Option<Vec<String>>,
    /// The repository's state: branch, commit, changed files.
    repository: Option<bool>,
}

impl JsonSchema for RawAttachment {
    fn schema_name() -> Cow<'static, str> {
        "Attachment".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = generator.subschema_for::<Fields>();
        json_schema!({
            "description": "Files of the workspace, by a pattern; or one of `files`, `image`, `command` and `repository`.",
            "anyOf": [{ "type": "string" }, fields],
        })
    }
}

impl<'de> Deserialize<'de> for RawAttachment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AttachmentVisitor;

        impl<'de> Visitor<'de> for AttachmentVisitor {
            type Value = RawAttachment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pattern of files, or one of `files`, `image`, `command` and `repository`")
            }

            fn visit_str<E: de::Error>(self, files: &str) -> Result<RawAttachment, E> {
                Ok(RawAttachment { files: Some(files.to_owned()), is_text: true, ..RawAttachment::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawAttachment, A::Error> {
                let Fields { files, image, command, repository } =
                    Fields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawAttachment { files, image, command, repository, is_text: false })
            }
        }

        deserializer.deserialize_any(AttachmentVisitor)
    }
}
