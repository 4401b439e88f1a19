//! Which characters a reader sees as what they are. The others are told by their numbers: they would turn a text around, hide a part of it, or be
//! nothing at all to the eye.

/// Whether a character can be shown as it is.
pub(super) fn legible(character: char) -> bool {
    !(character.is_control()
        || matches!(character,
            // Marks and overrides of the direction of writing.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // What has no width, or breaks lines unseen.
            | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{200c}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            // What no text means.
            | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}'))
}

#[cfg(test)]
mod tests {
    use super::legible;

    #[test]
    fn letters_of_all_scripts_are_shown_and_tricks_are_told() {
        for shown in ['a', 'é', '中', 'ש', '🙂', ' ', '\u{a0}', '…'] {
            assert!(legible(shown), "{shown}");
        }
        for told in ['\0', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{e0041}', '\n'] {
            assert!(!legible(told), "{told:?}");
        }
    }
}
