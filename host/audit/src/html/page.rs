//! [`Page`]: markup as it grows. Nothing that is not part of this program gets into it unescaped, because there is no way to put it there:
//! markup is `&'static str`, and everything else is a text, a number or a coordinate.

use super::legible::legible;
use std::fmt::{Display, Write};

/// The most characters of a text that stands on a line.
pub(super) const LINE: usize = 240;

/// A document on its way.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Markup of this program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.text.push_str(markup);
        self
    }

    /// A text on one line, at most [`LINE`] characters of it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.cut(text, LINE)
    }

    /// A text on one line, at most `most` characters of it.
    pub(super) fn cut(&mut self, text: &str, most: usize) -> &mut Self {
        self.put(text, most, false)
    }

    /// A text with its line breaks, at most `most` characters of it.
    pub(super) fn lines(&mut self, text: &str, most: usize) -> &mut Self {
        self.put(text, most, true)
    }

    /// A value as it is shown.
    pub(super) fn show(&mut self, value: impl Display) -> &mut Self {
        let text = value.to_string();
        self.text(&text)
    }

    /// A coordinate, to a tenth of a pixel.
    pub(super) fn at(&mut self, place: f64) -> &mut Self {
        let place = if place.is_finite() { place } else { 0.0 };
        let text = format!("{place:.1}");
        self.text.push_str(text.strip_suffix(".0").unwrap_or(&text));
        self
    }

    /// A text set as code.
    pub(super) fn code(&mut self, text: &str) -> &mut Self {
        self.raw("<code>").text(text).raw("</code>")
    }

    /// A cell of a table.
    pub(super) fn cell(&mut self, value: impl Display) -> &mut Self {
        self.raw("<td>").show(value).raw("</td>")
    }

    /// A cell with a number.
    pub(super) fn count(&mut self, value: impl Display) -> &mut Self {
        self.raw("<td class=n>").show(value).raw("</td>")
    }

    /// A cell with code.
    pub(super) fn code_cell(&mut self, text: &str) -> &mut Self {
        self.raw("<td>").code(text).raw("</td>")
    }

    /// A term and what it stands for.
    pub(super) fn fact(&mut self, term: &'static str, value: impl Display) -> &mut Self {
        self.raw("<div><dt>").raw(term).raw("</dt><dd>").show(value).raw("</dd></div>")
    }

    /// The beginning of a table with these columns, `#` before those of numbers, in a frame of its own that scrolls and can be reached by keys.
    pub(super) fn table(&mut self, name: &'static str, columns: &[&'static str]) -> &mut Self {
        self.raw("<div class=wide tabindex=0 role=region aria-label=\"").raw(name).raw("\"><table><thead><tr>");
        for column in columns {
            match column.strip_prefix('#') {
                Some(column) => self.raw("<th scope=col class=n>").raw(column),
                None => self.raw("<th scope=col>").raw(column),
            };
            self.raw("</th>");
        }
        self.raw("</tr></thead><tbody>")
    }

    /// The end of a table.
    pub(super) fn end_table(&mut self) -> &mut Self {
        self.raw("</tbody></table></div>")
    }

    /// Says how many more there are, and by which command they are shown.
    pub(super) fn more(&mut self, left_out: u64, what: &'static str, command: &str) -> &mut Self {
        if left_out > 0 {
            self.raw("<p class=more>").show(left_out).raw(" more ").raw(what).raw(" are left out here; <code>");
            self.text(command).raw("</code> shows all of them.</p>");
        }
        self
    }

    /// Another piece of the document.
    pub(super) fn part(&mut self, part: &Page) -> &mut Self {
        self.text.push_str(&part.text);
        self
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The document.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn put(&mut self, text: &str, most: usize, breaks: bool) -> &mut Self {
        let mut rest = text.chars();
        for character in rest.by_ref().take(most) {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                '\n' if breaks => self.text.push('\n'),
                '\t' => self.text.push(' '),
                other => match legible(other) {
                    true => self.text.push(other),
                    // Writing to a text cannot fail.
                    false => drop(write!(self.text, "⟨U+{:04X}⟩", u32::from(other))),
                },
            }
        }
        if rest.next().is_some() {
            self.text.push('…');
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_no_markup_and_hide_nothing() {
        let mut page = Page::default();
        page.text("</td><script>alert(\"1\")</script>&'\u{202e}\0\u{1b}[2J\r\nend");
        assert_eq!(
            page.into_text(),
            "&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;⟨U+202E⟩⟨U+0000⟩⟨U+001B⟩[2J⟨U+000D⟩⟨U+000A⟩end"
        );
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let mut page = Page::default();
        page.cut(&"x".repeat(1 << 20), 5).lines("a\nb", 10).at(1.25).at(f64::NAN);
        assert_eq!(page.into_text(), "xxxxx…a\nb1.20");
    }
}
