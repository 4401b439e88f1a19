//! Tasks on the lines of the timeline: each on its own where they are few, else those of one name on as few lines as they fit on.

use super::gather::Story;
use longhaul_core::units::Timestamp;
use std::collections::BTreeMap;

/// Up to this many tasks have a line each.
const FEW: usize = 60;
/// The most lines that share a name.
const MAX_LANES: usize = 24;

/// A line.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    /// The task, or the name of all on it; empty where the line above says it.
    pub(super) name: String,
    /// How many tasks the name stands for.
    pub(super) tasks: usize,
    /// The tasks on this line, in the order of their beginnings.
    pub(super) stories: Vec<&'a Story>,
}

/// The lines, and how many tasks have no place on them.
pub(super) fn lanes<'a>(tasks: &[&'a Story], end: Timestamp) -> (Vec<Lane<'a>>, u64) {
    let tried: Vec<&Story> = tasks.iter().copied().filter(|story| !story.tries.is_empty()).collect();
    if tried.len() <= FEW {
        let one = |story: &&'a Story| Lane { name: story.task.to_string(), tasks: 1, stories: vec![*story] };
        return (tried.iter().map(one).collect(), 0);
    }
    let mut groups: BTreeMap<&str, Vec<&Story>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for story in &tried {
        let name = story.task.name();
        groups
            .entry(name)
            .or_insert_with(|| {
                order.push(name);
                Vec::new()
            })
            .push(story);
    }
    if order.len() > FEW {
        groups = BTreeMap::from([("all tasks", tried)]);
        order = vec!["all tasks"];
    }
    let (mut all, mut left_out) = (Vec::new(), 0);
    for name in order {
        let mut stories = groups.remove(name).unwrap_or_default();
        stories.sort_by_key(|story| begin(story));
        let tasks = stories.len();
        let mut lines: Vec<(Timestamp, Vec<&Story>)> = Vec::new();
        for story in stories {
            let free = lines.iter().position(|(taken, _)| *taken <= begin(story));
            match free {
                Some(free) => {
                    lines[free].0 = until(story, end);
                    lines[free].1.push(story);
                }
                None if lines.len() < MAX_LANES => lines.push((until(story, end), vec![story])),
                None => left_out += 1,
            }
        }
        for (at, (_, stories)) in lines.into_iter().enumerate() {
            let name = if at == 0 { name.to_owned() } else { String::new() };
            all.push(Lane { name, tasks, stories });
        }
    }
    (all, left_out)
}

fn begin(story: &Story) -> Timestamp {
    story.tries.first().and_then(|one| one.spans.first()).map_or(Timestamp(0), |span| span.from)
}

fn until(story: &Story, end: Timestamp) -> Timestamp {
    story.tries.last().and_then(|one| one.spans.last()).map_or(end, |span| span.to.unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::attempt::{Outcome, Usage};
    use longhaul_core::id::{Name, TaskId};

    fn story(task: &str, from: u64, to: u64) -> Story {
        let agent = Name::new("coder").unwrap();
        let mut story = Story::new(TaskId::new(task).unwrap(), agent.clone());
        story.begin(1, &agent, None, Timestamp(from));
        story.end(1, &Ok(Outcome::Completed(serde_json::json!({}))), &Usage::default(), Timestamp(to));
        story
    }

    #[test]
    fn a_thousand_tasks_of_one_name_take_as_many_lines_as_ran_at_a_time() {
        let mut tasks: Vec<_> = (0..1_000).map(|n| story(&format!("change[{n}]"), n * 10, n * 10 + 30)).collect();
        tasks.push(story("plan", 0, 5));
        let (all, left_out) = lanes(&tasks.iter().collect::<Vec<_>>(), Timestamp(20_000));
        assert_eq!(left_out, 0);
        assert_eq!(all.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(), ["change", "", "", "plan"]);
        assert_eq!(all.iter().map(|lane| lane.stories.len()).sum::<usize>(), 1_001);
    }

    #[test]
    fn few_tasks_have_a_line_each_and_too_many_at_a_time_are_counted() {
        let two = [story("a", 0, 1), story("b", 5, 6)];
        let (few, _) = lanes(&two.iter().collect::<Vec<_>>(), Timestamp(9));
        assert_eq!(few.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let tasks: Vec<_> = (0..100).map(|n| story(&format!("change[{n}]"), 0, 10)).collect();
        let (all, left_out) = lanes(&tasks.iter().collect::<Vec<_>>(), Timestamp(9));
        assert_eq!((all.len(), left_out), (24, 76));
    }
}
