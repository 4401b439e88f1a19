//! `longhaul doctor`.

use crate::bundled::BUNDLED;
use crate::configuration::{Configuration, network, secret};
use crate::failure::{Exit, Failure};
use crate::terminal::table;
use crate::wiring::{component_cache, probe, sandbox};
use longhaul_core::commands::Dimension;
use longhaul_sandbox::{Allocation, WallPolicy, WallStatus, inspect};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check what this machine offers: isolation, cache, bundled plugins
///
/// For example: longhaul doctor --json
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file that says how models are reached [default: LONGHAUL_CONFIG, or longhaul/config.toml in your config folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    finding: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut checks = checks();
    checks.extend(configured(args.config.as_deref()));
    if args.json {
        super::print_json(&checks)?;
    } else {
        let mut rows = Vec::new();
        for check in &checks {
            let mark = if check.ok { "ok" } else { "!!" };
            rows.push(vec![mark.to_owned(), check.name.to_owned(), check.finding.clone()]);
            if !check.remedy.is_empty() {
                rows.push(vec![String::new(), String::new(), format!("→ {}", check.remedy)]);
            }
        }
        super::print_text(&table(&rows));
    }
    let all_well = checks.iter().all(|check| check.ok);
    Ok(if all_well { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

/// What keeps commands apart, a line for each dimension.
fn command_checks() -> Vec<Check> {
    let remedy = "allow user namespaces (`sysctl user.max_user_namespaces`, `kernel.apparmor_restrict_unprivileged_userns`), and use a \
                  kernel with Landlock and seccomp";
    match probe() {
        Err(reason) => vec![Check { name: "commands", ok: false, finding: reason, remedy: remedy.to_owned() }],
        Ok(dimensions) => dimensions
            .iter()
            .map(|reached| Check {
                name: match reached.dimension {
                    Dimension::Files => "commands: files",
                    Dimension::Network => "commands: network",
                    Dimension::Processes => "commands: processes",
                    Dimension::SystemCalls => "commands: system calls",
                    Dimension::Memory => "commands: memory",
                    Dimension::Cpu => "commands: cpu",
                    Dimension::Count => "commands: count",
                },
                ok: reached.stands(),
                finding: if reached.stands() { reached.mechanisms.join(", ") } else { reached.gap.clone() },
                remedy: if reached.stands() { String::new() } else { remedy.to_owned() },
            })
            .collect(),
    }
}

fn checks() -> Vec<Check> {
    let mut checks = vec![Check {
        name: "version",
        ok: true,
        finding: format!("longhaul {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH),
        remedy: String::new(),
    }];
    let trial = std::env::temp_dir();
    match sandbox(&trial, 32, WallPolicy::BestEffort) {
        Err(error) => checks.push(Check {
            name: "sandbox",
            ok: false,
            finding: error.to_string(),
            remedy: "see that the cache folder is writable and address space is not limited (`ulimit -v`)".to_owned(),
        }),
        Ok(sandbox) => {
            checks.push(match sandbox.allocation() {
                Allocation::Pool(instances) => Check {
                    name: "instances",
                    ok: true,
                    finding: format!("from a pool of {instances}"),
                    remedy: String::new(),
                },
                Allocation::OnDemand => Check {
                    name: "instances",
                    ok: true,
                    finding: "made one by one, which is slower".to_owned(),
                    remedy: "give the process more address space (`ulimit -v unlimited`)".to_owned(),
                },
            });
            checks.push(match sandbox.wall() {
                WallStatus::Standing => Check {
                    name: "second wall",
                    ok: true,
                    finding: "guests' threads are confined by Landlock".to_owned(),
                    remedy: String::new(),
                },
                WallStatus::Absent(reason) => Check {
                    name: "second wall",
                    ok: false,
                    finding: reason.clone(),
                    remedy: "use a kernel with Landlock (5.13 or later, `lsm=landlock,…`); until then the first wall stands alone".to_owned(),
                },
            });
        }
    }
    checks.extend(command_checks());
    let cache = component_cache();
    checks.push(Check {
        name: "component cache",
        ok: cache.is_dir(),
        finding: cache.display().to_string(),
        remedy: if cache.is_dir() {
            String::new()
        } else {
            "see that it can be made, or set LONGHAUL_CACHE_DIR".to_owned()
        },
    });
    let broken: Vec<_> =
        BUNDLED.iter().filter(|(_, component)| inspect(component).is_err()).map(|(name, _)| *name).collect();
    checks.push(Check {
        name: "bundled plugins",
        ok: broken.is_empty() && !BUNDLED.is_empty(),
        finding: match (BUNDLED.is_empty(), broken.is_empty()) {
            (true, _) => "none".to_owned(),
            (false, true) => BUNDLED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            (false, false) => format!("damaged: {}", broken.join(", ")),
        },
        remedy: if BUNDLED.is_empty() { "build with `cargo xtask build`".to_owned() } else { String::new() },
    });
    checks
}

/// What this host is configured for, without the value of any secret.
fn configured(given: Option<&Path>) -> Vec<Check> {
    let ok = |name, finding| Check { name, ok: true, finding, remedy: String::new() };
    let host = match Configuration::read(given) {
        Ok(host) => host,
        Err(failure) => {
            let remedy = "correct the file, or name another one by --config".to_owned();
            return vec![Check { name: "configuration", ok: false, finding: failure.to_string(), remedy }];
        }
    };
    let Some(file) = host.file else {
        return vec![ok("configuration", "none, so models are those that workflows bring".to_owned())];
    };
    let mut checks = vec![ok("configuration", file.display().to_string())];
    if let Some(ca) = &host.config.ca {
        checks.push(match network(&host.config) {
            Ok(_) => ok("certificates", format!("those in {} are trusted too", ca.display())),
            Err(failure) => Check {
                name: "certificates",
                ok: false,
                finding: failure.to_string(),
                remedy: "correct `ca` under `[network]` of the configuration".to_owned(),
            },
        });
    }
    for (name, provider) in &host.config.providers {
        let at = format!("{name} at {}", provider.base_url);
        checks.push(match &provider.key {
            None => ok("provider", format!("{at}, without a key")),
            Some(source) => match secret(source) {
                Ok(_) => ok("provider", format!("{at}, with the key in {source}")),
                Err(reason) => Check {
                    name: "provider",
                    ok: false,
                    finding: format!("{at}: its key in {source} cannot be read: {reason}"),
                    remedy: format!("put the key into {source}"),
                },
            },
        });
    }
    for (name, model) in &host.config.models {
        let by: Vec<_> = model.providers.iter().map(|(provider, id)| format!("{id} of {provider}")).collect();
        checks.push(ok("model", format!("{name} is {}, {} tokens", by.join(", else "), model.context_window)));
    }
    for (name, asked) in &host.config.secrets {
        let finding = format!("{name} for {}, in {}", asked.hosts.join(", "), asked.source);
        checks.push(match secret(&asked.source) {
            Ok(_) => ok("secret", finding),
            Err(reason) => Check {
                name: "secret",
                ok: false,
                finding: format!("{finding}: it cannot be read: {reason}"),
                remedy: format!("put it into {}", asked.source),
            },
        });
    }
    checks
}
