//! Puts files behind what they need. Files that need each other, directly or around, form one component and stay
//! together; where nothing decides, the order is that of the paths.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The components of a graph, needed ones first, each with its members sorted. `needs[n]` lists what `n` needs.
pub(crate) fn order(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let (components, of) = components(needs);
    let mut waiting = vec![0_usize; components.len()];
    let mut needed_by = vec![Vec::new(); components.len()];
    for (number, component) in components.iter().enumerate() {
        let mut needed: Vec<_> = component.iter().flat_map(|member| &needs[*member]).map(|other| of[*other]).collect();
        needed.sort_unstable();
        needed.dedup();
        for other in needed.into_iter().filter(|other| *other != number) {
            waiting[number] += 1;
            needed_by[other].push(number);
        }
    }
    // The smallest member stands for its component: numbers follow the paths.
    let mut ready: BinaryHeap<_> = (0..components.len())
        .filter(|number| waiting[*number] == 0)
        .map(|number| Reverse((components[number][0], number)))
        .collect();
    let mut ordered = Vec::with_capacity(components.len());
    while let Some(Reverse((_, number))) = ready.pop() {
        ordered.push(components[number].clone());
        for next in &needed_by[number] {
            waiting[*next] -= 1;
            if waiting[*next] == 0 {
                ready.push(Reverse((components[*next][0], *next)));
            }
        }
    }
    ordered
}

/// A node on the way down: its number, and how many of its edges were followed.
struct Step {
    node: usize,
    followed: usize,
}

/// Tarjan's algorithm, with a stack of its own: a chain of imports may be as long as it likes.
fn components(needs: &[Vec<usize>]) -> (Vec<Vec<usize>>, Vec<usize>) {
    const NEW: usize = usize::MAX;
    let count = needs.len();
    let (mut index, mut low, mut of) = (vec![NEW; count], vec![0; count], vec![NEW; count]);
    let (mut open, mut way, mut components, mut next) = (Vec::new(), Vec::<Step>::new(), Vec::new(), 0);
    for root in 0..count {
        if index[root] != NEW {
            continue;
        }
        way.push(Step { node: root, followed: 0 });
        while let Some(step) = way.last_mut() {
            let node = step.node;
            if step.followed == 0 && index[node] == NEW {
                index[node] = next;
                low[node] = next;
                next += 1;
                open.push(node);
            }
            if let Some(other) = needs[node].get(step.followed).copied() {
                step.followed += 1;
                if index[other] == NEW {
                    way.push(Step { node: other, followed: 0 });
                } else if of[other] == NEW {
                    low[node] = low[node].min(index[other]);
                }
                continue;
            }
            way.pop();
            if let Some(parent) = way.last() {
                low[parent.node] = low[parent.node].min(low[node]);
            }
            if low[node] == index[node] {
                let mut members = Vec::new();
                while let Some(member) = open.pop() {
                    of[member] = components.len();
                    members.push(member);
                    if member == node {
                        break;
                    }
                }
                members.sort_unstable();
                components.push(members);
            }
        }
    }
    (components, of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_files_come_first_and_the_rest_keeps_the_order_of_paths() {
        assert_eq!(order(&[vec![3], vec![], vec![0], vec![]]), [[1], [3], [0], [2]]);
    }

    #[test]
    fn a_cycle_stays_together_behind_what_it_needs() {
        assert_eq!(order(&[vec![1], vec![2], vec![0, 3], vec![]]), [vec![3], vec![0, 1, 2]]);
    }

    #[test]
    fn two_cycles_that_share_a_file_are_one() {
        assert_eq!(order(&[vec![1], vec![0, 2], vec![1]]), [vec![0, 1, 2]]);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_files_is_no_danger() {
        let chain: Vec<_> = (0..100_000).map(|node| if node == 99_999 { vec![] } else { vec![node + 1] }).collect();
        let ordered = order(&chain);
        assert_eq!((ordered.len(), &ordered[0]), (100_000, &vec![99_999]));
    }
}
