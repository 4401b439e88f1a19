//! What an address is, and which of them a grant covers.

use super::*;
use crate::grant::Permissions;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn grant(layers: &[(Party, &[&str])]) -> Grant {
    let layer = |(party, patterns): &(Party, &[&str])| {
        let http = Some(patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
        (*party, Permissions { http, ..Permissions::default() })
    };
    Grant::new(layers.iter().map(layer)).unwrap()
}

fn task(patterns: &[&str]) -> Grant {
    grant(&[(Party::Task, patterns)])
}

#[test]
fn an_address_has_one_form() {
    for (text, form) in [
        ("HTTPS://API.Example.COM:443/a/./b/../c", "https://api.example.com/a/c"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com/%61%2d%7E%2f%3a?q=%41#part", "https://example.com/a-~%2F%3A?q=%41"),
        ("https://example.com/%2e%2e/x", "https://example.com/x"),
        ("https://example.com/100%", "https://example.com/100%25"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
        ("http://[0:0::1]/", "http://[::1]/"),
    ] {
        assert_eq!(address(text).to_string(), form, "{text}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_no_address() {
    for text in [
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https:example.com/",
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "https://example.com@evil.com/",
        "https://example.com\\@evil.com/",
        "https://example.com/a b",
        "https://exam\nple.com/",
        "https://example.com\t/",
        "http://0x7f.0.0.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://1.1/",
        "https://ex%61mple.com/",
        "https://%6cocalhost/",
        "https://example.com./",
        "https://a..b/",
        "https://example.com:0/",
        "https://exa<mple.com/",
        "http://１２７.０.０.１/",
        "http://127。0。0。1/",
        "javascript:alert(1)",
        "",
    ] {
        assert!(Address::parse(text).is_err(), "{text}: {:?}", Address::parse(text));
    }
    assert!(Address::parse(&format!("https://example.com/{}", "x".repeat(9_000))).is_err());
}

#[test]
fn a_pattern_covers_what_it_says_and_nothing_near_it() {
    for (pattern, method, text, covers) in [
        ("https://api.example.com/v1/*", "GET", "https://api.example.com/v1/a/b?c=d", true),
        ("https://api.example.com/v1/*", "DELETE", "https://API.example.com:443/v1/", true),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com/v2/a", false),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com/v1/../v2/a", false),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com/v1/%2e%2e/v2/a", false),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com/v1/..%2fv2/a", false),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com/v1/..%5cv2/a", false),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com/v1/%252e%252e/v2", false),
        ("https://api.example.com/v1/*", "GET", "http://api.example.com/v1/a", false),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com:8443/v1/a", false),
        ("https://api.example.com/v1/*", "GET", "https://api.example.com.evil.com/v1/a", false),
        ("https://api.example.com/v1/*", "GET", "https://evil.com/https://api.example.com/v1/a", false),
        ("https://api.example.com", "GET", "https://api.example.com/any/thing%2Fat?all", true),
        ("https://api.example.com/*", "GET", "https://api.example.com/any%2Fthing", true),
        ("https://api.example.com/search", "GET", "https://api.example.com/search", true),
        ("https://api.example.com/search", "GET", "https://api.example.com/search?q=x", false),
        ("https://api.example.com/search?*", "GET", "https://api.example.com/search?q=x", true),
        ("https://api.example.com/repos/*/issues", "GET", "https://api.example.com/repos/a/b/issues", true),
        ("https://api.example.com/repos/*/issues", "GET", "https://api.example.com/repos/a/b/pulls", false),
        ("https://api.example.com/repos/*/issues", "GET", "https://api.example.com/repos/a/keys?x=/issues", false),
        ("https://api.example.com/repos/*/issues", "GET", "https://api.example.com/repos/a/issues?page=2", false),
        ("https://api.example.com/repos/*/issues?*", "GET", "https://api.example.com/repos/a/issues?page=2", true),
        ("https://api.example.com/repos/*", "GET", "https://api.example.com/repos/a?page=2", true),
        ("GET https://api.example.com/*", "GET", "https://api.example.com/x", true),
        ("GET https://api.example.com/*", "POST", "https://api.example.com/x", false),
        ("GET,POST https://api.example.com/*", "POST", "https://api.example.com/x", true),
        ("https://*.example.com/*", "GET", "https://a.b.example.com/x", true),
        ("https://*.example.com/*", "GET", "https://example.com/x", false),
        ("https://*.example.com/*", "GET", "https://badexample.com/x", false),
        ("https://*/*", "GET", "https://anybody.com/x", true),
        ("*", "GET", "http://anybody.com:81/x", true),
        ("http://localhost:8080/*", "GET", "http://localhost:8080/x", true),
        ("http://localhost:8080/*", "GET", "http://localhost:8081/x", false),
    ] {
        let found = WebPattern::parse(pattern).unwrap().covers(method, &address(text));
        assert_eq!(found, covers, "{pattern} {method} {text}");
        assert_eq!(task(&[pattern]).check_web(method, &address(text)).is_ok(), covers, "{pattern} {method} {text}");
    }
}

#[test]
fn what_is_no_pattern_says_so() {
    for (pattern, told) in [
        ("api.example.com", "does not name its host"),
        ("https:///x", "not an address"),
        ("TRACE https://x.com/*", "`TRACE` is no method"),
        ("get https://x.com/*", "`get` is no method"),
        ("https://a*b.com/", "stands alone"),
        ("https://*.127.0.0.1/", "nothing below"),
        ("https://me@x.com/", "a user"),
        ("gopher://x.com/", "neither"),
    ] {
        let error = WebPattern::parse(pattern).unwrap_err().to_string();
        assert!(error.contains(told), "{pattern}: {error}");
    }
    assert!(WebPattern::parse("*").unwrap().is_of_all() && WebPattern::parse("https://*").unwrap().is_of_all());
    assert!(!WebPattern::parse("https://*.example.com").unwrap().is_of_all());
}

#[test]
fn a_machine_of_ones_own_has_to_be_named_as_it_is() {
    for text in [
        "http://127.0.0.1:8080/",
        "http://localhost/",
        "http://a.localhost/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://[fd00::1]/",
    ] {
        let here = address(text);
        assert!(here.is_local(), "{text}");
        let named = format!("http://{}/*", here.authority());
        assert!(task(&["*"]).check_web("GET", &here).is_err(), "{text}");
        assert!(task(&["http://*/*"]).check_web("GET", &here).is_err(), "{text}");
        assert!(task(&["*", &named]).check_web("GET", &here).is_ok(), "{text}");
        // The plugin may ask for everything; the operator has to name it too.
        let all: &[&str] = &["*"];
        let named: &[&str] = &[&named];
        assert!(grant(&[(Party::Manifest, all), (Party::Task, named)]).check_web("GET", &here).is_ok());
        let refused = grant(&[(Party::Policy, all), (Party::Task, named)]).check_web("GET", &here).unwrap_err();
        assert!(refused.party == Party::Policy && refused.reason.contains("named as it is"), "{refused}");
    }
    assert!(task(&["*"]).check_web("GET", &address("http://1.1.1.1/")).is_ok());
    assert!(Grant::new([]).unwrap().check_web("GET", &address("http://1.1.1.1/")).is_err());
}

#[test]
fn only_addresses_of_the_public_are_public() {
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "3fff::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(ip.parse().unwrap()), "{ip}");
    }
    for ip in [
        "1.1.1.1",
        "100.63.0.1",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.169.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
    ] {
        assert!(is_public(ip.parse().unwrap()), "{ip}");
    }
}
