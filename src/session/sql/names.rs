//! Names of schemas and tables that an application chooses.

/// The longest name. PostgreSQL cuts names off at 63 bytes, and ours are made longer by a few.
const MAX_NAME_LEN: usize = 40;

/// Whether a name is 1 to 40 lower-case ASCII letters, digits and underscores, and begins with no
/// digit: the same name with quotes and without, and nothing that ends a quotation.
pub(in crate::session) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        // PostgreSQL keeps these for itself.
        && !name.starts_with("pg_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_neither_end_its_quotation_nor_mean_another_one() {
        for good in ["didt", "a", "shop_2", "_x", &"a".repeat(40)] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in [
            "",
            "2a",
            "A",
            "é",
            "a b",
            "a\"b",
            "a'b",
            "a;b",
            "a.b",
            "a-b",
            "a\0",
            "pg_x",
            "{schema}",
            &"a".repeat(41),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
