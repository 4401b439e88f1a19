//! What agents are able to do, and what a person has to approve, as a workflow says it.

use super::super::parse::parse;

fn flow(skills: &str, approvals: &str) -> String {
    format!(
        "version: 1\nname: a\nagents: {{ a: {{ plugin: p, skills: {skills} }} }}\napprovals: {approvals}\ntasks:\n  t: {{ agent: a }}\n"
    )
}

#[test]
fn skills_are_words_and_approvals_are_patterns() {
    let text = flow("[rust, tests]", "{ exec: [[git, push]], http: [\"POST https://a.example/*\"] }");
    let workflow = parse("a.workflow.yaml", &text).unwrap();
    let agent = workflow.agents.values().next().unwrap();
    assert_eq!(agent.skills.iter().map(|skill| skill.as_str()).collect::<Vec<_>>(), ["rust", "tests"]);
    assert!(workflow.approvals.command(&["git".to_owned(), "push".to_owned()]));
    assert!(workflow.approvals.request("POST", &crate::web::Address::parse("https://a.example/x").unwrap()));
}

#[test]
fn what_makes_no_sense_names_the_field() {
    for (skills, approvals, field) in [
        ("[two words]", "{}", "agents.a.skills"),
        ("[]", "{ exec: [[]] }", "approvals.exec"),
        ("[]", "{ http: [push] }", "approvals.http"),
        ("[]", "{ exe: [] }", "approvals.exe"),
    ] {
        let errors = parse("a.workflow.yaml", &flow(skills, approvals)).unwrap_err().0;
        assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [field], "{errors:#?}");
    }
}
