//! A thousand conversations that wait at a time: most for somebody to write to them, some for their model.
//!
//! Who waits for a message costs no instance. Who waits for a model keeps its instance, and its place among the tasks that run.

use crate::bench::guests::{self, Flow, UnderWay};
use crate::bench::{BenchError, Ground, Row};

const FOR_A_MESSAGE: usize = 800;
const FOR_A_MODEL: usize = 200;
const BOUND_MB: f64 = 200.0;
/// A question's bytes.
const QUESTION: usize = 4_000;
/// The first question of a conversation is answered at once, the second one only long after everything was measured.
const MODEL: &str = "rules:\n  - when: { turn: 0 }\n    say: Because.\n  - say: Nobody knows.\n    after: 10m\n";

/// Takes the peak of the process when all of them wait.
pub(crate) fn measure(ground: &Ground) -> Result<Vec<Row>, BenchError> {
    let elements = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let task = |name: &str, count: usize, questions: u32| {
        let input = format!("{{ mode: converse, questions: {questions}, bytes: {QUESTION} }}");
        format!("  {name}: {{ for_each: [{}], reuse: false, with: {input} }}\n", elements(count))
    };
    let tasks = task("hear", FOR_A_MESSAGE, 1) + &task("think", FOR_A_MODEL, 2);
    let flow = Flow {
        name: "conversations",
        agents: &["bench-guest"],
        // More than wait for a model, or the others could not begin.
        at_a_time: FOR_A_MODEL + 8,
        model: Some(MODEL),
        tasks: &tasks,
    };
    let folder = guests::workspace_of(ground, &flow)?;
    let mut under_way = UnderWay::start(ground, &folder)?;
    let all = FOR_A_MESSAGE + FOR_A_MODEL;
    // Everyone who was answered once asks again at once, or waits for a message.
    let wanted = [(r#""capability":"model""#, all), (r#""kind":"attempt-suspended""#, FOR_A_MESSAGE)];
    under_way.until(ground, &folder, &wanted)?;
    let memory = under_way.peak_memory()? / 1e6;
    let name = format!(
        "peak host memory, {FOR_A_MESSAGE} conversations that wait for a message and {FOR_A_MODEL} for a model"
    );
    Ok(vec![Row::new(name, memory, BOUND_MB, "MB")])
}
