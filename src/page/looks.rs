//! Colours, as a style sheet: a page under a strict policy has no style attributes.

use super::PageError;

/// The colour of the button, in `#rrggbb`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accent([u8; 3]);

impl Accent {
    pub(super) const DEFAULT: Self = Self([0x2f, 0x5b, 0xd7]);

    pub(super) fn parse(text: &str) -> Result<Self, PageError> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let mut bytes = [0; 3];
        hex::decode_to_slice(digits.unwrap_or_default(), &mut bytes)
            .map_err(|_| PageError::Colour)?;
        Ok(Self(bytes))
    }

    /// Sets the colour, and black or white for text on it, whichever is easier to read.
    pub(super) fn css(self) -> String {
        let on_accent = if self.luminance() > 0.179 { "#000" } else { "#fff" };
        format!(":root{{--accent:#{};--on-accent:{on_accent}}}\n", hex::encode(self.0))
    }

    /// Relative luminance (WCAG 2.2). Black and white have the same contrast at 0.179.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_on_the_button_can_be_read_on_every_colour() {
        for step in 0..=16 {
            let level = u8::try_from(step * 255 / 16).expect("a channel");
            for accent in [[level; 3], [level, 0, 0], [0, level, 255], [255, level, 0]].map(Accent)
            {
                let white = accent.css().contains("--on-accent:#fff");
                let (background, text) = (accent.luminance(), if white { 1.0 } else { 0.0 });
                let (high, low) =
                    if background > text { (background, text) } else { (text, background) };
                let contrast = (high + 0.05) / (low + 0.05);
                assert!(contrast >= 4.5, "{accent:?}: {contrast}");
            }
        }
    }

    #[test]
    fn a_colour_is_six_digits_and_nothing_else() {
        for bad in ["red", "#fff", "#12345g", "123456", "#1234567", "#123456;}*{", ""] {
            assert!(Accent::parse(bad).is_err(), "{bad}");
        }
        assert!(Accent::parse("#C0FFEE").is_ok());
    }
}
