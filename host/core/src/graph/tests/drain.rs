//! Graphs of any shape drain, whatever becomes of their tasks.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Plan {
    /// For each task: which earlier ones it needs, its priority, its agent, whether it expands and into how many.
    tasks: Vec<(Vec<prop::sample::Index>, i32, u8, Option<usize>)>,
    /// What happens to the tasks, in turn.
    fates: Vec<u8>,
    parallel: usize,
}

fn plans() -> impl Strategy<Value = Plan> {
    let task =
        (prop::collection::vec(any::<prop::sample::Index>(), 0..4), -2..3, 0..3_u8, prop::option::of(0..5_usize));
    (prop::collection::vec(task, 1..30), prop::collection::vec(any::<u8>(), 1..60), 1..5_usize)
        .prop_map(|(tasks, fates, parallel)| Plan { tasks, fates, parallel })
}

fn build(plan: &Plan) -> (Graph, Vec<GraphTask>) {
    let tasks: Vec<GraphTask> = plan
        .tasks
        .iter()
        .enumerate()
        .map(|(i, (needs, priority, agent, elements))| GraphTask {
            name: name(&format!("t{i}")),
            agents: name(&format!("agent{agent}")).into(),
            needs: if i == 0 { Vec::new() } else { needs.iter().map(|n| name(&format!("t{}", n.index(i)))).collect() },
            priority: *priority,
            expands: elements.is_some(),
        })
        .collect();
    (Graph::build(tasks.clone()).unwrap(), tasks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Without a failure every task of every graph is completed or skipped, none before what it needs, none twice.
    #[test]
    fn graphs_drain_in_order(plan in plans()) {
        let (mut graph, tasks) = build(&plan);
        let mut running: Vec<TaskId> = Vec::new();
        let mut started = HashSet::new();
        let mut fates = plan.fates.iter().cycle();
        let mut failures: HashMap<TaskId, u32> = HashMap::new();
        loop {
            while running.len() < plan.parallel {
                let Some(next) = graph.next(|_| true) else { break };
                let task = &tasks[next.task().name()[1..].parse::<usize>().unwrap()];
                for need in &task.needs {
                    prop_assert!(graph.state(&TaskId::single(need)).unwrap().satisfies());
                }
                match &next {
                    Next::Expand(id) => {
                        let index: usize = id.name()[1..].parse().unwrap();
                        graph.expand(id, plan.tasks[index].3.unwrap()).unwrap();
                    }
                    Next::Run(id) if fates.next().unwrap() % 5 == 0 => {
                        graph.apply(id, TaskEvent::Skip).unwrap();
                    }
                    Next::Run(id) => {
                        graph.apply(id, TaskEvent::Start).unwrap();
                        prop_assert!(started.insert(id.clone()), "{id} started twice");
                        running.push(id.clone());
                    }
                }
            }
            if running.is_empty() {
                break;
            }
            let id = running.swap_remove(usize::from(*fates.next().unwrap()) % running.len());
            let failed = failures.entry(id.clone()).or_default();
            if fates.next().unwrap() % 4 == 0 && *failed < 2 {
                *failed += 1;
                graph.apply(&id, TaskEvent::Fail).unwrap();
                graph.apply(&id, TaskEvent::Retry).unwrap();
                started.remove(&id);
            } else {
                graph.apply(&id, TaskEvent::Complete).unwrap();
            }
        }
        prop_assert!(graph.is_done());
        prop_assert!(graph.tasks().all(|(_, state)| state.satisfies()));
        let expected: usize = plan.tasks.len() + plan.tasks.iter().filter_map(|t| t.3).sum::<usize>();
        let counts = graph.counts();
        prop_assert_eq!(counts.completed + counts.skipped, expected);
    }

    /// With failures the graph still comes to rest, and nothing ran that waits for what failed.
    #[test]
    fn failing_graphs_come_to_rest(plan in plans()) {
        let (mut graph, tasks) = build(&plan);
        let mut fates = plan.fates.iter().cycle();
        while let Some(next) = graph.next(|_| true) {
            match &next {
                Next::Expand(id) => {
                    let index: usize = id.name()[1..].parse().unwrap();
                    graph.expand(id, plan.tasks[index].3.unwrap()).unwrap();
                }
                Next::Run(id) => {
                    graph.apply(id, TaskEvent::Start).unwrap();
                    match fates.next().unwrap() % 6 {
                        0 => { graph.apply(id, TaskEvent::Fail).unwrap(); graph.apply(id, TaskEvent::GiveUp).unwrap(); }
                        1 => { graph.apply(id, TaskEvent::Cancel).unwrap(); }
                        2 => { graph.apply(id, TaskEvent::Fail).unwrap(); graph.apply(id, TaskEvent::Escalate).unwrap(); }
                        _ => { graph.apply(id, TaskEvent::Complete).unwrap(); }
                    }
                }
            }
        }
        let mut counted = Counts::default();
        for (_, state) in graph.tasks() {
            *counted.of(state) += 1;
        }
        prop_assert_eq!(counted, graph.counts());
        prop_assert_eq!(counted.running, 0);
        for task in &tasks {
            let state = graph.state(&TaskId::single(&task.name)).unwrap();
            let needs: Vec<_> = task.needs.iter().map(|n| graph.state(&TaskId::single(n)).unwrap()).collect();
            if needs.iter().any(|n| matches!(n, TaskState::Failed | TaskState::Cancelled)) {
                prop_assert_eq!(state, TaskState::Cancelled);
            } else if needs.iter().all(|n| n.satisfies()) {
                prop_assert!(state.is_final());
            } else {
                prop_assert_eq!(state, TaskState::Pending);
            }
        }
    }
}
