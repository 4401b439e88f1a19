//! Agents ask the web: by an allow-list, once, and with secrets that stand nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Asked, Ended, Node, PATIENCE, Place, Server, Tree, guest};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TOKEN: &str = "tok-51c0ffee99";

/// A server that answers what it was sent, the header line `x-token` included; `/slow` after a while.
fn server() -> Server {
    Server::start(|_, Asked { head, body }| match head.split(' ').nth(1).unwrap() {
        "/moved" => "HTTP/1.1 302 X\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        path => {
            if path == "/slow" {
                std::thread::sleep(Duration::from_millis(1_500));
            }
            let token = head.lines().find_map(|line| line.strip_prefix("x-token: ")).unwrap_or("none");
            let said = format!("{} bytes for {path}, token {token}", body.len());
            format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}", said.len())
        }
    })
}

/// The heads of what it was asked.
fn heads(server: &Server) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.head).collect()
}

fn workflow(steps: &Value, http: &Value) -> String {
    format!(
        "version: 1\nname: asking\nagents: {{ asker: {{ plugin: {:?} }} }}\nrecovery: [escalate]\n\
         permissions: {{ fs: {{ read: [\"**\"], write: [\"**\"] }}, http: {http} }}\n\
         tasks:\n  ask: {{ agent: asker, with: {{ steps: {steps} }} }}\n",
        guest("asker")
    )
}

fn get(url: &str) -> Value {
    json!({ "fetch": { "url": url } })
}

fn lines(place: &Place) -> Vec<Value> {
    place.longhaul(["logs", "--json"]).code(0).json_lines()
}

fn told(place: &Place) -> Value {
    let line = lines(place).into_iter().rfind(|line| line["kind"] == "attempt-ended").unwrap();
    line["result"]["ok"]["completed"]["told"].clone()
}

fn of_http(place: &Place, kind: &str) -> Vec<Value> {
    let mut lines = lines(place);
    lines.retain(|line| line["kind"] == kind && line["capability"] == "http");
    lines
}

#[test]
fn only_what_is_granted_is_asked_and_all_of_it_is_recorded() {
    let (server, place) = (server(), Place::new());
    let steps = json!([
        get(&server.url("/in/a")),
        { "fetch": { "url": server.url("/in/b"), "method": "POST", "body": "order", "headers": [["X-Mine", "y"]] } },
        { "fetch": { "url": server.url("/in/c"), "method": "DELETE" } },
        get(&server.url("/out")),
        get(&server.url("/in/../out")),
        get("http://127.1/in/a"),
        get("http://localhost/in/a"),
        { "fetch": { "url": server.url("/in/a"), "method": "TRACE" } },
    ]);
    let granted = json!([format!("GET,POST {}", server.url("/in/*"))]);
    place.run(&workflow(&steps, &granted), &[]).code(0);
    let told = told(&place);
    assert_eq!((&told[0]["status"], &told[0]["body"]), (&json!(200), &json!("0 bytes for /in/a, token none")));
    assert_eq!(told[1]["body"], "5 bytes for /in/b, token none");
    let kinds: Vec<_> = (2..8).map(|n| told[n]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["denied", "denied", "denied", "invalid", "denied", "invalid"], "{told}");
    assert_eq!(heads(&server).len(), 2);
    let actions = of_http(&place, "action");
    assert_eq!(actions.len(), 8);
    let asked: Value = serde_json::from_str(actions[1]["exchange"]["asked"].as_str().unwrap()).unwrap();
    assert_eq!(asked, json!({ "headers": [["X-Mine", "y"]], "body": "order" }));
    let intents = of_http(&place, "intended");
    assert_eq!(intents.len(), 1);
    let key = intents[0]["key"].as_str().unwrap();
    assert!(heads(&server)[1].contains(&format!("idempotency-key: {key}")), "{}", heads(&server)[1]);
    let line = format!("http: [\"DELETE {}\"]", server.url("/in/c"));
    place.longhaul(["logs", "--denied"]).code(0).shows(&[&line]);
    place.proves();
}

#[test]
fn a_redirect_to_where_a_cloud_keeps_its_keys_is_not_followed() {
    let (server, place) = (server(), Place::new());
    let granted = json!([server.url("/*"), "*"]);
    let ended = place.run(&workflow(&json!([get(&server.url("/moved"))]), &granted), &[]).code(0);
    ended.says(&["warning", "permissions.http[1]", "`*`"]);
    let told = told(&place)[0]["error"].as_str().unwrap().to_owned();
    assert!(told.contains("169.254.169.254") && told.contains("redirected"), "{told}");
}

#[test]
fn a_secret_is_sent_and_stands_nowhere() {
    let (server, place) = (server(), Place::new());
    let file = place.beside("token", format!("{TOKEN}\n"));
    let config = place.beside(
        "config.toml",
        format!(
            "[secrets.tracker]\nfile = {file:?}\nhosts = [\"127.0.0.1:{}\"]\nheaders = [\"x-token\"]\n",
            server.port
        ),
    );
    let with = |line: &str, value: &str| json!({ "fetch": { "url": server.url("/a"), "headers": [[line, value]] } });
    let steps = json!([
        with("X-Token", "${secret:tracker}"),
        with("X-Other", "${secret:tracker}"),
        with("X-Token", "${secret:unknown}"),
        { "write": "told.json" },
    ]);
    let text = workflow(&steps, &json!([server.url("/*")]));
    let ended: Ended = place.run(&text, &["--config", config.to_str().unwrap()]).code(0);
    assert!(heads(&server)[0].contains(&format!("x-token: {TOKEN}")));
    let told = told(&place);
    assert_eq!(told[0]["body"], "0 bytes for /a, token ***");
    assert_eq!((&told[1]["kind"], &told[2]["kind"]), (&json!("invalid"), &json!("invalid")));
    assert_eq!(heads(&server).len(), 1);
    std::fs::remove_file(file).unwrap();
    for (path, node) in Tree::read(place.outside()).0 {
        if let Node::File(content, _) = node {
            assert!(
                !content.windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes()),
                "the secret stands in {path}"
            );
        }
    }
    assert!(!ended.stdout.contains(TOKEN) && !ended.stderr.contains(TOKEN));
    place.proves();
}

#[test]
fn an_order_whose_answer_was_cut_off_is_sent_again_only_where_it_may_be() {
    for (idempotent, times) in [(true, 2), (false, 1)] {
        let (server, place) = (server(), Place::new());
        let order = json!({ "fetch": { "url": server.url("/slow"), "method": "POST", "body": "order", "idempotent": idempotent } });
        let file = place.workflow(&workflow(&json!([get(&server.url("/a")), order]), &json!([server.url("/*")])));
        let running = place.start(["run".as_ref(), file.as_os_str()]);
        let deadline = Instant::now() + PATIENCE;
        while heads(&server).len() < 2 {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        }
        running.kill();
        let ended = place.longhaul(["resume", "--json"]);
        let orders: Vec<_> = heads(&server).into_iter().filter(|head| head.starts_with("POST")).collect();
        assert_eq!(orders.len(), times, "{idempotent}: {ended}");
        let key = |head: &str| {
            head.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned)).unwrap()
        };
        assert!(orders.iter().all(|head| key(head) == key(&orders[0])));
        // The question before it is not asked again either way.
        assert_eq!(heads(&server).iter().filter(|head| head.starts_with("GET")).count(), 1);
        if idempotent {
            ended.code(0);
        } else {
            let incident = lines(&place).into_iter().find(|line| line["kind"] == "incident-raised").unwrap();
            assert!(incident.to_string().contains("unknown-outcome"), "{incident}");
        }
    }
}

#[test]
fn a_granted_request_that_has_to_be_approved_waits_for_a_person_and_is_sent_once() {
    let (server, place) = (server(), Place::new());
    let order = json!({ "fetch": { "url": server.url("/order"), "method": "POST", "body": "one" } });
    let text = workflow(&json!([get(&server.url("/look")), order]), &json!([server.url("/*")]));
    let text = text.replace("recovery:", &format!("approvals: {{ http: [\"POST {}\"] }}\nrecovery:", server.url("/*")));
    place.run(&text, &[]).code(3).shows(&["Approve http post:"]);
    assert_eq!(heads(&server).len(), 1, "only what needs no approval was sent");
    let asked = place.longhaul(["answer", "last", "--json"]).code(0).json();
    assert!(asked[0]["detail"].as_str().unwrap().contains(r#""body":"one""#), "{asked}");
    place.longhaul(["answer", "last", "--approve", "--resume"]).code(0);
    assert_eq!(told(&place)[1]["body"], "3 bytes for /order, token none");
    assert_eq!(heads(&server).len(), 2);
    let sent = of_http(&place, "action").pop().unwrap();
    assert_eq!(sent["exchange"]["request"], asked[0]["approves"], "what was sent is what was approved");
    place.proves();
}

#[test]
fn a_request_that_a_person_rejects_is_not_sent() {
    let (server, place) = (server(), Place::new());
    let text = workflow(&json!([get(&server.url("/look"))]), &json!([server.url("/*")]));
    let text = text.replace("recovery:", &format!("approvals: {{ http: [\"{}\"] }}\nrecovery:", server.url("/*")));
    place.run(&text, &[]).code(3);
    place.longhaul(["answer", "last", "--reject", "--by", "ada", "--resume"]).code(0);
    assert_eq!((heads(&server).len(), &told(&place)[0]["kind"]), (0, &json!("denied")));
    place.proves();
}

#[test]
fn a_hook_posts_what_happened_with_a_key_and_a_secret() {
    let (server, place) = (server(), Place::new());
    let file = place.beside("token", format!("{TOKEN}\n"));
    let secret =
        format!("[secrets.ci]\nfile = {file:?}\nhosts = [\"127.0.0.1:{}\"]\nheaders = [\"x-token\"]\n", server.port);
    let config = place.beside("config.toml", secret);
    let (hook, steps) = (server.url("/hook"), json!([]));
    let hooks = format!(
        "hooks: {{ ci: {{ on: [run-completed], post: \"{hook}\", headers: {{ x-token: \"${{secret:ci}}\" }} }} }}\n"
    );
    let text = format!("{}{hooks}", workflow(&steps, &json!([hook])));
    place.run(&text, &["--config", config.to_str().unwrap()]).code(0);
    let asked = heads(&server);
    assert_eq!(asked.len(), 1, "{asked:?}");
    let called = lines(&place).into_iter().find(|line| line["kind"] == "hook-called").unwrap();
    assert_eq!(
        (&called["result"], &called["answer"], &called["tries"]),
        (&json!("ok"), &json!("status 200"), &json!(1))
    );
    assert!(asked[0].starts_with("POST /hook ") && asked[0].contains(&format!("x-token: {TOKEN}")), "{asked:?}");
    assert!(asked[0].contains("idempotency-key: "), "{asked:?}");
}
