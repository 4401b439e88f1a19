//! `longhaul plugin`.

use crate::bundled::{BUNDLED, bundled, names};
use crate::failure::{Exit, Failure};
use crate::terminal::{one_line, table};
use longhaul_core::units::Bytes;
use longhaul_sandbox::{Inspection, MAX_COMPONENT, inspect};
use std::io::Read;
use std::process::ExitCode;

/// Look at plugins
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what a plugin is, what it asks for and what it imports, without running it
    ///
    /// For example: longhaul plugin inspect codemod
    Inspect {
        /// A component file, or the name of a bundled plugin
        plugin: String,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// List the bundled plugins
    List {
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Inspect { plugin, json } => show(&plugin, json),
        Command::List { json } => list(json),
    }
}

fn show(plugin: &str, json: bool) -> Result<ExitCode, Failure> {
    let component = read(plugin)?;
    let inspection = inspect(&component)
        .map_err(|e| Failure::of(Exit::Invalid, format!("use `{}` as a plugin", one_line(plugin, 200)), &e))?;
    if json {
        super::print_json(&inspection)?;
    } else {
        super::print_text(&describe(&inspection));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    let mut inspections = Vec::new();
    for (name, component) in BUNDLED {
        inspections.push(
            inspect(component)
                .map_err(|e| Failure::of(Exit::Internal, format!("read the bundled plugin {name}"), &e))?,
        );
    }
    if json {
        super::print_json(&inspections)?;
    } else {
        let rows: Vec<_> = inspections
            .iter()
            .map(|i| {
                vec![
                    i.manifest.name.to_string(),
                    i.kind.to_string(),
                    i.manifest.version.clone(),
                    one_line(&i.manifest.description, 80),
                ]
            })
            .collect();
        super::print_text(&table(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

/// A bundled plugin goes by its name; everything else is a file.
pub(super) fn read(plugin: &str) -> Result<Vec<u8>, Failure> {
    if let Some(component) = bundled(plugin) {
        return Ok(component.to_vec());
    }
    let mut component = Vec::new();
    let read = std::fs::File::open(plugin).and_then(|f| f.take(MAX_COMPONENT as u64 + 1).read_to_end(&mut component));
    read.map_err(|e| {
        Failure::of(Exit::Invalid, format!("read the plugin `{}`", one_line(plugin, 200)), &e)
            .hint(format!("give a component file, or one of the bundled plugins: {}", names()))
    })?;
    Ok(component)
}

fn describe(i: &Inspection) -> String {
    let mut text = format!(
        "{} {} ({}): {}\n",
        i.manifest.name,
        one_line(&i.manifest.version, 40),
        i.kind,
        one_line(&i.manifest.description, 200)
    );
    text.push_str(&format!("digest   {}\nsize     {}\napi      {}\n", i.digest, Bytes(i.size as u64), i.manifest.api));
    if !i.manifest.skills.is_empty() {
        text.push_str(&format!("skills   {}\n", one_line(&i.manifest.skills.join(", "), 200)));
    }
    text.push_str(if i.manifest.permissions.is_empty() { "asks for nothing\n" } else { "asks for\n" });
    let rows: Vec<_> = i
        .manifest
        .permissions
        .iter()
        .map(|ask| {
            let optional = if ask.optional { " (optional)" } else { "" };
            vec![
                format!("  {}", ask.capability),
                one_line(&ask.pattern, 60),
                format!("{}{optional}", one_line(&ask.reason, 120)),
            ]
        })
        .collect();
    text.push_str(&table(&rows));
    for (title, schema) in [("configuration", &i.manifest.config), ("input", &i.manifest.input)] {
        if let Some(schema) = schema {
            text.push_str(&format!("{title} (JSON Schema)\n"));
            let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
            pretty.lines().for_each(|line| text.push_str(&format!("  {}\n", one_line(line, 200))));
        }
    }
    text.push_str("imports\n");
    i.imports.iter().for_each(|import| text.push_str(&format!("  {}\n", one_line(import, 120))));
    text
}
