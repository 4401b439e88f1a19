//! Waits that nothing ends.

use super::*;
use crate::children::ChildTask;

/// What suspended tasks wait for, by their names.
#[derive(Default)]
struct World {
    outside: Vec<&'static str>,
    messages: Vec<&'static str>,
    children: HashMap<&'static str, HashSet<TaskId>>,
    senders: Vec<&'static str>,
}

impl World {
    fn stuck(&self, graph: &Graph) -> Vec<String> {
        let awaits = |task: &TaskId| {
            let is_in = |list: &[&str]| list.contains(&task.as_str());
            let children = self.children.get(task.as_str());
            Some(Awaits { outside: is_in(&self.outside), message: is_in(&self.messages), children })
        };
        graph.stuck(awaits, |name| self.senders.contains(&name.as_str())).iter().map(ToString::to_string).collect()
    }
}

fn suspend(graph: &mut Graph, task: &str) {
    graph.apply(&id(task), TaskEvent::Start).unwrap();
    graph.apply(&id(task), TaskEvent::Suspend).unwrap();
}

fn child(graph: &mut Graph, task: &str) -> HashSet<TaskId> {
    let child = ChildTask {
        task: id(task),
        agent: name("a"),
        or: Vec::new(),
        input: serde_json::json!({}),
        needs: Vec::new(),
        priority: 0,
    };
    graph.spawn(&child).unwrap();
    HashSet::from([id(task)])
}

#[test]
fn a_wait_for_a_message_is_hopeless_when_nobody_is_left_who_may_send_one() {
    let mut graph = Graph::build([task("x", &[]), task("y", &[]), task("z", &[]), task("last", &["z"])]).unwrap();
    suspend(&mut graph, "x");
    suspend(&mut graph, "y");
    graph.apply(&id("z"), TaskEvent::Start).unwrap();
    let mut world = World { messages: vec!["x", "y"], senders: vec!["x", "y"], ..World::default() };
    assert_eq!(world.stuck(&graph), ["x", "y"], "each of them would send, if it had one");
    world.senders.push("z");
    assert!(world.stuck(&graph).is_empty(), "z may send one");
    world.senders = vec!["last"];
    assert!(world.stuck(&graph).is_empty(), "what begins later may send one too");
    graph.apply(&id("z"), TaskEvent::Complete).unwrap();
    complete(&mut graph, "last");
    assert_eq!(world.stuck(&graph), ["x", "y"]);
    world.outside.push("y");
    world.senders = vec!["y"];
    assert!(world.stuck(&graph).is_empty(), "y goes on in time, and may then send one to x");
}

#[test]
fn what_waits_behind_a_circle_brings_nobody_on() {
    let mut graph = Graph::build([task("x", &[]), task("late", &["x"]), each("all", &["late"])]).unwrap();
    suspend(&mut graph, "x");
    let world = World { messages: vec!["x"], senders: vec!["late", "all"], ..World::default() };
    assert_eq!(world.stuck(&graph), ["x"], "late begins when x has ended, and not before");
}

#[test]
fn a_parent_and_the_child_that_waits_for_it_are_stuck_beside_one_that_works() {
    let mut graph = Graph::build([task("x", &[]), task("other", &[]), task("next", &["x"])]).unwrap();
    graph.apply(&id("other"), TaskEvent::Start).unwrap();
    graph.apply(&id("x"), TaskEvent::Start).unwrap();
    let children = child(&mut graph, "x.one");
    graph.apply(&id("x"), TaskEvent::Suspend).unwrap();
    let mut world = World { children: HashMap::from([("x", children)]), ..World::default() };
    assert!(world.stuck(&graph).is_empty(), "the child can begin");
    suspend(&mut graph, "x.one");
    world.messages.push("x.one");
    world.senders.push("x");
    // The child has the name of its parent in the workflow, and may send what that may.
    assert_eq!(world.stuck(&graph), ["x", "x.one"]);
    world.messages.push("x");
    world.senders.push("other");
    assert!(world.stuck(&graph).is_empty(), "either is enough");
}

#[test]
fn elements_hold_up_only_what_needs_them() {
    let mut graph = Graph::build([each("all", &[]), task("listener", &[]), task("end", &["all"])]).unwrap();
    graph.expand(&id("all"), 2).unwrap();
    suspend(&mut graph, "all[0]");
    suspend(&mut graph, "listener");
    let mut world = World { messages: vec!["listener"], outside: vec!["all[0]"], ..World::default() };
    world.senders = vec!["end"];
    assert!(world.stuck(&graph).is_empty(), "all of them end, and then the end may send one");
    world.outside.clear();
    world.messages.push("all[0]");
    assert_eq!(world.stuck(&graph), ["listener", "all[0]"]);
}
