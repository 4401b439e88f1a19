//! Fills chunks with pieces of files, in the order given.

use longhaul_sdk::Span;

/// A piece of a file that is to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The file's number.
    pub(crate) file: usize,
    /// Which of the file's pieces it is.
    pub(crate) piece: usize,
    /// What it costs.
    pub(crate) cost: Span,
}

/// What is worked on in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) items: Vec<Item>,
    pub(crate) cost: Span,
}

/// Fills chunks of at most `most` with `groups`, in their order. A group that fits into one chunk is not spread over
/// two; an item that fits into none is a chunk of its own.
pub(crate) fn fill(groups: impl IntoIterator<Item = Vec<Item>>, most: Span) -> Vec<Filled> {
    let mut chunks = Vec::new();
    let mut current = Filled::default();
    for group in groups {
        let whole = group.iter().fold(Span::default(), |sum, item| plus(sum, item.cost));
        if whole <= most && plus(current.cost, whole) > most {
            finish(&mut current, &mut chunks);
        }
        for item in group {
            if plus(current.cost, item.cost) > most {
                finish(&mut current, &mut chunks);
            }
            current.cost = plus(current.cost, item.cost);
            current.items.push(item);
        }
    }
    finish(&mut current, &mut chunks);
    chunks
}

fn finish(current: &mut Filled, chunks: &mut Vec<Filled>) {
    if !current.items.is_empty() {
        chunks.push(std::mem::take(current));
    }
}

/// The sum of two spans.
pub(crate) fn plus(a: Span, b: Span) -> Span {
    Span::from_millis(a.as_millis().saturating_add(b.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(groups: &[&[u64]], most: u64) -> Vec<Vec<u64>> {
        let item = |cost: &u64| Item { file: 0, piece: 0, cost: Span::from_secs(*cost) };
        let groups = groups.iter().map(|group| group.iter().map(item).collect());
        let costs = |chunk: Filled| chunk.items.iter().map(|item| item.cost.as_millis() / 1_000).collect();
        fill(groups, Span::from_secs(most)).into_iter().map(costs).collect()
    }

    #[test]
    fn chunks_are_filled_up_to_the_bound() {
        assert_eq!(filled(&[&[4], &[4], &[4], &[2]], 10), [vec![4, 4], vec![4, 2]]);
    }

    #[test]
    fn a_group_that_fits_into_one_chunk_stays_together_and_a_larger_one_is_spread() {
        assert_eq!(filled(&[&[5], &[3, 3]], 10), [vec![5], vec![3, 3]]);
        assert_eq!(filled(&[&[5], &[4, 4, 4]], 10), [vec![5, 4], vec![4, 4]]);
    }

    #[test]
    fn what_fits_nowhere_is_alone() {
        assert_eq!(filled(&[&[1], &[99], &[1]], 10), [vec![1], vec![99], vec![1]]);
    }
}
