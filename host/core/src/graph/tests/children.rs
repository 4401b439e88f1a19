//! Tasks that others spawn are part of what those who need the others wait for.

use super::*;
use crate::children::ChildTask;

fn child(task: &str, needs: &[&str]) -> ChildTask {
    let needs = needs.iter().map(|need| id(need)).collect();
    ChildTask { task: id(task), agent: name("a"), or: Vec::new(), input: serde_json::json!({}), needs, priority: 0 }
}

fn started(graph: &mut Graph, task: &str) {
    assert_eq!(take(graph).unwrap(), task);
    graph.apply(&id(task), TaskEvent::Start).unwrap();
}

#[test]
fn those_who_need_a_task_wait_for_its_children_too() {
    let mut graph = Graph::build([task("plan", &[]), task("test", &["plan"])]).unwrap();
    started(&mut graph, "plan");
    graph.spawn(&child("plan.a", &[])).unwrap();
    graph.spawn(&child("plan.b", &["plan.a"])).unwrap();
    graph.apply(&id("plan"), TaskEvent::Complete).unwrap();
    started(&mut graph, "plan.a");
    graph.spawn(&child("plan.a.deep", &[])).unwrap();
    graph.apply(&id("plan.a"), TaskEvent::Complete).unwrap();
    // What needs a child waits for the child's own children as well.
    assert_eq!(graph.state(&id("plan.b")), Some(TaskState::Pending));
    assert_eq!(take(&mut graph).unwrap(), "plan.a.deep");
    complete(&mut graph, "plan.a.deep");
    assert_eq!(take(&mut graph).unwrap(), "plan.b");
    assert_eq!(take(&mut graph), None);
    complete(&mut graph, "plan.b");
    assert_eq!(take(&mut graph).unwrap(), "test");
    complete(&mut graph, "test");
    assert!(graph.is_done());
}

#[test]
fn a_child_that_is_asked_for_late_waits_for_the_children_of_what_it_needs() {
    let mut graph = Graph::build([task("plan", &[])]).unwrap();
    started(&mut graph, "plan");
    graph.spawn(&child("plan.a", &[])).unwrap();
    started(&mut graph, "plan.a");
    graph.spawn(&child("plan.a.deep", &[])).unwrap();
    graph.apply(&id("plan.a"), TaskEvent::Complete).unwrap();
    graph.spawn(&child("plan.b", &["plan.a"])).unwrap();
    assert_eq!(take(&mut graph).unwrap(), "plan.a.deep");
    assert_eq!(take(&mut graph), None);
    complete(&mut graph, "plan.a.deep");
    assert_eq!(take(&mut graph).unwrap(), "plan.b");
}

#[test]
fn those_who_need_a_for_each_wait_for_the_children_of_its_elements() {
    let mut graph = Graph::build([each("change", &[]), task("test", &["change"])]).unwrap();
    graph.next(|_| true).unwrap();
    graph.expand(&id("change"), 1).unwrap();
    started(&mut graph, "change[0]");
    graph.spawn(&child("change[0].a", &[])).unwrap();
    graph.apply(&id("change[0]"), TaskEvent::Complete).unwrap();
    assert_eq!(graph.state(&id("change")), Some(TaskState::Completed));
    assert_eq!(take(&mut graph).unwrap(), "change[0].a");
    assert_eq!(take(&mut graph), None);
    complete(&mut graph, "change[0].a");
    assert_eq!(take(&mut graph).unwrap(), "test");
}

#[test]
fn what_comes_of_a_child_is_its_parents_business_while_that_is_open() {
    let mut graph = Graph::build([task("plan", &[]), task("test", &["plan"])]).unwrap();
    started(&mut graph, "plan");
    for one in [child("plan.a", &[]), child("plan.b", &["plan.a"]), child("plan.c", &[])] {
        graph.spawn(&one).unwrap();
    }
    end(&mut graph, "plan.a", TaskEvent::GiveUp);
    assert_eq!(graph.state(&id("plan.b")), Some(TaskState::Cancelled));
    // One more that needs what was given up cannot come to be done either.
    graph.spawn(&child("plan.d", &["plan.a"])).unwrap();
    assert_eq!(graph.state(&id("plan.d")), Some(TaskState::Cancelled));
    assert_eq!(graph.state(&id("test")), Some(TaskState::Pending));
    graph.apply(&id("plan"), TaskEvent::Complete).unwrap();
    // From now on nobody sees to them.
    end(&mut graph, "plan.c", TaskEvent::GiveUp);
    assert_eq!(graph.state(&id("test")), Some(TaskState::Cancelled));
}

#[test]
fn open_children_are_cancelled_with_their_parent() {
    for (event, after) in [(TaskEvent::GiveUp, TaskState::Cancelled), (TaskEvent::Skip, TaskState::Pending)] {
        let mut graph = Graph::build([task("plan", &[]), task("test", &["plan"])]).unwrap();
        started(&mut graph, "plan");
        graph.spawn(&child("plan.a", &[])).unwrap();
        graph.spawn(&child("plan.b", &[])).unwrap();
        started(&mut graph, "plan.a");
        graph.spawn(&child("plan.a.deep", &[])).unwrap();
        graph.apply(&id("plan"), TaskEvent::Fail).unwrap();
        graph.apply(&id("plan"), event).unwrap();
        for gone in ["plan.a", "plan.b", "plan.a.deep"] {
            assert_eq!(graph.state(&id(gone)), Some(TaskState::Cancelled), "{gone} after {event:?}");
        }
        assert_eq!(graph.state(&id("test")), Some(after));
        assert_eq!(take(&mut graph), (after == TaskState::Pending).then(|| "test".to_owned()));
        assert!(graph.spawn(&child("plan.c", &[])).is_err());
    }
}
