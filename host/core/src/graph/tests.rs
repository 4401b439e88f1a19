//! The graph drains, in order, whatever happens.

mod children;
mod drain;
mod stuck;

use super::*;
use std::collections::HashSet;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn task(text: &str, needs: &[&str]) -> GraphTask {
    GraphTask {
        name: name(text),
        agents: name("a").into(),
        needs: needs.iter().map(|n| name(n)).collect(),
        priority: 0,
        expands: false,
    }
}

fn each(text: &str, needs: &[&str]) -> GraphTask {
    GraphTask { expands: true, ..task(text, needs) }
}

fn take(graph: &mut Graph) -> Option<String> {
    graph.next(|_| true).map(|next| next.task().to_string())
}

fn complete(graph: &mut Graph, task: &str) -> Vec<TaskChange> {
    let mut changes = graph.apply(&id(task), TaskEvent::Start).unwrap();
    changes.extend(graph.apply(&id(task), TaskEvent::Complete).unwrap());
    changes
}

fn end(graph: &mut Graph, task: &str, event: TaskEvent) -> Vec<TaskChange> {
    graph.apply(&id(task), TaskEvent::Start).unwrap();
    graph.apply(&id(task), TaskEvent::Fail).unwrap();
    graph.apply(&id(task), event).unwrap()
}

#[test]
fn a_cycle_is_named() {
    let error = Graph::build([task("a", &["c"]), task("b", &["a"]), task("c", &["b"]), task("d", &["a"])]).unwrap_err();
    assert_eq!(error.to_string(), "these tasks wait for each other: a → c → b → a");
    let error = Graph::build([task("a", &["a"])]).unwrap_err();
    assert_eq!(error.to_string(), "these tasks wait for each other: a → a");
    let error = Graph::build([task("a", &["b"])]).unwrap_err();
    assert_eq!(error.to_string(), "the task `a` needs `b`, which does not exist");
}

#[test]
fn priority_goes_first_then_the_longest_way_then_the_order_of_the_file() {
    let urgent = GraphTask { priority: 1, ..task("urgent", &[]) };
    let mut graph =
        Graph::build([task("short", &[]), task("other", &[]), task("long", &[]), task("end", &["long"]), urgent])
            .unwrap();
    let order: Vec<_> = std::iter::from_fn(|| take(&mut graph)).collect();
    assert_eq!(order, ["urgent", "long", "short", "other"]);
}

#[test]
fn an_agent_that_is_busy_lets_others_pass() {
    let other = GraphTask { agents: name("b").into(), ..task("late", &[]) };
    let mut graph = Graph::build([task("early", &[]), other]).unwrap();
    assert_eq!(graph.next(|agents| agents.first().as_str() == "b"), Some(Next::Run(id("late"))));
    assert_eq!(graph.next(|agents| agents.first().as_str() == "b"), None);
    assert_eq!(take(&mut graph).unwrap(), "early");
    graph.put_back(&id("early")).unwrap();
    assert_eq!(take(&mut graph).unwrap(), "early");
    assert_eq!(take(&mut graph), None);
}

#[test]
fn a_task_of_several_agents_waits_for_any_of_them_and_can_be_given_to_another() {
    let any = Agents::any(name("a"), [name("b")]);
    let both = GraphTask { agents: any.clone(), ..task("both", &[]) };
    let mut graph = Graph::build([task("early", &[]), both]).unwrap();
    let only = |one: &str| {
        let one = name(one);
        move |agents: &Agents| agents.iter().any(|agent| *agent == one)
    };
    assert_eq!(graph.next(only("b")), Some(Next::Run(id("both"))));
    graph.put_back(&id("both")).unwrap();
    graph.assign(&id("both"), name("c").into()).unwrap();
    assert_eq!(graph.next(only("b")), None, "what it was queued for before is void");
    assert_eq!(graph.next(only("c")), Some(Next::Run(id("both"))));
    // One that is not ready is only given away.
    graph.assign(&id("both"), any).unwrap();
    assert_eq!(graph.next(only("b")), None);
    graph.put_back(&id("both")).unwrap();
    assert_eq!(take(&mut graph).unwrap(), "early");
    assert_eq!(take(&mut graph).unwrap(), "both");
    assert_eq!(take(&mut graph), None);
}

#[test]
fn those_who_need_a_for_each_wait_for_its_last_element() {
    let mut graph = Graph::build([task("plan", &[]), each("change", &["plan"]), task("test", &["change"])]).unwrap();
    take(&mut graph).unwrap();
    complete(&mut graph, "plan");
    assert_eq!(graph.next(|_| true), Some(Next::Expand(id("change"))));
    graph.expand(&id("change"), 3).unwrap();
    assert_eq!(graph.state(&id("change")), Some(TaskState::Running));
    let elements: Vec<_> = std::iter::from_fn(|| take(&mut graph)).collect();
    assert_eq!(elements, ["change[0]", "change[1]", "change[2]"]);
    complete(&mut graph, "change[2]");
    complete(&mut graph, "change[0]");
    assert_eq!(take(&mut graph), None);
    let changes = complete(&mut graph, "change[1]");
    assert_eq!(changes.last().unwrap().task, id("change"));
    assert_eq!(take(&mut graph).unwrap(), "test");
    complete(&mut graph, "test");
    assert!(graph.is_done());
    assert_eq!(graph.counts().completed, 6);
}

#[test]
fn an_empty_list_completes_at_once() {
    let mut graph = Graph::build([each("change", &[]), each("test", &["change"])]).unwrap();
    take(&mut graph).unwrap();
    let changes = graph.expand(&id("change"), 0).unwrap();
    assert_eq!(changes.last().unwrap().to, TaskState::Completed);
    assert_eq!(graph.next(|_| true), Some(Next::Expand(id("test"))));
}

#[test]
fn a_failure_cancels_all_that_wait_for_it_and_nothing_else() {
    let mut graph =
        Graph::build([task("a", &[]), task("b", &["a"]), task("c", &["b"]), task("d", &[]), task("e", &["d", "c"])])
            .unwrap();
    take(&mut graph).unwrap();
    let changes = end(&mut graph, "a", TaskEvent::GiveUp);
    let cancelled: HashSet<_> = changes[1..].iter().map(|c| c.task.to_string()).collect();
    assert_eq!(cancelled, ["b", "c", "e"].map(String::from).into());
    assert_eq!(take(&mut graph).unwrap(), "d");
    complete(&mut graph, "d");
    assert!(graph.is_done());
}

#[test]
fn a_for_each_ends_as_the_worst_of_its_elements() {
    for (event, expected, after) in [
        (TaskEvent::Skip, TaskState::Completed, TaskState::Pending),
        (TaskEvent::GiveUp, TaskState::Failed, TaskState::Cancelled),
        (TaskEvent::Escalate, TaskState::Escalated, TaskState::Pending),
    ] {
        let mut graph = Graph::build([each("change", &[]), task("test", &["change"])]).unwrap();
        graph.expand(&id("change"), 2).unwrap();
        end(&mut graph, "change[0]", event);
        assert_eq!(graph.state(&id("change")), Some(TaskState::Running));
        complete(&mut graph, "change[1]");
        assert_eq!(graph.state(&id("change")), Some(expected));
        assert_eq!(graph.state(&id("test")), Some(after));
    }
}

#[test]
fn a_skipped_task_does_not_hold_up_others() {
    let mut graph = Graph::build([each("maybe", &[]), task("then", &["maybe"])]).unwrap();
    take(&mut graph).unwrap();
    graph.apply(&id("maybe"), TaskEvent::Skip).unwrap();
    assert_eq!(take(&mut graph).unwrap(), "then");
}

#[test]
fn a_task_that_is_retried_is_ready_once() {
    let mut graph = Graph::build([task("a", &[])]).unwrap();
    // Started without being taken, as when the graph is rebuilt from the record.
    end(&mut graph, "a", TaskEvent::Retry);
    assert_eq!(take(&mut graph).unwrap(), "a");
    assert_eq!(take(&mut graph), None);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut graph = Graph::build([each("change", &[]), task("test", &["change"])]).unwrap();
    assert!(graph.apply(&id("change"), TaskEvent::Start).is_err());
    assert!(graph.apply(&id("nobody"), TaskEvent::Start).is_err());
    assert!(graph.expand(&id("test"), 1).is_err());
    let error = graph.apply(&id("test"), TaskEvent::Complete).unwrap_err();
    assert!(error.to_string().contains("`test`"), "{error}");
    graph.expand(&id("change"), 1).unwrap();
    assert!(graph.expand(&id("change"), 1).is_err());
    assert!(graph.apply(&id("change"), TaskEvent::Cancel).is_err());
    assert_eq!(graph.counts(), Counts { pending: 2, running: 1, ..Counts::default() });
}

#[test]
fn an_escalated_element_that_is_tried_again_opens_the_whole_again() {
    let mut graph = Graph::build([each("change", &[]), task("test", &["change"])]).unwrap();
    graph.next(|_| true).unwrap();
    graph.expand(&id("change"), 2).unwrap();
    for (element, end) in [("change[0]", TaskEvent::Complete), ("change[1]", TaskEvent::Fail)] {
        graph.apply(&id(element), TaskEvent::Start).unwrap();
        graph.apply(&id(element), end).unwrap();
    }
    graph.apply(&id("change[1]"), TaskEvent::Escalate).unwrap();
    assert_eq!(graph.state(&id("change")), Some(TaskState::Escalated));
    assert_eq!(graph.state(&id("test")), Some(TaskState::Pending));
    let changes = graph.apply(&id("change[1]"), TaskEvent::Retry).unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(graph.state(&id("change")), Some(TaskState::Running));
    graph.apply(&id("change[1]"), TaskEvent::Start).unwrap();
    graph.apply(&id("change[1]"), TaskEvent::Complete).unwrap();
    assert_eq!(graph.state(&id("change")), Some(TaskState::Completed));
    assert_eq!(graph.next(|_| true), Some(Next::Run(id("test"))));
}

#[test]
fn a_fan_out_of_many_is_done_in_one_go() {
    let mut graph = Graph::build([each("change", &[]), task("test", &["change"])]).unwrap();
    graph.expand(&id("change"), 100_000).unwrap();
    while let Some(next) = graph.next(|_| true) {
        graph.apply(next.task(), TaskEvent::Start).unwrap();
        graph.apply(next.task(), TaskEvent::Complete).unwrap();
    }
    assert!(graph.is_done());
}
