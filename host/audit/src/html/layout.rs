//! The task graph as boxes with places: layers by dependency from top to bottom, elements of a `for_each` folded when they are many, children in the box
//! of their parent.

use super::gather::Story;
use longhaul_core::state::TaskState;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Up to this many elements of a task stand for themselves.
const MAX_ELEMENTS: usize = 8;
/// The most boxes.
const MAX_BOXES: usize = 1_200;
/// The most children that a box names.
const MAX_CHILDREN: usize = 6;
/// The most boxes that lines lead to one from.
const MAX_NEEDS: usize = 200;
/// Boxes side by side.
const MAX_COLUMNS: usize = 5;
/// Sizes in pixels.
pub(super) const WIDTH: f64 = 178.0;
const HEIGHT: f64 = 46.0;
const LINE: f64 = 15.0;
const GAP: f64 = 22.0;
const BETWEEN: f64 = 38.0;
const EDGE: f64 = 8.0;

/// A task, or all elements of one.
#[derive(Debug)]
pub(super) struct Boxed<'a> {
    /// Its first task, and where that stands in the list of tasks.
    pub(super) first: (usize, &'a Story),
    /// How many tasks there are in each state.
    pub(super) states: BTreeMap<u8, u64>,
    /// How many tasks it stands for.
    pub(super) tasks: u64,
    /// Children that are named.
    pub(super) children: Vec<&'a Story>,
    /// All that were asked for below it, by state.
    pub(super) descendants: BTreeMap<u8, u64>,
    pub(super) needs: BTreeSet<usize>,
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A picture of the graph.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    pub(super) boxes: Vec<Boxed<'a>>,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Tasks that are not in the picture.
    pub(super) left_out: u64,
}

/// The boxes that a task is in, by its name.
type Places<'a> = HashMap<&'a str, Vec<usize>>;

/// States in the order in which they matter to a reader.
pub(super) const ORDER: [TaskState; 9] = [
    TaskState::Failed,
    TaskState::Escalated,
    TaskState::Failing,
    TaskState::Running,
    TaskState::Waiting,
    TaskState::Pending,
    TaskState::Cancelled,
    TaskState::Skipped,
    TaskState::Completed,
];

fn rank(state: TaskState) -> u8 {
    ORDER.iter().position(|known| *known == state).and_then(|place| u8::try_from(place).ok()).unwrap_or_default()
}

impl Boxed<'_> {
    /// The state that matters most of all that it stands for.
    pub(super) fn state(&self) -> TaskState {
        let first = self.states.keys().next().copied().unwrap_or_default();
        ORDER.get(usize::from(first)).copied().unwrap_or(TaskState::Pending)
    }

    /// How many lines stand below its two.
    pub(super) fn lines(&self) -> usize {
        self.children.len() + usize::from(self.descendants.values().sum::<u64>() > self.children.len() as u64)
    }

    pub(super) fn height(&self) -> f64 {
        HEIGHT + LINE * self.lines() as f64 + if self.lines() > 0 { 6.0 } else { 0.0 }
    }
}

impl<'a> Layout<'a> {
    pub(super) fn of(tasks: &'a [Story]) -> Self {
        let mut layout = Self::default();
        let places = layout.make_boxes(tasks);
        layout.draw_edges(tasks, &places);
        layout.place();
        layout
    }

    /// Makes the boxes; tells which task is in which. A task with elements is in the boxes of its elements.
    fn make_boxes(&mut self, tasks: &'a [Story]) -> Places<'a> {
        let there = || tasks.iter().enumerate().filter(|(_, story)| !story.gone);
        let is_root = |story: &Story| story.task.parent().is_none();
        let mut elements: HashMap<&str, usize> = HashMap::new();
        for (_, story) in there().filter(|(_, story)| is_root(story) && story.task.index().is_some()) {
            *elements.entry(story.task.name()).or_default() += 1;
        }
        let is_whole = |story: &Story| story.task.index().is_none() && elements.contains_key(story.task.as_str());
        let mut places = Places::new();
        for (at, story) in there().filter(|(_, story)| is_root(story) && !is_whole(story)) {
            let is_folded = elements.get(story.task.name()).is_some_and(|many| *many > MAX_ELEMENTS);
            let key = if is_folded { story.task.name() } else { story.task.as_str() };
            let known = places.get(key).and_then(|places| places.first()).copied();
            let place = match known {
                Some(place) => place,
                None if self.boxes.len() >= MAX_BOXES => {
                    self.left_out += 1;
                    continue;
                }
                None => {
                    self.boxes.push(Boxed {
                        first: (at, story),
                        states: BTreeMap::new(),
                        tasks: 0,
                        children: Vec::new(),
                        descendants: BTreeMap::new(),
                        needs: BTreeSet::new(),
                        x: 0.0,
                        y: 0.0,
                    });
                    self.boxes.len() - 1
                }
            };
            for name in [key, story.task.as_str(), story.task.name()] {
                let there = places.entry(name).or_default();
                if !there.contains(&place) {
                    there.push(place);
                }
            }
            let boxed = &mut self.boxes[place];
            boxed.tasks += 1;
            *boxed.states.entry(rank(story.state)).or_default() += 1;
        }
        for (_, story) in there().filter(|(_, story)| !is_root(story)) {
            let place = places.get(story.task.root()).and_then(|places| places.first());
            let Some(boxed) = place.and_then(|place| self.boxes.get_mut(*place)) else {
                self.left_out += 1;
                continue;
            };
            *boxed.descendants.entry(rank(story.state)).or_default() += 1;
            if boxed.tasks == 1 && boxed.children.len() < MAX_CHILDREN {
                boxed.children.push(story);
            }
        }
        places
    }

    fn draw_edges(&mut self, tasks: &'a [Story], places: &Places<'a>) {
        for story in tasks.iter().filter(|story| !story.gone && story.task.parent().is_none()) {
            for place in places.get(story.task.as_str()).into_iter().flatten() {
                let befores = story.needs.iter().filter_map(|need| places.get(need.as_str())).flatten();
                let needs = &mut self.boxes[*place].needs;
                needs.extend(befores.filter(|before| *before != place).take(MAX_NEEDS));
            }
        }
    }

    /// The layer of each box: one below the lowest of those that it needs. What is in a circle, which no run has, stands below all others.
    fn layers(&self) -> Vec<Vec<usize>> {
        let mut layer = vec![0_usize; self.boxes.len()];
        let mut missing: Vec<usize> = self.boxes.iter().map(|boxed| boxed.needs.len()).collect();
        let mut followers = vec![Vec::new(); self.boxes.len()];
        for (place, boxed) in self.boxes.iter().enumerate() {
            boxed.needs.iter().for_each(|need| followers[*need].push(place));
        }
        let mut ready: Vec<usize> = (0..self.boxes.len()).filter(|place| missing[*place] == 0).collect();
        let mut done = vec![false; self.boxes.len()];
        while let Some(place) = ready.pop() {
            done[place] = true;
            for follower in &followers[place] {
                layer[*follower] = layer[*follower].max(layer[place] + 1);
                missing[*follower] -= 1;
                if missing[*follower] == 0 {
                    ready.push(*follower);
                }
            }
        }
        let deepest = layer.iter().copied().max().unwrap_or_default();
        let mut layers = vec![Vec::new(); deepest + 2];
        for (place, is_done) in done.into_iter().enumerate() {
            layers[if is_done { layer[place] } else { deepest + 1 }].push(place);
        }
        layers.retain(|layer| !layer.is_empty());
        layers
    }

    fn place(&mut self) {
        let layers = self.layers();
        let columns = layers.iter().map(Vec::len).max().unwrap_or(1).min(MAX_COLUMNS) as f64;
        self.width = columns * (WIDTH + GAP) - GAP + 2.0 * EDGE;
        let mut y = EDGE;
        for mut layer in layers {
            // Boxes stand near those that they need, so that fewer lines cross.
            let wish = |place: &usize| {
                let needs = &self.boxes[*place].needs;
                let sum: f64 = needs.iter().map(|need| self.boxes[*need].x).sum();
                if needs.is_empty() { 0.0 } else { sum / needs.len() as f64 }
            };
            layer.sort_by(|one, other| wish(one).total_cmp(&wish(other)));
            for row in layer.chunks(MAX_COLUMNS) {
                let taken = row.len() as f64 * (WIDTH + GAP) - GAP;
                let mut x = (self.width - taken) / 2.0;
                let mut tallest = HEIGHT;
                for place in row {
                    let boxed = &mut self.boxes[*place];
                    (boxed.x, boxed.y) = (x, y);
                    tallest = tallest.max(boxed.height());
                    x += WIDTH + GAP;
                }
                y += tallest + GAP / 2.0;
            }
            y += BETWEEN - GAP / 2.0;
        }
        self.height = (y - BETWEEN + EDGE).max(HEIGHT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::id::{Name, TaskId};

    fn story(task: &str, needs: &[&str]) -> Story {
        let mut story = Story::new(TaskId::new(task).unwrap(), Name::new("coder").unwrap());
        story.needs = needs.iter().map(|need| TaskId::new(*need).unwrap()).collect();
        story
    }

    #[test]
    fn what_is_needed_stands_above_and_many_elements_are_one_box() {
        // A task with elements is planned before them, and it is what has needs and is needed.
        let mut tasks = vec![story("plan", &[]), story("change", &["plan"]), story("check", &["change"])];
        tasks.extend((0..40).map(|n| story(&format!("change[{n}]"), &[])));
        tasks.push(story("change[3].tests", &[]));
        tasks[7].state = TaskState::Failed;
        let layout = Layout::of(&tasks);
        let names: Vec<_> = layout.boxes.iter().map(|boxed| (boxed.first.1.task.name(), boxed.tasks)).collect();
        assert_eq!(names, [("plan", 1), ("check", 1), ("change", 40)]);
        let ys: Vec<_> = layout.boxes.iter().map(|boxed| boxed.y).collect();
        assert!(ys[0] < ys[2] && ys[2] < ys[1], "{ys:?}");
        assert_eq!(layout.boxes[2].state(), TaskState::Failed);
        assert_eq!(layout.boxes[2].descendants.values().sum::<u64>(), 1);
        assert_eq!(layout.boxes[1].needs, BTreeSet::from([2]));
    }

    #[test]
    fn few_elements_stand_side_by_side_between_what_they_need_and_what_needs_them() {
        let mut tasks = vec![story("plan", &[]), story("change", &["plan"]), story("check", &["change"])];
        tasks.extend((0..3).map(|n| story(&format!("change[{n}]"), &[])));
        let layout = Layout::of(&tasks);
        let needs: Vec<_> = layout.boxes.iter().map(|boxed| boxed.needs.iter().copied().collect::<Vec<_>>()).collect();
        assert_eq!(needs, [vec![], vec![2, 3, 4], vec![0], vec![0], vec![0]]);
    }

    #[test]
    fn no_two_boxes_lie_on_one_another_and_none_outside() {
        let mut tasks: Vec<_> = (0..37).map(|n| story(&format!("a{n}"), &[])).collect();
        tasks.push(story("a3.one", &[]));
        tasks.push(story("last", &["a3", "a36"]));
        // A circle, as only a forged record has it.
        tasks.push(story("x", &["y"]));
        tasks.push(story("y", &["x"]));
        let layout = Layout::of(&tasks);
        assert_eq!(layout.boxes.len(), 40);
        for (at, one) in layout.boxes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + WIDTH <= layout.width && one.y + one.height() <= layout.height);
            for other in &layout.boxes[at + 1..] {
                let apart_x = (one.x - other.x).abs() >= WIDTH;
                let apart_y = one.y + one.height() <= other.y || other.y + other.height() <= one.y;
                assert!(apart_x || apart_y, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_run_of_any_size_has_a_picture_of_bounded_size() {
        let tasks: Vec<_> = (0..3_000).map(|n| story(&format!("a{n}"), &[])).collect();
        let layout = Layout::of(&tasks);
        assert_eq!((layout.boxes.len(), layout.left_out), (1_200, 1_800));
        assert_eq!(Layout::of(&[]).boxes.len(), 0);
    }
}
