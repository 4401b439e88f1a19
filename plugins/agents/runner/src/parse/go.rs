//! What `go test -json` prints: one event a line.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Failed, Results};

/// The most bytes of output that are kept of one test until it ends.
const MAX_MESSAGE: usize = 16 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(default)]
    action: String,
    #[serde(default)]
    package: String,
    test: Option<String>,
    #[serde(default)]
    output: String,
}

/// Reads the standard output of `go test -json`.
pub fn read(output: &str) -> Results {
    let mut results = Results::default();
    let mut said: BTreeMap<(String, String), String> = BTreeMap::new();
    let events = output.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    for Event { action, package, test, output } in events {
        let key = (package, test.clone().unwrap_or_default());
        match action.as_str() {
            "output" => {
                let text = said.entry(key).or_default();
                let is_frame = output.starts_with("=== ") || output.trim_start().starts_with("--- ");
                if !is_frame && text.len() + output.len() <= MAX_MESSAGE {
                    text.push_str(&output);
                }
            }
            "pass" => {
                results.totals.passed += u64::from(test.is_some());
                said.remove(&key);
            }
            "skip" => {
                results.totals.ignored += u64::from(test.is_some());
                said.remove(&key);
            }
            "fail" => {
                let message = said.remove(&key).unwrap_or_default().trim().to_owned();
                let (package, name) = key;
                // A package fails with its tests; alone it failed to be built, or ended in the middle.
                let is_told = results.failed.iter().any(|failed| failed.name.starts_with(&format!("{package}.")));
                if test.is_some() || !is_told {
                    results.totals.failed += 1;
                    let name = if test.is_some() { format!("{package}.{name}") } else { package };
                    results.failed.push(Failed { name, message });
                }
            }
            _ => {}
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Totals;

    #[test]
    fn events_become_results_and_a_package_that_was_not_built_counts() {
        let output = r#"
{"Action":"run","Package":"a","Test":"TestOne"}
{"Action":"output","Package":"a","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"output","Package":"a","Test":"TestOne","Output":"    one_test.go:9: got 1, want 2\n"}
{"Action":"output","Package":"a","Test":"TestOne","Output":"--- FAIL: TestOne (0.00s)\n"}
{"Action":"fail","Package":"a","Test":"TestOne","Elapsed":0}
{"Action":"pass","Package":"a","Test":"TestTwo"}
{"Action":"skip","Package":"a","Test":"TestThree"}
{"Action":"fail","Package":"a"}
not json at all
{"Action":"output","Package":"b","Output":"b.go:3: undefined: x\n"}
{"Action":"fail","Package":"b"}
{"Action":"pass","Package":"c"}
"#;
        let results = read(output);
        assert_eq!(results.totals, Totals { passed: 1, failed: 2, ignored: 1 });
        assert_eq!(results.failed[0].name, "a.TestOne");
        assert_eq!(results.failed[0].message, "one_test.go:9: got 1, want 2");
        assert_eq!(
            (results.failed[1].name.as_str(), results.failed[1].message.as_str()),
            ("b", "b.go:3: undefined: x")
        );
    }
}
