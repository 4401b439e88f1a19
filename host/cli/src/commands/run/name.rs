//! How a run gets its id.

use crate::failure::{Exit, Failure};
use longhaul_core::id::RunId;
use longhaul_core::units::Timestamp;

/// How often an id is drawn. Each draw fits a run of the same second by one chance in sixteen million.
const DRAWS: u32 = 16;

/// An id that no run has. Ids sort by the time they were made, and those of one second differ by chance.
pub(crate) fn new_run_id(
    now: Timestamp,
    mut random: impl FnMut() -> u64,
    is_taken: impl Fn(&RunId) -> Result<bool, Failure>,
) -> Result<RunId, Failure> {
    let digits: String = now.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    let (day, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    for _ in 0..DRAWS {
        let text = format!("{day}-{time}-{:06x}", random() & 0xff_ffff);
        let run = RunId::new(text).map_err(|e| Failure::of(Exit::Internal, "name the run", &e))?;
        if !is_taken(&run)? {
            return Ok(run);
        }
    }
    Err(Failure::new(Exit::Internal, format!("no id is free for a run that begins at {now}")).hint("try again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_taken_is_drawn_again() {
        let mut draws = [0xaa_0000_0001, 1, 0x7f_3a00].into_iter();
        let now = Timestamp(1_795_152_862_125);
        let run = new_run_id(now, || draws.next().unwrap(), |run| Ok(run.as_str().ends_with("-000001"))).unwrap();
        assert_eq!(run.as_str(), "20261120-053422-7f3a00");
        assert!(new_run_id(now, || 1, |_| Ok(true)).unwrap_err().to_string().contains("try again"));
    }
}
