//! Is a line one JSON object (RFC 8259)?

/// The texts of its members, by name; numbers and the like as they stand there. Panics if `line`
/// is not one object.
pub fn object(line: &str) -> Vec<(String, String)> {
    let mut parser = Parser { rest: line };
    let members = parser.object();
    assert_eq!(parser.rest, "", "something behind the object: {line}");
    members
}

/// The text of a member.
pub fn member<'a>(object: &'a [(String, String)], name: &str) -> Option<&'a str> {
    object.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// What pxed logs has no objects or lists within objects.
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn object(&mut self) -> Vec<(String, String)> {
        let mut members = Vec::new();
        let mut separator = '{';
        while !self.take('}') {
            self.expect(separator);
            let name = self.string();
            self.expect(':');
            members.push((name, self.value()));
            separator = ',';
        }
        members
    }

    fn value(&mut self) -> String {
        if self.rest.starts_with('"') {
            return self.string();
        }
        let end = self.rest.find([',', '}']).unwrap();
        let (word, rest) = self.rest.split_at(end);
        assert!(matches!(word, "true" | "false" | "null") || word.parse::<f64>().is_ok(), "{word}");
        self.rest = rest;
        word.to_owned()
    }

    fn string(&mut self) -> String {
        self.expect('"');
        let mut text = String::new();
        while !self.take('"') {
            let next = self.next();
            assert!(next >= ' ', "a control character in {}", self.rest);
            text.push(if next == '\\' { self.escaped() } else { next });
        }
        text
    }

    fn escaped(&mut self) -> char {
        match self.next() {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'u' => {
                let (digits, rest) = self.rest.split_at(4);
                self.rest = rest;
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).unwrap()
            }
            other => {
                assert!(matches!(other, '"' | '\\' | '/'), "escaped {other}");
                other
            }
        }
    }

    fn next(&mut self) -> char {
        let next = self.rest.chars().next().unwrap();
        self.rest = &self.rest[next.len_utf8()..];
        next
    }

    fn take(&mut self, c: char) -> bool {
        let taken = self.rest.starts_with(c);
        self.rest = self.rest.strip_prefix(c).unwrap_or(self.rest);
        taken
    }

    fn expect(&mut self, c: char) {
        assert!(self.take(c), "no {c} before {}", self.rest);
    }
}
