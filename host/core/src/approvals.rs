//! [`Approvals`]: what a person has to approve each time before it is done, though it is granted.
//!
//! A pattern that covers more than was meant costs a question; one that covers less costs what it should have prevented. So a command is covered
//! wherever its arguments stand, and a program by whatever path it is named.

use crate::messages::names;
use crate::web::{Address, WebPattern};

/// What a person has to approve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Commands: a program, and arguments that have to be there in this order.
    pub exec: Vec<Vec<String>>,
    /// Requests: an address with `*` for any characters, behind a method and a space where it is for that method alone.
    pub http: Vec<String>,
}

impl Approvals {
    /// Whether a command has to be approved.
    pub fn command(&self, argv: &[String]) -> bool {
        let Some((program, arguments)) = argv.split_first() else { return false };
        self.exec.iter().any(|pattern| {
            let Some((wanted, rest)) = pattern.split_first() else { return false };
            let mut arguments = arguments.iter();
            file_name(wanted) == file_name(program) && rest.iter().all(|one| arguments.any(|argument| argument == one))
        })
    }

    /// Whether a request has to be approved: a pattern covers it as one of a grant would, with or without its query, or as a plain text
    /// with `*` for any characters. The method is in upper case.
    pub fn request(&self, method: &str, address: &Address) -> bool {
        let url = address.to_string();
        let bare = url.split_once('?').and_then(|(bare, _)| Address::parse(bare).ok());
        self.http.iter().any(|pattern| {
            let as_grant = WebPattern::parse(pattern).is_ok_and(|pattern| {
                pattern.covers(method, address) || bare.as_ref().is_some_and(|bare| pattern.covers(method, bare))
            });
            as_grant
                || match pattern.split_once(' ') {
                    Some((only, pattern)) => only.eq_ignore_ascii_case(method) && names(pattern.trim_start(), &url),
                    None => names(pattern, &url),
                }
        })
    }
}

fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_command_is_covered_however_it_is_written() {
        let approvals = Approvals { exec: vec![list(&["git", "push"]), list(&["rm"])], http: Vec::new() };
        for covered in [
            &["git", "push"][..],
            &["git", "-c", "user.name=x", "push", "--force"],
            &["/usr/bin/git", "push"],
            &["rm", "-r", "."],
        ] {
            assert!(approvals.command(&list(covered)), "{covered:?}");
        }
        for free in [&["git", "pull"][..], &["git"], &["push", "git"], &[]] {
            assert!(!approvals.command(&list(free)), "{free:?}");
        }
    }

    #[test]
    fn a_request_is_covered_by_its_address_and_its_method_where_one_is_named() {
        let approvals =
            Approvals { exec: Vec::new(), http: list(&["POST https://a.example/*", "https://b.example/admin/*"]) };
        let is_asked = |method: &str, url: &str| approvals.request(method, &Address::parse(url).unwrap());
        assert!(is_asked("POST", "https://a.example/x"));
        assert!(!is_asked("GET", "https://a.example/x"));
        assert!(is_asked("GET", "https://b.example/admin/x") && !is_asked("GET", "https://b.example/"));
    }

    #[test]
    fn a_pattern_covers_at_least_what_the_same_line_of_a_grant_would() {
        let http =
            list(&["https://API.example.com", "GET,POST https://b.example:443/x", "POST https://c.example/deploy"]);
        let approvals = Approvals { exec: Vec::new(), http };
        let is_asked = |method: &str, url: &str| approvals.request(method, &Address::parse(url).unwrap());
        assert!(is_asked("GET", "https://api.example.com/any/thing"));
        assert!(is_asked("POST", "https://b.example/x"));
        assert!(is_asked("POST", "https://c.example/deploy?now"), "a query is no way around");
        assert!(!is_asked("GET", "https://c.example/deploy"));
    }
}
