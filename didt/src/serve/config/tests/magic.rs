use super::*;
use crate::serve::policy::Admit;

const MAGIC: &str = "[magic]\nsecret_key_file = \"magic-key\"\n";

fn admit(loaded: &Loaded, path: &str) -> Admit {
    let target = Target::new(b"GET", b"https", b"a.example", path.as_bytes()).expect("canonical");
    loaded.config.policy.rule_for(&target, None).expect("a rule").admit.clone()
}

#[test]
fn a_secret_key_is_all_it_takes_and_admits_whom_magic_knows() {
    let loaded = good(MAGIC);
    assert!(loaded.config.audiences.is_none());
    assert_eq!(admit(&loaded, "/"), Admit::Known);
    let magic = loaded.config.magic.as_ref().expect("[magic]");
    assert!(magic.required && !magic.sign_out);
    assert_eq!(value(&loaded, "magic.secret_key_file").0, "set");
    assert!(!format!("{loaded:?}").contains("sk_live_"));
}

#[test]
fn people_are_listed_by_e_mail_at_the_top_in_a_file_and_in_rules() {
    let loaded = good(&format!(
        "emails = [\"Ada@Example.com\"]\nemails_file = \"emails\"\n\
         [[rules]]\nname = \"a\"\npaths = [\"/a\"]\nemails = [\"*@corp.example\"]\n\
         [[rules]]\nname = \"k\"\npaths = [\"/k\"]\nadmit = \"known\"\n{MAGIC}"
    ));
    let emails = |path: &str| match admit(&loaded, path) {
        Admit::Listed(parties) => {
            let mut emails: Vec<_> = parties.emails.iter().map(ToString::to_string).collect();
            emails.sort();
            emails
        }
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(emails("/"), ["*@staff.example", "Ada@example.com", "eve@example.com"]);
    assert_eq!(emails("/a"), ["*@corp.example"]);
    assert_eq!(admit(&loaded, "/k"), Admit::Known);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let rows = [
        (format!("{MINIMAL}emails = [\"a@b.example\"]\n"), "emails"),
        (format!("{MINIMAL}emails_file = \"emails\"\n"), "emails_file"),
        ("audiences = [\"a\"]\nadmit = \"known\"\n".to_owned(), "known"),
        (format!("admit = \"known\"\nemails = [\"a@b.example\"]\n{MAGIC}"), "admit"),
        (format!("emails = []\n{MAGIC}"), "emails"),
        (format!("emails = [\"*\"]\n{MAGIC}"), "emails"),
        (format!("emails = [\"*@*.example\"]\n{MAGIC}"), "emails"),
        (format!("emails_file = \"secret\"\n{MAGIC}"), "line 1"),
        (format!("emails_file = \"missing\"\n{MAGIC}"), "emails_file"),
        (format!("{MINIMAL}[magic]\nrequired = false\n"), "magic.required"),
        (format!("{MAGIC}required = \"no\"\n"), "magic.required"),
        (format!("{MAGIC}api_url = \"http://api.magic.link\"\n"), "magic.api_url"),
        (format!("{MAGIC}fresh_for = \"2h\"\n"), "magic.stale_until"),
        (format!("audiences = []\n{MAGIC}"), "audiences"),
        ("[magic]\nsecret_key_file = \"secret\"\n".to_owned(), "magic.secret_key_file"),
        (
            format!(
                "{MINIMAL}[[rules]]\nname = \"a\"\npaths = [\"/a\"]\nemails = [\"a@b.example\"]\n"
            ),
            "magic.secret_key_file",
        ),
    ];
    for (file, part) in rows {
        let told = problem(&file);
        assert!(told.contains(part), "{file}: {told}");
        assert!(!told.contains(NEEDLE), "{told}");
    }
}
