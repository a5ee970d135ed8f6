//! JSON as Go's `encoding/json` writes it: keys in the order of the struct's fields, those of maps sorted,
//! `<`, `>`, `&` and the line separators escaped, each byte of invalid UTF-8 replaced.

/// A value, in the order in which it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Number(i128),
    /// A text, valid or not.
    Text(Vec<u8>),
    /// A list.
    List(Vec<Json>),
    /// Keys and values, in this order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Json {
        Json::Text(text.as_ref().as_bytes().to_vec())
    }

    /// An object from keys and values, in this order.
    pub fn object<const N: usize>(pairs: [(&str, Json); N]) -> Json {
        Json::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A map of texts; `null` when it is empty, as Go writes a map that was never made.
    pub fn words<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Json {
        match Json::map(pairs) {
            Json::Object(pairs) if pairs.is_empty() => Json::Null,
            object => object,
        }
    }

    /// A map of texts; `{}` when it is empty. The pairs must come sorted, as Go sorts them.
    pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Json {
        Json::Object(pairs.into_iter().map(|(key, value)| (key.clone(), Json::text(value))).collect())
    }

    /// The bytes of a reply; `pretty` as `?pretty` asks for: four spaces a level.
    pub fn render(&self, pretty: bool) -> Vec<u8> {
        let mut writer = Writer { bytes: Vec::with_capacity(512), pretty, level: 0 };
        writer.value(self);
        writer.bytes
    }
}

struct Writer {
    bytes: Vec<u8>,
    pretty: bool,
    level: usize,
}

impl Writer {
    fn value(&mut self, value: &Json) {
        match value {
            Json::Null => self.bytes.extend_from_slice(b"null"),
            Json::Bool(value) => self.bytes.extend_from_slice(if *value { b"true" } else { b"false" }),
            Json::Number(number) => self.bytes.extend_from_slice(number.to_string().as_bytes()),
            Json::Text(text) => self.text(text),
            Json::List(items) => self.block(b'[', b']', items, |writer, item| writer.value(item)),
            Json::Object(pairs) => self.block(b'{', b'}', pairs, |writer, (key, value)| {
                writer.text(key.as_bytes());
                writer.bytes.extend_from_slice(if writer.pretty { b": " } else { b":" });
                writer.value(value);
            }),
        }
    }

    fn block<T>(&mut self, open: u8, close: u8, items: &[T], write: impl Fn(&mut Writer, &T)) {
        self.bytes.push(open);
        self.level += 1;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.new_line();
            write(self, item);
        }
        self.level -= 1;
        if !items.is_empty() {
            self.new_line();
        }
        self.bytes.push(close);
    }

    fn new_line(&mut self) {
        if self.pretty {
            self.bytes.push(b'\n');
            self.bytes.extend(std::iter::repeat_n(b' ', 4 * self.level));
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.bytes.push(b'"');
        for chunk in text.utf8_chunks() {
            chunk.valid().chars().for_each(|letter| self.letter(letter));
            chunk.invalid().iter().for_each(|_| self.bytes.extend_from_slice(b"\\ufffd"));
        }
        self.bytes.push(b'"');
    }

    fn letter(&mut self, letter: char) {
        match letter {
            '"' => self.bytes.extend_from_slice(b"\\\""),
            '\\' => self.bytes.extend_from_slice(b"\\\\"),
            '\n' => self.bytes.extend_from_slice(b"\\n"),
            '\r' => self.bytes.extend_from_slice(b"\\r"),
            '\t' => self.bytes.extend_from_slice(b"\\t"),
            '\u{8}' => self.bytes.extend_from_slice(b"\\b"),
            '\u{c}' => self.bytes.extend_from_slice(b"\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                self.bytes.extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes());
            }
            _ => self.bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(value: &Json) -> String {
        String::from_utf8(value.render(false)).expect("JSON is UTF-8")
    }

    #[test]
    fn texts_are_escaped_as_go_escapes_them() {
        assert_eq!(compact(&Json::text("<a & b>")), r#""\u003ca \u0026 b\u003e""#);
        assert_eq!(
            compact(&Json::text("\"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}/")),
            "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}/\""
        );
        assert_eq!(compact(&Json::text("\u{2028}ß\u{1F600}")), "\"\\u2028ß\u{1F600}\"");
        assert_eq!(compact(&Json::Text(b"a\xe2\x82z\xff".to_vec())), r#""a\ufffd\ufffdz\ufffd""#);
    }

    #[test]
    fn pretty_means_four_spaces_and_nothing_inside_empty_ones() {
        let value = Json::object([
            ("a", Json::Number(1)),
            ("b", Json::List(vec![Json::Null, Json::Bool(true)])),
            ("c", Json::object([])),
            ("d", Json::List(Vec::new())),
        ]);
        let pretty = String::from_utf8(value.render(true)).expect("JSON is UTF-8");
        let expected = "{\n    \"a\": 1,\n    \"b\": [\n        null,\n        true\n    ],\n    \"c\": {},\n    \"d\": []\n}";
        assert_eq!(pretty, expected);
        assert_eq!(compact(&value), r#"{"a":1,"b":[null,true],"c":{},"d":[]}"#);
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in ".*") {
            let read: String = serde_json::from_slice(&Json::text(&text).render(false)).expect("JSON");
            prop_assert_eq!(read, text);
        }

        #[test]
        fn any_bytes_give_readable_json(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert!(serde_json::from_slice::<String>(&Json::Text(bytes).render(false)).is_ok());
        }
    }
}
