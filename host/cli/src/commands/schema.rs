//! `longhaul schema`.

use crate::failure::Failure;
use std::process::ExitCode;

/// Write the JSON Schema of workflow files, for editors
///
/// For example: longhaul schema > workflow.schema.json, and in the workflow's first line:
/// # yaml-language-server: $schema=workflow.schema.json
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<ExitCode, Failure> {
    super::print_json(&longhaul_core::workflow::schema::schema())?;
    Ok(ExitCode::SUCCESS)
}
