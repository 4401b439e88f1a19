//! Runs the commands and judges what came of it.

use std::path::Path;

use longhaul_sdk::{
    Failure, context,
    files::{self, walk_in},
    log,
};
use workbench::{Outcome, execute};

use crate::{
    config::{Config, Form, Input, Step},
    parse::{Results, cargo, go, junit, pytest},
    report::Report,
};

/// The most bytes of one report.
const MAX_REPORT: u64 = 8 << 20;

/// The most reports of one command.
const MAX_REPORTS: usize = 1_000;

/// Runs what is configured, with its reports below `root`.
///
/// # Errors
/// A command may not be run; or it or one of its tests failed, and the configuration does not say that this is only reported.
pub fn run(root: &Path, config: &Config, input: &Input) -> Result<Report, Failure> {
    let steps = config.steps(input)?;
    let mut report = Report { passed: true, ..Report::default() };
    for (done, step) in steps.iter().enumerate() {
        if !report.passed && !config.keep_going {
            report.skip(step);
            continue;
        }
        context::progress(done as u64, Some(steps.len() as u64), &step.name);
        let outcome =
            execute(&step.command).map_err(|error| Failure::from(error).context(format!("`{}`", step.name)))?;
        let (results, said) = results(root, step, &outcome);
        report.add(step, &outcome, results, &said, config.max_reported);
        let passed = report.commands.last().is_some_and(|command| command.passed);
        report.passed &= passed;
        let tests = report.commands.last().and_then(|command| command.tests);
        let tests = tests
            .map_or(String::new(), |t| format!(": {} passed, {} failed, {} ignored", t.passed, t.failed, t.ignored));
        let line = format!("`{}` {} ({}){tests}", step.name, if passed { "passed" } else { "failed" }, outcome.ended);
        if passed { log::info(line) } else { log::warn(line) }
    }
    context::progress(steps.len() as u64, Some(steps.len() as u64), "");
    match report.passed || !config.fail {
        true => Ok(report),
        false => Err(report.failure()),
    }
}

/// The test results of a command, and what there is to say where it failed.
fn results(root: &Path, step: &Step, outcome: &Outcome) -> (Option<Results>, String) {
    let results = match step.form {
        Form::Auto | Form::None => return (None, outcome.output()),
        Form::Cargo => cargo::read(&outcome.stdout),
        Form::Go => go::read(&outcome.stdout),
        Form::Pytest => pytest::read(&outcome.stdout),
        Form::Junit => reports(root, step),
    };
    let errors =
        (step.form == Form::Cargo && results.totals.all() == 0).then(|| cargo::compile_errors(&outcome.stderr));
    (Some(results), errors.flatten().unwrap_or_else(|| outcome.output()))
}

fn reports(root: &Path, step: &Step) -> Results {
    let mut all = Results::default();
    let files = walk_in(root, &step.report).files;
    if files.is_empty() {
        log::warn(format!("`{}` left no report that `report` names", step.name));
    }
    for path in files.iter().take(MAX_REPORTS) {
        let text = match files::read_up_to(root.join(path), MAX_REPORT) {
            Ok(Ok(content)) => String::from_utf8_lossy(&content).into_owned(),
            Ok(Err(size)) => {
                log::warn(format!("{path} has {size} bytes, more than a report may have ({MAX_REPORT})"));
                continue;
            }
            Err(error) => {
                log::warn(error.to_string());
                continue;
            }
        };
        match junit::read(&text) {
            Ok(results) => {
                all.totals.add(results.totals);
                all.failed.extend(results.failed);
            }
            Err(reason) => log::warn(format!("{path} is no report in JUnit's form: {reason}")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::{
        Error, FailureKind,
        testing::{Host, ran},
    };
    use serde_json::json;

    use super::*;
    use crate::parse::Totals;

    fn config(json: serde_json::Value) -> Config {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn passing_commands_are_reported_with_their_tests() {
        let host = Host::new();
        host.on_command(|command| match command.argv[0].as_str() {
            "cargo" => Ok(ran(0, "test a ... ok\n\ntest result: ok. 1 passed; 0 failed; 2 ignored;\n", "Compiling")),
            _ => Ok(ran(0, "", "")),
        });
        let config = config(json!({"commands": [["cargo", "test"], ["./lint"]]}));
        let report = run(Path::new("/nowhere"), &config, &Input::default()).unwrap();
        assert!(report.passed);
        assert_eq!(report.totals, Totals { passed: 1, failed: 0, ignored: 2 });
        assert_eq!((report.commands[1].ended.as_str(), report.commands[1].tests), ("exit 0", None));
        assert!(host.log()[0].contains("1 passed"));
    }

    #[test]
    fn failed_tests_fail_the_task_as_work_that_is_not_good_enough() {
        let host = Host::new();
        host.on_command(|_| {
            let printed = "test a::b ... FAILED\n\n---- a::b stdout ----\nleft: 1\n\nfailures:\n    a::b\n\ntest result: FAILED. 3 passed; 1 failed; 0 ignored;\n";
            Ok(ran(101, printed, "error: test failed, to rerun pass `--lib`"))
        });
        let failing = json!({"commands": [["cargo", "test"], ["later"]], "keep_going": false});
        let failure = run(Path::new("/nowhere"), &config(failing.clone()), &Input::default()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Validation);
        assert_eq!(failure.message, "1 of 4 test failed; the first is a::b: left: 1");
        let detail = failure.detail.unwrap();
        assert_eq!(detail["failures"][0]["message"], "left: 1");
        assert_eq!(detail["commands"][1]["ended"], "not run");
        assert_eq!(host.commands().len(), 1);

        let mut reporting = failing;
        reporting["fail"] = json!(false);
        let report = run(Path::new("/nowhere"), &config(reporting), &Input::default()).unwrap();
        assert!(!report.passed);
    }

    #[test]
    fn a_command_that_came_to_no_test_says_what_stopped_it() {
        let host = Host::new();
        host.on_command(|_| {
            Ok(ran(101, "", "   Compiling a\nerror[E0425]: cannot find value `x`\n --> src/lib.rs:1:1\n"))
        });
        let failure = run(Path::new("/nowhere"), &config(json!({"commands": [["cargo", "test"]]})), &Input::default());
        let failure = failure.unwrap_err();
        assert_eq!(failure.message, "`cargo test` failed (exit 101): error[E0425]: cannot find value `x`");
    }

    #[test]
    fn a_command_that_may_not_be_run_is_no_failed_test() {
        let host = Host::new();
        host.on_command(|_| Err(Error::Unavailable("there is no such service".into())));
        let failure =
            run(Path::new("/nowhere"), &config(json!({"commands": [["a", "b"]]})), &Input::default()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert!(failure.message.starts_with("`a b`: "), "{}", failure.message);
    }

    #[test]
    fn reports_are_read_and_a_failing_command_that_reports_no_failure_still_fails() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("out")).unwrap();
        std::fs::write(root.path().join("out/a.xml"), "<testsuite><testcase name=\"x\"/></testsuite>").unwrap();
        std::fs::write(root.path().join("out/b.xml"), "no xml").unwrap();
        let host = Host::new();
        host.on_command(|_| Ok(ran(1, "", "it crashed at the end")));
        let config = config(json!({"commands": [{"run": ["make"], "report": "out/*.xml"}]}));
        let failure = run(root.path(), &config, &Input::default()).unwrap_err();
        assert!(failure.message.contains("it crashed"), "{}", failure.message);
        assert_eq!(failure.detail.unwrap()["totals"]["passed"], 1);
        assert!(host.log().iter().any(|line| line.contains("out/b.xml")));
    }

    #[test]
    fn a_thousand_long_failures_fit_what_the_host_keeps() {
        let host = Host::new();
        let line = |n: usize| format!("---- t{n} stdout ----\n{}\n", "x".repeat(5_000));
        let printed: String = (0..1_000).map(line).collect();
        host.on_command(move |_| {
            Ok(ran(101, &format!("{printed}\nfailures:\ntest result: FAILED. 0 passed; 1000 failed;"), ""))
        });
        let config = config(json!({"commands": [["cargo", "test"]], "max_reported": 500}));
        let detail = run(Path::new("/nowhere"), &config, &Input::default()).unwrap_err().detail.unwrap();
        assert!(detail.to_string().len() <= 64 * 1024);
        let listed = detail["failures"].as_array().unwrap().len() as u64;
        assert_eq!(listed + detail["failures_omitted"].as_u64().unwrap(), 1_000);
    }
}
