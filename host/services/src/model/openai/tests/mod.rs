//! Endpoints of every temper, on loopback.

use crate::config::{Config, SecretSource};
use crate::loopback;
use crate::model::HostModels;
use crate::net::Network;
use crate::secret::Secret;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::model::{
    Asker, ChatRequest, Chatted, Finish, Format, Image, Message, Models, Part, Role, Tool, ToolCall, ToolChoice,
};
use longhaul_core::reach::{Live, ServiceError, Unwatched};
use longhaul_core::units::{Money, Tokens};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::Instant;

const KEY: &str = "sk-very-secret-key";

/// What an endpoint does with one request.
#[derive(Clone)]
enum Does {
    /// Answers this, and closes.
    Says(String),
    /// Answers this, and stays silent.
    Hangs(String),
    /// Answers this, and then the rest again and again.
    Endless(String, String),
}

/// An endpoint that does one thing after the other, the last one for ever, and remembers what it was asked.
struct Endpoint {
    port: u16,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Endpoint {
    async fn start(does: impl IntoIterator<Item = Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut does): (_, VecDeque<Does>) = (asked.clone(), does.into_iter().collect());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let now = if does.len() > 1 { does.pop_front().unwrap() } else { does[0].clone() };
                tokio::spawn(serve(stream, now, seen.clone()));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, does: Does, asked: Arc<Mutex<Vec<(String, Value)>>>) {
    let Some((head, body)) = loopback::request(&mut stream).await else { return };
    asked.lock().unwrap().push((head, serde_json::from_str(&body).unwrap_or_default()));
    let (Does::Says(text) | Does::Hangs(text) | Does::Endless(text, _)) = &does;
    drop(stream.write_all(text.as_bytes()).await);
    match does {
        Does::Says(_) => drop(stream.shutdown().await),
        Does::Hangs(_) => std::future::pending().await,
        Does::Endless(_, more) => while stream.write_all(more.as_bytes()).await.is_ok() {},
    }
}

fn status(status: u16, headers: &str, body: &str) -> Does {
    Does::Says(format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()))
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// A stream of these events, to its end.
fn stream(events: &[Value]) -> Does {
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Does::Says(format!("{STREAM}{events}data: [DONE]\n\n"))
}

fn delta(text: &str) -> Value {
    json!({ "model": "small-1", "choices": [{ "index": 0, "delta": { "content": text } }] })
}

fn finish(reason: &str) -> Value {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn usage() -> Value {
    json!({ "choices": [], "usage": { "prompt_tokens": 100, "completion_tokens": 20 } })
}

fn good(text: &str) -> Does {
    stream(&[delta(text), finish("stop"), usage()])
}

/// Models of these endpoints: `default` asks them in turn.
fn models(endpoints: &[&Endpoint], more: &str) -> HostModels {
    let mut text = String::new();
    for (n, endpoint) in endpoints.iter().enumerate() {
        text += &format!(
            "[providers.p{n}]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:{}/v1\"\nkey = {{ env = \"KEY\" }}\n{more}\n",
            endpoint.port
        );
    }
    let fallback: Vec<_> =
        (1..endpoints.len()).map(|n| format!("{{ provider = \"p{n}\", model = \"m{n}\" }}")).collect();
    text += &format!(
        "[models.default]\nprovider = \"p0\"\nmodel = \"m0\"\nfallback = [{}]\ncontext_window = 8000\nprice = {{ input = 1, output = 10 }}\n",
        fallback.join(", ")
    );
    let key = |source: &SecretSource| match source {
        SecretSource::Env(name) if name == "KEY" => Ok(Secret::new(KEY)),
        _ => Err("it is not set".to_owned()),
    };
    HostModels::configured(&Config::read(&text).unwrap(), key, &Arc::new(Network::default()), &Handle::current())
}

fn request(messages: Vec<Message>) -> ChatRequest {
    ChatRequest {
        model: "default".to_owned(),
        messages,
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        format: Format::Text,
        max_tokens: None,
        temperature: None,
        stop: Vec::new(),
    }
}

fn hello() -> ChatRequest {
    request(vec![Message { role: Role::User, parts: vec![Part::Text("hello".to_owned())] }])
}

async fn ask(models: &HostModels, request: &ChatRequest) -> Chatted {
    ask_shown(models, request, Arc::new(Unwatched)).await
}

async fn ask_shown(models: &HostModels, request: &ChatRequest, live: Arc<dyn Live>) -> Chatted {
    let attempt = AttemptId { task: TaskId::new("a").unwrap(), number: 1 };
    models.chat(request, &Asker { agent: Name::new("x").unwrap(), attempt }, live).await
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Live for Seen {
    fn show(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

/// A request with everything in it.
fn full() -> ChatRequest {
    let text = |text: &str| Part::Text(text.to_owned());
    let call = ToolCall { id: "c1".to_owned(), name: "read".to_owned(), arguments: "{\"path\":\"a\"}".to_owned() };
    let result = |failed| Part::ToolResult { call_id: "c1".to_owned(), content: "none".to_owned(), failed };
    let image = Part::Image(Image { media_type: "image/png".to_owned(), data: vec![1, 2, 3] });
    let schema =
        json!({ "type": "object", "properties": { "a": {} }, "required": ["a"], "additionalProperties": false });
    ChatRequest {
        tools: vec![Tool { name: "read".to_owned(), description: "reads".to_owned(), parameters: json!({}) }],
        tool_choice: ToolChoice::Named("read".to_owned()),
        format: Format::JsonSchema(schema),
        max_tokens: Some(50),
        temperature: Some(0.5),
        ..request(vec![
            Message { role: Role::System, parts: vec![text("be short")] },
            Message { role: Role::User, parts: vec![text("look"), image] },
            Message { role: Role::Assistant, parts: vec![text("I look"), Part::ToolCall(call)] },
            Message { role: Role::Tool, parts: vec![result(false), result(true)] },
        ])
    }
}

#[tokio::test]
async fn chat_completions_are_asked_and_heard_as_they_are_documented() {
    let calls = |index: usize, id: Option<&str>, name: Option<&str>, arguments: &str| {
        let function = json!({ "name": name, "arguments": arguments });
        json!({ "choices": [{ "delta": { "tool_calls": [{ "index": index, "id": id, "function": function }] } }] })
    };
    let endpoint = Endpoint::start([stream(&[
        delta("I "),
        delta("see\nit"),
        calls(0, Some("x"), Some("read"), "{\"pa"),
        calls(1, Some("y"), Some("list"), ""),
        calls(0, None, None, "th\":1}"),
        finish("tool_calls"),
        usage(),
    ])])
    .await;
    let models = models(&[&endpoint], "");
    let seen = Arc::new(Seen::default());
    let Chatted { result, spent } = ask_shown(&models, &full(), seen.clone()).await;
    // The answer asks for tools, and its text is no answer yet.
    assert!(matches!(&result, Err(ServiceError::Failed(reason)) if reason.contains("not the JSON")), "{result:?}");
    assert_eq!((spent.tokens, spent.money), (Tokens(120), Money(300)));
    assert_eq!(*seen.0.lock().unwrap(), ["I see", "it"]);
    let answer = ask(&models, &ChatRequest { format: Format::Text, ..full() }).await.result.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish, answer.window), ("I see\nit", Finish::ToolCalls, Tokens(8000)));
    let heard: Vec<_> =
        answer.tool_calls.iter().map(|c| (c.id.as_str(), c.name.as_str(), c.arguments.as_str())).collect();
    assert_eq!(heard, [("x", "read", "{\"path\":1}"), ("y", "list", "")]);
    let (head, body) = endpoint.asked()[0].clone();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: Bearer {KEY}")), "{head}");
    let schema =
        json!({ "type": "object", "properties": { "a": {} }, "required": ["a"], "additionalProperties": false });
    assert_eq!(
        body,
        json!({
            "model": "m0", "stream": true, "stream_options": { "include_usage": true }, "max_tokens": 50, "temperature": 0.5,
            "messages": [
                { "role": "system", "content": "be short" },
                { "role": "user", "content": [
                    { "type": "text", "text": "look" },
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,AQID" } },
                ] },
                { "role": "assistant", "content": "I look", "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "read", "arguments": "{\"path\":\"a\"}" } },
                ] },
                { "role": "tool", "tool_call_id": "c1", "content": "none" },
                { "role": "tool", "tool_call_id": "c1", "content": "The tool failed: none" },
            ],
            "tools": [{ "type": "function", "function": { "name": "read", "description": "reads", "parameters": {} } }],
            "tool_choice": { "type": "function", "function": { "name": "read" } },
            "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": true } },
        })
    );
}

#[tokio::test]
async fn responses_are_asked_and_heard_as_they_are_documented() {
    let output = json!([
        { "type": "reasoning", "summary": [] },
        { "type": "message", "content": [{ "type": "output_text", "text": "{\"a\": 1}" }] },
        { "type": "function_call", "call_id": "x", "name": "read", "arguments": "{}" },
    ]);
    let response = json!({
        "status": "completed", "model": "big-2", "output": output, "usage": { "input_tokens": 7, "output_tokens": 3 },
    });
    let endpoint = Endpoint::start([
        stream(&[
            json!({ "type": "response.created" }),
            json!({ "type": "response.output_text.delta", "delta": "{\"a\": 1}" }),
            json!({ "type": "response.completed", "response": response }),
        ]),
        stream(&[json!({ "type": "response.failed", "response": { "error": { "message": "out of luck" } } })]),
    ])
    .await;
    let models = models(&[&endpoint], "api = \"responses\"\ntries = 1");
    let answer = ask(&models, &full()).await.result.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.finish, answer.model.as_str()),
        ("{\"a\": 1}", Finish::ToolCalls, "big-2")
    );
    assert_eq!((answer.input, answer.output, answer.tool_calls[0].id.as_str()), (Tokens(7), Tokens(3), "x"));
    let (head, body) = endpoint.asked()[0].clone();
    assert!(head.starts_with("POST /v1/responses HTTP/1.1"), "{head}");
    let items: Vec<_> = body["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(
        items,
        ["message", "message", "message", "function_call", "function_call_output", "function_call_output"]
    );
    assert_eq!((&body["store"], &body["max_output_tokens"]), (&json!(false), &json!(50)));
    assert_eq!(body["text"]["format"]["strict"], true);
    assert_eq!(body["input"][1]["content"][1]["image_url"], "data:image/png;base64,AQID");
    let failed = ask(&models, &full()).await.result.unwrap_err().to_string();
    assert!(failed.contains("out of luck"), "{failed}");
    let stop = ChatRequest { stop: vec!["x".to_owned()], ..full() };
    assert!(
        matches!(ask(&models, &stop).await.result, Err(ServiceError::Invalid(reason)) if reason.contains("`stop`"))
    );
}

#[tokio::test]
async fn an_answer_in_one_piece_is_heard_too_and_one_without_a_count_is_estimated() {
    let body =
        json!({ "choices": [{ "message": { "content": "twelve chars" }, "finish_reason": "length" }] }).to_string();
    let endpoint = Endpoint::start([status(200, "content-type: application/json\r\n", &body)]).await;
    let answer = ask(&models(&[&endpoint], ""), &hello()).await.result.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish, answer.output), ("twelve chars", Finish::Length, Tokens(3)));
    assert!(answer.input > Tokens(0) && answer.model == "m0");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_was_lost_is_counted() {
    let cut = format!("{STREAM}data: {}\n\n", delta("It was a dark and stormy night"));
    for first in [
        status(500, "", "oops"),
        status(503, "", ""),
        Does::Says(cut.clone()),
        Does::Says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned()),
        Does::Says("rubbish".to_owned()),
        Does::Says(String::new()),
        status(200, "content-type: application/json\r\n", "<html>"),
        status(200, "content-type: application/json\r\n", "{}"),
        stream(&[delta("x"), json!({ "error": { "message": "overloaded" } })]),
        stream(&[json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 0 }] } }] }), finish("tool_calls")]),
    ] {
        let endpoint = Endpoint::start([first, good("fine")]).await;
        let Chatted { result, spent } = ask(&models(&[&endpoint], ""), &hello()).await;
        assert_eq!(result.unwrap().text, "fine");
        assert_eq!(endpoint.asked().len(), 2);
        assert!(spent.tokens >= Tokens(120));
    }
    let endpoint = Endpoint::start([Does::Says(cut)]).await;
    let Chatted { result, spent } = ask(&models(&[&endpoint], "tries = 2"), &hello()).await;
    let told = result.unwrap_err().to_string();
    assert!(told.contains("broke off behind 30 characters") && told.contains("`p0`"), "{told}");
    assert_eq!(endpoint.asked().len(), 2);
    assert!(spent.tokens >= Tokens(16), "{spent:?}");
}

#[tokio::test]
async fn what_another_try_does_not_mend_is_told_at_once_without_the_key() {
    let echo = json!({ "error": { "message": format!("the key {KEY} is wrong\u{1b}[2J") } }).to_string();
    for (code, is_expected) in [
        (401, (|e| matches!(e, ServiceError::Unavailable(_))) as fn(&ServiceError) -> bool),
        (403, |e| matches!(e, ServiceError::Unavailable(_))),
        (404, |e| matches!(e, ServiceError::Unavailable(_))),
        (302, |e| matches!(e, ServiceError::Unavailable(_))),
        (400, |e| matches!(e, ServiceError::Invalid(_))),
        (413, |e| matches!(e, ServiceError::Invalid(_))),
    ] {
        let endpoint = Endpoint::start([status(code, "location: http://127.0.0.1:1/\r\n", &echo)]).await;
        let error = ask(&models(&[&endpoint], ""), &hello()).await.result.unwrap_err();
        assert!(is_expected(&error), "{code}: {error:?}");
        let told = error.to_string();
        assert!(told.contains("the key *** is wrong") && !told.contains('\u{1b}'), "{told}");
        assert_eq!(endpoint.asked().len(), 1, "{code}");
    }
    let endpoint = Endpoint::start([good(&format!("your key is {KEY}"))]).await;
    assert_eq!(ask(&models(&[&endpoint], ""), &hello()).await.result.unwrap().text, "your key is ***");
    // Nor does who watches see it, however it comes.
    let (front, end) = KEY.split_at(7);
    let pieces = ["x".repeat(395), front.to_owned(), end.to_owned(), "y".repeat(9_000)];
    let mut events: Vec<_> = pieces.iter().map(|piece| delta(piece)).collect();
    events.push(finish("stop"));
    let (endpoint, seen) = (Endpoint::start([stream(&events)]).await, Arc::new(Seen::default()));
    ask_shown(&models(&[&endpoint], ""), &hello(), seen.clone()).await.result.unwrap();
    let seen = seen.0.lock().unwrap().concat();
    assert!(seen.contains("***") && !seen.contains(front) && !seen.contains(end), "{seen}");
}

#[tokio::test]
async fn an_answer_without_end_is_broken_off() {
    let more = format!("data: {}\n\n", delta(&"x".repeat(10_000)));
    let keys: String = (0..1_000).map(|n| format!("x-{n}: y\r\n")).collect();
    for endless in [
        Does::Endless(STREAM.to_owned(), more),
        Does::Endless(STREAM.to_owned(), "data: x\n".repeat(10_000)),
        Does::Endless(STREAM.to_owned(), ": nothing\n".repeat(10_000)),
        Does::Endless("HTTP/1.1 200 OK\r\n\r\n".to_owned(), " ".repeat(10_000)),
        stream(&[json!({ "choices": [{ "delta": { "tool_calls": [{ "index": 5_000_000 }] } }] })]),
    ] {
        let endpoint = Endpoint::start([endless]).await;
        let error = ask(&models(&[&endpoint], "tries = 3"), &hello()).await.result.unwrap_err();
        assert!(matches!(&error, ServiceError::Exhausted(_)), "{error:?}");
        assert_eq!(endpoint.asked().len(), 1);
    }
    for head in [
        Does::Endless("HTTP/1.1 200 OK\r\n".to_owned(), "x: y\r\n".to_owned()),
        Does::Says(format!("HTTP/1.1 200 OK\r\n{keys}\r\n")),
    ] {
        let endpoint = Endpoint::start([head]).await;
        let error = ask(&models(&[&endpoint], "tries = 1"), &hello()).await.result.unwrap_err();
        assert!(matches!(&error, ServiceError::Failed(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_costs_its_time_out_and_no_more() {
    for hangs in [Does::Hangs(String::new()), Does::Hangs(format!("{STREAM}data: {}\n\n", delta("x")))] {
        let endpoint = Endpoint::start([hangs]).await;
        let began = Instant::now();
        let Chatted { result, spent } = ask(&models(&[&endpoint], "timeout = \"1s\""), &hello()).await;
        assert_eq!(result, Err(ServiceError::TimedOut(Duration::from_secs(1))));
        assert!(began.elapsed() < Duration::from_secs(8) && spent.tokens > Tokens(0));
    }
}

#[tokio::test]
async fn a_storm_of_refusals_is_waited_out_as_asked_or_told_to_the_agent() {
    let endpoint = Endpoint::start([status(429, "retry-after: 1\r\n", "slow down"), good("fine")]).await;
    let asked_of = models(&[&endpoint], "");
    let began = Instant::now();
    let question = hello();
    // Whoever asks meanwhile waits too.
    let (one, other) = tokio::join!(ask(&asked_of, &question), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        ask(&asked_of, &question).await
    });
    assert!(one.result.is_ok() && other.result.is_ok());
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(endpoint.asked().len(), 3);
    let storm = Endpoint::start([status(429, "retry-after: 3600\r\n", "")]).await;
    let began = Instant::now();
    let Chatted { result, spent } = ask(&models(&[&storm], ""), &hello()).await;
    assert_eq!(result, Err(ServiceError::RateLimited(Some(Duration::from_secs(3_600)))));
    assert!(began.elapsed() < Duration::from_secs(5) && spent.is_nothing());
    assert_eq!(storm.asked().len(), 1);
    let storm = Endpoint::start([status(429, "", "")]).await;
    let Chatted { result, .. } = ask(&models(&[&storm], "tries = 2"), &hello()).await;
    assert_eq!((result, storm.asked().len()), (Err(ServiceError::RateLimited(None)), 2));
}

#[tokio::test]
async fn the_next_provider_answers_where_the_first_does_not() {
    let (bad, fine) =
        (Endpoint::start([status(401, "", "no")]).await, Endpoint::start([good("from the second")]).await);
    let gone = Endpoint { port: 1, asked: Arc::default() };
    let answer = ask(&models(&[&bad, &gone, &fine], "tries = 1"), &hello()).await.result.unwrap();
    assert_eq!((answer.text.as_str(), fine.asked()[0].1["model"].as_str()), ("from the second", Some("m2")));
    // A question that is at fault is asked once.
    let (picky, fine) = (Endpoint::start([status(400, "", "no")]).await, Endpoint::start([good("x")]).await);
    assert!(ask(&models(&[&picky, &fine], ""), &hello()).await.result.is_err());
    assert!(fine.asked().is_empty());
    let error = ask(&models(&[&bad, &gone], "tries = 1"), &hello()).await.result.unwrap_err().to_string();
    assert!(error.contains("`p0` refuses: status 401: no"), "{error}");
}

#[tokio::test]
async fn a_key_that_is_missing_is_told_by_its_place() {
    let text = "[providers.p]\nkind = \"openai\"\nbase_url = \"https://x\"\nkey = { env = \"NONE\" }\n\
                [models.default]\nprovider = \"p\"\nmodel = \"m\"\ncontext_window = 1\n";
    let config = Config::read(text).unwrap();
    let models =
        HostModels::configured(&config, |_| Err("it is not set".to_owned()), &Arc::default(), &Handle::current());
    let told = models.why_not("default").unwrap();
    assert!(told.contains("the key of the provider `p`") && told.contains("the variable NONE"), "{told}");
    assert!(models.why_not("other").unwrap().contains("there are `default`"));
    let error = ask(&models, &hello()).await.result.unwrap_err();
    assert!(matches!(error, ServiceError::Unavailable(reason) if reason.contains("NONE")));
}
