//! The web at its worst, on loopback, with names that mean what a test wants.

use super::*;
use crate::config::{SecretConfig, SecretSource};
use crate::loopback;
use crate::secret::Secret;
use longhaul_core::grant::{Grant, Party, Permissions};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "tok-8d1f0a55e2";

type Does = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A server that answers each request, with its head and body as one text, as it likes.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(does: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, does): (Arc<Mutex<Vec<String>>>, Does) = (Arc::default(), Arc::new(does));
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, does.clone(), seen.clone()));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

async fn serve(mut stream: TcpStream, does: Does, asked: Arc<Mutex<Vec<String>>>) {
    let Some((head, body)) = loopback::request(&mut stream).await else { return };
    let text = format!("{head}\r\n\r\n{body}");
    asked.lock().unwrap().push(text.clone());
    let answer = does(&text);
    if answer.is_empty() {
        return std::future::pending().await;
    }
    drop(stream.write_all(&answer).await);
    if answer.starts_with(b"HTTP/1.1 200 endless") {
        while stream.write_all(&[b'x'; 10_000]).await.is_ok() {}
    }
}

fn says(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// Names that mean what a test wants; counts how often they were asked for.
#[derive(Default)]
struct Names(HashMap<String, Vec<IpAddr>>, Mutex<usize>);

impl Names {
    fn of(names: &[(&str, &[&str])]) -> Arc<Self> {
        let ips = |ips: &[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self(names.iter().map(|(name, all)| ((*name).to_owned(), ips(all))).collect(), Mutex::default()))
    }
}

impl Lookup for Names {
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        *self.1.lock().unwrap() += 1;
        let found = self.0.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into());
        Box::pin(std::future::ready(found))
    }
}

fn web(names: Arc<Names>, hosts: &[String]) -> HostWeb {
    let config = |source: &str| SecretConfig {
        source: SecretSource::Env(source.to_owned()),
        hosts: hosts.to_vec(),
        headers: vec!["authorization".to_owned(), "x-token".to_owned()],
    };
    let secrets = [
        ("tracker".to_owned(), config("A"), Ok(Secret::new(SECRET))),
        ("gone".to_owned(), config("B"), Err("it is not set".to_owned())),
    ];
    HostWeb::new(Arc::default(), names, Secrets::new(secrets), Handle::current())
}

fn request(method: &str, url: &str, headers: &[(&str, &str)], granted: &[String]) -> WebRequest {
    let permissions = Permissions { http: Some(granted.to_vec()), ..Permissions::default() };
    WebRequest {
        method: method.to_owned(),
        address: Address::parse(url).unwrap(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: if method == "POST" { b"order".to_vec() } else { Vec::new() },
        timeout: Duration::from_secs(20),
        grant: Grant::new([(Party::Task, permissions)]).unwrap(),
    }
}

fn all_of(server: &Server) -> String {
    server.url("/*")
}

#[tokio::test]
async fn an_answer_comes_back_whole_whatever_its_status_and_its_bytes() {
    let server = Server::start(|asked| match asked.starts_with("GET /text") {
        true => says(404, "x-a: 1\r\nx-a: 2\r\n", "größe"),
        false => [&b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n3\r\n"[..], &[0xff, 0, 1], b"\r\n0\r\n\r\n"]
            .concat(),
    })
    .await;
    let (web, granted) = (web(Names::of(&[]), &[]), [all_of(&server)]);
    let answer = web.fetch(request("GET", &server.url("/text?q=1"), &[("X-Mine", "y")], &granted)).await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (404, "größe"));
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "x-a").count(), 2);
    let answer = web.fetch(request("POST", &server.url("/bytes"), &[], &granted)).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.base64.as_str()), ("", "/wAB"));
    let asked = server.asked();
    assert!(
        asked[0].contains("x-mine: y") && asked[0].contains(&format!("host: 127.0.0.1:{}", server.port)),
        "{}",
        asked[0]
    );
    assert!(asked[1].contains("content-length: 5") && asked[1].ends_with("order"), "{}", asked[1]);
}

#[tokio::test]
async fn a_redirect_is_looked_at_as_an_address_of_its_own() {
    let other = Server::start(|_| says(200, "", "the other")).await;
    let there = other.url("/x");
    let server = Server::start(move |asked| {
        let path = asked.split(' ').nth(1).unwrap().to_owned();
        let location = match path.as_str() {
            "/near" => "/end".to_owned(),
            "/up" => "../end".to_owned(),
            "/loop" => "/loop".to_owned(),
            "/other" | "/post" => there.clone(),
            "/file" => "file:///etc/passwd".to_owned(),
            "/odd" => "http://0x7f.1/".to_owned(),
            "/cloud" => "http://169.254.169.254/latest".to_owned(),
            "/user" => "http://a@127.0.0.1/".to_owned(),
            "/public" => "http://public.example/".to_owned(),
            _ => return says(200, "", &path),
        };
        says(if path == "/post" { 302 } else { 307 }, &format!("location: {location}\r\n"), "")
    })
    .await;
    let names = Names::of(&[("public.example", &["127.0.0.1"])]);
    let web = web(names, &[format!("127.0.0.1:{}", server.port)]);
    let near = [all_of(&server)];
    let both = [all_of(&server), all_of(&other), "http://public.example/*".to_owned()];
    for path in ["/near", "/up"] {
        let answer = web.fetch(request("GET", &server.url(path), &[], &near)).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.url.as_str()), ("/end", server.url("/end").as_str()));
    }
    for (path, told) in [
        ("/loop", "more than 5 times"),
        ("/other", "it was redirected there"),
        ("/file", "not an address"),
        ("/odd", "odd form"),
        ("/user", "a user"),
        ("/cloud", "it was redirected there"),
    ] {
        let error = web.fetch(request("GET", &server.url(path), &[], &near)).await.unwrap_err().to_string();
        assert!(error.contains(told), "{path}: {error}");
    }
    assert!(other.asked().is_empty());
    let error = web.fetch(request("GET", &server.url("/public"), &[], &both)).await.unwrap_err().to_string();
    assert!(error.contains("no public address"), "{error}");
    // What says who asks goes no further, and what was posted is not posted elsewhere.
    let who = [
        ("Authorization", "Bearer ${secret:tracker}"),
        ("Cookie", "a=b"),
        ("X-Token", "${secret:tracker}"),
        ("X-Other", "y"),
    ];
    for (path, method) in [("/other", "GET"), ("/post", "POST")] {
        let answer = web.fetch(request(method, &server.url(path), &who, &both)).await.unwrap();
        assert_eq!(answer.text, "the other");
        let (first, second) = (server.asked().pop().unwrap(), other.asked().pop().unwrap());
        assert!(first.contains(&format!("authorization: Bearer {SECRET}")) && first.contains("cookie: a=b"), "{first}");
        assert!(second.starts_with("GET /x ") && second.contains("x-other: y"), "{second}");
        assert!(!second.contains(SECRET) && !second.contains("cookie") && !second.contains("order"), "{second}");
    }
}

#[tokio::test]
async fn a_name_that_leads_into_a_network_of_ones_own_leads_nowhere() {
    let server = Server::start(|_| says(200, "", "inside")).await;
    let names = Names::of(&[
        ("inside.example", &["127.0.0.1"]),
        ("mixed.example", &["1.1.1.1", "10.0.0.1"]),
        ("cloud.example", &["169.254.169.254"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
        ("six.example", &["fd00::1"]),
        ("empty.example", &[]),
        ("localhost", &["127.0.0.1"]),
        ("far.localhost", &["1.1.1.1"]),
    ]);
    let web = web(names.clone(), &[]);
    for name in ["inside", "mixed", "cloud", "mapped", "six", "empty", "gone"] {
        let host = format!("http://{name}.example:{}", server.port);
        let granted = [format!("{host}/*"), "*".to_owned()];
        let error = web.fetch(request("GET", &format!("{host}/"), &[], &granted)).await.unwrap_err().to_string();
        let told = ["no public address", "stands for no machine", "cannot be looked up"];
        assert!(told.iter().any(|told| error.contains(told)), "{name}: {error}");
    }
    let here = format!("http://localhost:{}/", server.port);
    assert!(web.fetch(request("GET", &here, &[], &["*".to_owned()])).await.is_err());
    assert!(server.asked().is_empty());
    assert_eq!(web.fetch(request("GET", &here, &[], &[format!("{here}*")])).await.unwrap().text, "inside");
    let far = "http://far.localhost/".to_owned();
    let error = web.fetch(request("GET", &far, &[], &[format!("{far}*")])).await.unwrap_err().to_string();
    assert!(error.contains("is not this machine"), "{error}");
    // Each name was looked up once: what was checked is what is connected to.
    assert_eq!(*names.1.lock().unwrap(), 9);
}

#[tokio::test]
async fn a_secret_goes_where_the_operator_and_the_grant_say_and_comes_back_from_nowhere() {
    let server = Server::start(|asked| {
        let token = asked.lines().find_map(|line| line.strip_prefix("x-token: ")).unwrap_or_default();
        match asked.contains("/bytes") {
            true => [b"HTTP/1.1 200 X\r\n\r\n\xff\xfe".as_slice(), token.as_bytes()].concat(),
            false => says(200, &format!("x-echo: {token}\r\n"), &format!("you sent {token} and {token}")),
        }
    })
    .await;
    let host = format!("127.0.0.1:{}", server.port);
    let (web_, granted) = (web(Names::of(&[]), std::slice::from_ref(&host)), [all_of(&server)]);
    let ask = async |headers: &[(&str, &str)], granted: &[String]| {
        web_.fetch(request("GET", &server.url("/text"), headers, granted)).await
    };
    let answer = ask(&[("X-Token", "a ${secret:tracker} b")], &granted).await.unwrap();
    assert!(server.asked()[0].contains(&format!("x-token: a {SECRET} b")));
    assert_eq!(answer.text, "you sent a *** b and a *** b");
    assert!(!serde_json::to_string(&answer).unwrap().contains(SECRET));
    let bytes =
        web_.fetch(request("GET", &server.url("/bytes"), &[("X-Token", "${secret:tracker}")], &granted)).await.unwrap();
    assert_eq!(BASE64.decode(bytes.base64.as_bytes()).unwrap(), b"\xff\xfe***");
    let asked = server.asked().len();
    for (header, told) in [
        (("X-Token", "${secret:other}"), "no secret `other`"),
        (("X-Token", "${secret:gone}"), "it is not set"),
        (("X-Other", "${secret:tracker}"), "not for the header line `x-other`"),
        (("X-Token", "${secret:tracker"), "without its end"),
        (("Host", "evil.com"), "written by the host"),
        (("Content-Length", "0"), "written by the host"),
        (("Transfer-Encoding", "chunked"), "written by the host"),
        (("X-A", "b\r\nX-C: d"), "cannot be sent"),
        (("X A", "b"), "no name of a line"),
    ] {
        let error = ask(&[header], &granted).await.unwrap_err();
        assert!(matches!(&error, ServiceError::Invalid(text) if text.contains(told)), "{header:?}: {error}");
    }
    let elsewhere = web(Names::of(&[]), &["tracker.example.com".to_owned()]);
    let error = elsewhere.fetch(request("GET", &server.url("/"), &[("X-Token", "${secret:tracker}")], &granted)).await;
    assert!(error.unwrap_err().to_string().contains("not for the host"));
    assert_eq!(server.asked().len(), asked);
}

#[tokio::test]
async fn a_secret_is_not_for_hosts_that_a_star_stands_for_and_not_for_the_open() {
    let names = Names::of(&[("api.example.com", &["1.1.1.1"])]);
    let web = web(names, &["api.example.com".to_owned(), "api.example.com:80".to_owned()]);
    let header = [("X-Token", "${secret:tracker}")];
    for (url, granted, told) in [
        ("https://api.example.com/", "https://*.example.com/*", "does not name the host"),
        ("https://api.example.com/", "*", "does not name the host"),
        ("http://api.example.com/", "http://api.example.com/*", "not sent in the open"),
    ] {
        let error = web.fetch(request("GET", url, &header, &[granted.to_owned()])).await.unwrap_err().to_string();
        assert!(error.contains(told), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_end_is_left() {
    let server = Server::start(|asked| match asked.split(' ').nth(1).unwrap() {
        "/endless" => b"HTTP/1.1 200 endless\r\n\r\n".to_vec(),
        "/head" => format!("HTTP/1.1 200 X\r\n{}", "x-y: z\r\n".repeat(20_000)).into_bytes(),
        "/long" => b"HTTP/1.1 200 X\r\ncontent-length: 99999999999\r\n\r\nx".to_vec(),
        "/rubbish" => b"SSH-2.0\r\n".to_vec(),
        "/cut" => b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nx".to_vec(),
        _ => Vec::new(),
    })
    .await;
    let (web, granted) = (web(Names::of(&[]), &[]), [all_of(&server)]);
    for (path, is_expected) in [
        ("/endless", (|e| matches!(e, ServiceError::Exhausted(_))) as fn(&ServiceError) -> bool),
        ("/head", |e| matches!(e, ServiceError::Failed(_))),
        ("/long", |e| matches!(e, ServiceError::Failed(_) | ServiceError::Exhausted(_))),
        ("/rubbish", |e| matches!(e, ServiceError::Failed(_))),
        ("/cut", |e| matches!(e, ServiceError::Failed(_))),
        ("/silent", |e| *e == ServiceError::TimedOut(Duration::from_secs(1))),
    ] {
        let mut request = request("GET", &server.url(path), &[], &granted);
        if path == "/silent" {
            request.timeout = Duration::from_secs(1);
        }
        let error = web.fetch(request).await.unwrap_err();
        assert!(is_expected(&error), "{path}: {error:?}");
    }
}
