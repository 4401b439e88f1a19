//! What the record of the run has to say.

use serde_json::Value;

use super::ACTIONS;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Answers of the model.
    pub(super) calls: usize,
    /// Tokens of all of them.
    pub(super) tokens: u64,
    /// The actions that it chose.
    pub(super) chosen: Vec<String>,
}

/// Checks what `show` and `logs` print; the error says what is wrong.
pub(super) fn check(shown: &str, lines: &str) -> Result<Found, String> {
    let shown: Value = serde_json::from_str(shown).map_err(|error| format!("`show` prints no JSON: {error}"))?;
    let status = shown["status"].as_str().unwrap_or_default();
    if status != "completed" {
        return Err(format!("the run is `{status}` and not `completed`"));
    }
    let total = shown["tokens"].as_u64().unwrap_or(0);
    let mut found = Found { calls: 0, tokens: 0, chosen: Vec::new() };
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).map_err(|error| format!("`logs` prints no JSON: {error}"))?;
        if line["kind"] == "action" && line["capability"] == "model" {
            let tokens = line["exchange"]["spent"]["tokens"].as_u64().unwrap_or(0);
            if line["result"] != "ok" || tokens == 0 {
                return Err(format!("a model call ended as {} with {tokens} tokens", line["result"]));
            }
            found.calls += 1;
            found.tokens += tokens;
        }
        let told = line["result"]["ok"]["completed"]["told"].as_array();
        for text in told.into_iter().flatten().filter_map(|told| told["text"].as_str()) {
            let answer: Value =
                serde_json::from_str(text).map_err(|error| format!("the answer `{text}` is no JSON: {error}"))?;
            match answer["action"].as_str().filter(|action| ACTIONS.contains(action)) {
                Some(action) => found.chosen.push(action.to_owned()),
                None => return Err(format!("the answer `{text}` is not in the form that was asked for")),
            }
        }
    }
    match found.calls == 3 && found.chosen.len() == 3 && found.tokens == total {
        true => Ok(found),
        false => Err(format!(
            "it has {} calls, {} answers and {} of {total} tokens",
            found.calls,
            found.chosen.len(),
            found.tokens
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tokens: u64, result: &str) -> String {
        format!(
            r#"{{"kind":"action","capability":"model","exchange":{{"spent":{{"tokens":{tokens}}}}},"result":"{result}"}}"#
        )
    }

    fn told(actions: &[&str]) -> String {
        let texts: Vec<_> =
            actions.iter().map(|action| format!(r#"{{"text":"{{\"action\":\"{action}\"}}"}}"#)).collect();
        format!(r#"{{"kind":"attempt-ended","result":{{"ok":{{"completed":{{"told":[{}]}}}}}}}}"#, texts.join(","))
    }

    #[test]
    fn only_a_completed_run_with_its_calls_and_tokens_passes() {
        let shown = r#"{"status":"completed","tokens":60}"#;
        let lines = [call(10, "ok"), call(20, "ok"), told(&["read", "write"]), call(30, "ok"), told(&["finish"])];
        let found = check(shown, &lines.join("\n")).unwrap();
        assert_eq!((found.calls, found.tokens, found.chosen.len()), (3, 60, 3));
        for (shown, lines, says) in [
            (r#"{"status":"failed","tokens":60}"#, lines.to_vec(), "`failed`"),
            (shown, lines[..3].to_vec(), "2 calls"),
            (r#"{"status":"completed","tokens":61}"#, lines.to_vec(), "60 of 61 tokens"),
            (shown, vec![call(0, "ok")], "with 0 tokens"),
            (shown, vec![call(5, "failed")], "\"failed\" with 5"),
            (shown, vec![told(&["dance"])], "not in the form"),
        ] {
            let wrong = check(shown, &lines.join("\n")).unwrap_err();
            assert!(wrong.contains(says), "{wrong}");
        }
    }
}
