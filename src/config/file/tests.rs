//! One content in every kind of file, and where each kind is broken.

use super::*;

fn read(name: &str, text: &str) -> Result<String, String> {
    let settings = parse(Path::new(name), text).map_err(|problem| problem.to_string())?;
    Ok(settings.entries.iter().map(shown).collect::<Vec<_>>().join(" "))
}

/// `key@line=value`, lists in brackets, maps in braces.
fn shown(entry: &Entry) -> String {
    format!("{}@{}={}", entry.key, entry.value.line, value(&entry.value))
}

fn value(node: &Node) -> String {
    match &node.content {
        Content::Nothing => "-".to_owned(),
        Content::Text(text) => text.clone(),
        Content::List(list) => format!("[{}]", list.iter().map(value).collect::<Vec<_>>().join(",")),
        Content::Map(map) => format!("{{{}}}", map.iter().map(shown).collect::<Vec<_>>().join(",")),
    }
}

#[test]
fn every_kind_of_file_is_read_with_its_lines() {
    let yaml =
        "# dkron.yml\nserver: true\nretry-join:\n- 10.0.0.1\n- \"b\"\nport: 017\ntags: {role: web}\njoin:\n";
    let expected = "server@2=true retry-join@3=[10.0.0.1,b] port@6=017 tags@7={role@7=web} join@8=-";
    assert_eq!(read("dkron.yml", yaml).as_deref(), Ok(expected));
    let json = "{\n  \"server\": true,\n\t\"retry-join\": [\"10.0.0.1\",\n \"\\ud83d\\ude00\"], \"n\": 1.50, \"tags\": {\"role\": \"web\"}, \"x\": null}";
    let expected = "server@2=true retry-join@3=[10.0.0.1,\u{1f600}] n@4=1.50 tags@4={role@4=web} x@4=-";
    assert_eq!(read("dkron.json", json).as_deref(), Ok(expected));
    let toml = "server = true\nretry-join = [\n \"10.0.0.1\"]\nn = 1_000\n[tags]\nrole = \"web\"\n";
    let expected = "server@1=true retry-join@2=[10.0.0.1] n@4=1000 tags@5={role@6=web}";
    assert_eq!(read("dkron.TOML", toml).as_deref(), Ok(expected));
    let lines = "! remark\nserver=true\nnode-name : a b\ntags.role = web\nempty=\n";
    let expected = "server@2=true node-name@3=a b tags.role@4=web empty@5=-";
    assert_eq!(read("dkron.properties", lines).as_deref(), Ok(expected));
    let lines = "# remark\nexport server=\"true\"\nhttp-addr=':8080'\n";
    assert_eq!(read("dkron.env", lines).as_deref(), Ok("server@2=true http-addr@3=:8080"));
    let lines = "server = true\n[tags]\n; remark\nrole = 'web'\n";
    assert_eq!(read("dkron.ini", lines).as_deref(), Ok("server@1=true tags.role@4=web"));
}

#[test]
fn an_empty_file_says_nothing() {
    for name in ["a.yml", "a.json", "a.toml", "a.env"] {
        assert_eq!(read(name, "").as_deref(), Ok(""), "{name}");
    }
    assert_eq!(read("a.yml", "# only a remark\n").as_deref(), Ok(""));
    assert_eq!(read("a.yml", "\u{feff}server: true").as_deref(), Ok("server@1=true"));
}

#[test]
fn what_is_broken_is_told_with_line_and_column() {
    let rows = [
        ("a.yml", "server: true\n  x: [1", "a.yml:"),
        ("a.yml", "- 1\n", "a.yml:1:1: is no map of settings"),
        ("a.yml", "a: 1\n---\nb: 2\n", "a.yml:2:1: holds a second document"),
        ("a.yml", "? [a]\n: b\n", "has a key that is no text"),
        ("a.json", "{\"server\": true,}", "a.json:1:17: is not JSON: key must be a string"),
        ("a.json", "[]", "a.json:1:1: is no map of settings"),
        ("a.toml", "server = true\nx = \n", "a.toml:2:"),
        ("a.toml", "a = 1\na = 2\n", "a.toml:2:1: is not TOML: duplicate key"),
        ("a.env", "\n  server\n", "a.env:2:3: is not a setting, allowed is KEY=VALUE"),
        (
            "a.hcl",
            "",
            "a.hcl: settings files of the kind 'hcl' are not understood; allowed are yaml, yml, json",
        ),
        ("a", "", "a: settings files of the kind '' are not understood"),
    ];
    for (name, text, expected) in rows {
        let error = read(name, text).expect_err(text);
        assert!(error.contains(expected), "{expected} is missing in: {error}");
    }
}

#[test]
fn an_alias_is_its_anchor_and_cannot_grow_without_bound() {
    let text = "a: &x [1, 2]\nb: *x\n";
    assert_eq!(read("a.yml", text).as_deref(), Ok("a@1=[1,2] b@2=[1,2]"));
    let mut bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(read("a.yml", &bomb).expect_err("a bomb").contains("holds more than 10000 values"));
    for (name, open) in [("a.yml", "["), ("a.json", "[")] {
        assert!(read(name, &open.repeat(2_000)).is_err(), "{name}");
    }
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100), "]".repeat(100));
    assert!(read("a.json", &deep).expect_err("deep").contains("nested deeper than 32"), "json");
    assert!(read("a.yml", &deep).expect_err("deep").contains("nested deeper than 32"), "yaml");
}
