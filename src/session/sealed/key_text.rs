//! Sealing keys as text: one a line, hexadecimal or base64.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::SealingKeyError;

/// Padding or none: keys are made by many tools.
const PADDING_OPTIONAL: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDING_OPTIONAL);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDING_OPTIONAL);

/// A key's bytes, and the line that it is on.
type KeyLine = (Zeroizing<Vec<u8>>, usize);

/// The keys of a text, in their order.
pub(super) fn parse_keys(text: &str) -> impl Iterator<Item = Result<KeyLine, SealingKeyError>> {
    let lines = (1..).zip(text.lines()).map(|(line, text)| {
        let text = text.split('#').next().unwrap_or_default().trim();
        (line, text)
    });
    lines.filter(|(_, text)| !text.is_empty()).map(|(line, text)| {
        let bytes = parse_line(text).ok_or(SealingKeyError::Malformed { line })?;
        Ok((bytes, line))
    })
}

/// Text that consists only of hexadecimal digits is hexadecimal, even if it could
/// be base64: half a key in hexadecimal must not pass for a whole one in base64.
fn parse_line(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        hex::decode(text).ok()?
    } else {
        STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?
    };
    Some(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SealingKeys;

    const HEX: &str = "00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9";
    const STANDARD_TEXT: &str = "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=";
    const URL_SAFE_TEXT: &str = "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK-2vcTL0tk";

    #[test]
    fn every_form_of_a_key_is_one_key() {
        let parse = |text: &str| parse_keys(text).collect::<Result<Vec<_>, _>>().expect("keys");
        let expected = parse(HEX).remove(0).0;
        let forms = [
            HEX.to_uppercase(),
            STANDARD_TEXT.to_owned(),
            STANDARD_TEXT.trim_end_matches('=').to_owned(),
            URL_SAFE_TEXT.to_owned(),
            format!("{URL_SAFE_TEXT}="),
            format!("  {HEX}\t# a comment"),
            format!("# a comment\r\n\r\n{HEX}\r\n"),
        ];
        for form in forms {
            let bytes: Vec<_> = parse(&form).into_iter().map(|(bytes, _)| bytes).collect();
            assert_eq!(bytes, std::slice::from_ref(&expected), "{form:?}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_nothing_of_its_content() {
        let rows = [
            ("", "no sealing keys"),
            ("# nothing\n\n", "no sealing keys"),
            (&HEX[..62], "line 1 has 31 bytes"),
            // 48 hexadecimal digits are 24 bytes, though 36 as base64.
            (&HEX[..48], "line 1 has 24 bytes"),
            (&HEX[..63], "line 1 is neither"),
            (&format!("{HEX}\n\nsecret!"), "line 3 is neither"),
            (&format!("{HEX} {HEX}"), "line 1 is neither"),
            (&format!("{HEX}\n{}", "0".repeat(64)), "line 2 is not random"),
            ("🦀", "line 1 is neither"),
        ];
        for (text, expected) in rows {
            let error = SealingKeys::from_text(text).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!format!("{error}{error:?}").contains("secret!"));
        }
    }

    #[test]
    fn a_generated_key_reads_back() {
        let text = SealingKeys::generate_text().expect("randomness");
        assert_eq!(text.len(), 43);
        assert!(SealingKeys::from_text(&text).is_ok());
        assert_ne!(SealingKeys::generate_text().expect("randomness"), text);
    }

    #[test]
    fn missing_files_and_variables_are_told() {
        let missing = SealingKeys::from_file("/nonexistent/keys").expect_err("no file");
        assert!(matches!(missing, SealingKeyError::File(_)));
        let missing = SealingKeys::from_env("DIDT_TEST_NO_SUCH_VARIABLE").expect_err("not set");
        assert!(matches!(missing, SealingKeyError::NotSet));
        // PATH is set everywhere, and no key.
        assert!(SealingKeys::from_env("PATH").is_err());
    }
}
