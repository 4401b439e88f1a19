//! The JSON Schema of workflow files, for editors.

use super::raw::RawWorkflow;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema, draft 2020-12. It is made of the types that the parser reads, so what it knows and what the parser knows
/// are the same fields; what values mean (durations, names, expressions) only the parser checks.
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawWorkflow>().to_value()
}
