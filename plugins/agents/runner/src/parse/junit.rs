//! Reports in JUnit's form, which many test programs write.

use roxmltree::{Document, Node};

use super::{Failed, Results};

/// Reads one report.
///
/// # Errors
/// It is no XML; the reason tells the place.
pub fn read(text: &str) -> Result<Results, String> {
    let document = Document::parse(text).map_err(|error| error.to_string())?;
    let mut results = Results::default();
    for case in document.descendants().filter(|node| node.has_tag_name("testcase")) {
        let child = |name: &str| case.children().find(|node| node.has_tag_name(name));
        if let Some(failure) = child("failure").or_else(|| child("error")) {
            results.totals.failed += 1;
            results.failed.push(Failed { name: name(case), message: message(failure) });
        } else if child("skipped").is_some() {
            results.totals.ignored += 1;
        } else {
            results.totals.passed += 1;
        }
    }
    Ok(results)
}

fn name(case: Node<'_, '_>) -> String {
    let own = case.attribute("name").unwrap_or("?");
    match case.attribute("classname").or_else(|| case.attribute("file")) {
        Some(class) if !class.is_empty() => format!("{class}::{own}"),
        _ => own.to_owned(),
    }
}

/// The message, and the text below it where that tells more.
fn message(failure: Node<'_, '_>) -> String {
    let message = failure.attribute("message").unwrap_or_default().trim();
    let text: String = failure.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    match text.trim() {
        "" => message.to_owned(),
        text if message.is_empty() || text.contains(message) => text.to_owned(),
        text => format!("{message}\n{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Totals;

    #[test]
    fn cases_of_nested_suites_are_counted_and_failures_told() {
        let report = r#"<?xml version="1.0"?>
<testsuites><testsuite name="a"><testsuite name="b">
  <testcase classname="b.Count" name="one"/>
  <testcase classname="b.Count" name="two"><failure message="expected 1">at b.js:3 &lt;x&gt;</failure></testcase>
</testsuite>
<testcase name="three"><skipped/></testcase>
<testcase file="c.js" name="four"><error><![CDATA[boom]]></error></testcase>
</testsuite></testsuites>"#;
        let results = read(report).unwrap();
        assert_eq!(results.totals, Totals { passed: 1, failed: 2, ignored: 1 });
        assert_eq!(
            results.failed[0],
            Failed { name: "b.Count::two".into(), message: "expected 1\nat b.js:3 <x>".into() }
        );
        assert_eq!(results.failed[1], Failed { name: "c.js::four".into(), message: "boom".into() });
    }

    #[test]
    fn hostile_reports_are_refused_and_do_not_grow() {
        assert!(read("<testsuite><testcase").is_err());
        let mut entities = String::from("<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">");
        for (entity, of) in ["bc", "cd", "de", "ef", "fg", "gh", "hi"]
            .iter()
            .map(|pair| pair.split_at(1))
            .map(|(of, entity)| (entity, of))
        {
            entities += &format!("<!ENTITY {entity} \"{}\">", format!("&{of};").repeat(10));
        }
        let bomb = format!("{}]><testsuite>&i;</testsuite>", entities.replace("&b;", "&a;&a;&a;&a;&a;&a;&a;&a;"));
        assert!(read(&bomb).is_err());
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        // Whatever it says of so deep a text, it comes back.
        let _ = read(&deep).map(|results| assert_eq!(results.totals.all(), 0));
    }
}
