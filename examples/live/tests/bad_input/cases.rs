//! A generator of bad messages, with the answer that PROTOCOL.md promises for each of them. It does not
//! use the code of the server.
use live::chat::protocol::Code;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

/// The only room that the sender is in. It may be in one.
pub const ROOM: &str = "lobby";

/// A bad message.
#[derive(Debug, Clone)]
pub struct Case {
    pub text: String,
    pub code: Code,
    /// What the answer must name.
    pub room: Option<String>,
    pub id: Option<String>,
}

/// Makes the same cases in every run.
pub struct Cases {
    runner: TestRunner,
    strategy: BoxedStrategy<Case>,
}

impl Cases {
    pub fn new() -> Self {
        let (runner, strategy) = (TestRunner::deterministic(), case().boxed());
        Self { runner, strategy }
    }
}

impl Iterator for Cases {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        Some(self.strategy.new_tree(&mut self.runner).unwrap().current())
    }
}

type Object = Map<String, Value>;

fn case() -> impl Strategy<Value = Case> {
    let anything = || any::<Index>();
    prop_oneof![
        3 => no_json(),
        1 => value().prop_map(|value| unread(value.to_string(), Code::BadJson)),
        1 => deep(),
        2 => (object(), anything()).prop_map(|(object, at)| without_a_field(object, at)),
        2 => (object(), text("x[a-z]{0,9}")).prop_map(|(object, field)| with(object, &field, json!(1), Code::BadField)),
        2 => (object(), anything(), value()).prop_map(|(object, at, value)| of_another_type(object, at, value)),
        1 => object().prop_map(|object| twice(&object)),
        1 => (object(), text("\\PC{0,9}[0-9]")).prop_map(|(object, kind)| with(object, "type", json!(kind), Code::UnknownType)),
        2 => (object(), bad_word("[A-Za-z0-9_-]{33,99}")).prop_map(|(object, room)| with(object, "room", json!(room), Code::BadRoom)),
        2 => (say(), bad_word("[A-Za-z0-9_-]{65,99}")).prop_map(|(object, id)| with(object, "id", json!(id), Code::BadId)),
        2 => (say(), bad_text()).prop_map(|(object, text)| with(object, "text", json!(text), Code::BadText)),
        3 => (object(), any::<bool>()).prop_map(|(object, here)| forbidden(object, here)),
    ]
}

/// Texts that match a regular expression.
fn text(regex: &str) -> impl Strategy<Value = String> {
    string_regex(regex).unwrap()
}

fn word() -> impl Strategy<Value = String> {
    text("[A-Za-z0-9_-]{1,32}")
}

/// Objects that are valid.
fn object() -> impl Strategy<Value = Object> {
    let join = (word(), any::<u64>(), any::<u64>()).prop_map(|(room, epoch, offset)| {
        let since = json!({"epoch": format!("{epoch:016x}"), "offset": offset});
        fields(json!({"type": "join", "room": room, "since": since}))
    });
    let leave = word().prop_map(|room| fields(json!({"type": "leave", "room": room})));
    let typing = (word(), any::<bool>())
        .prop_map(|(room, on)| fields(json!({"type": "typing", "room": room, "on": on})));
    prop_oneof![join, leave, typing, say()]
}

fn say() -> impl Strategy<Value = Object> {
    (word(), word(), text("[<&\"a-z]\\PC{0,300}")).prop_map(|(room, id, text)| {
        fields(json!({"type": "say", "room": room, "id": id, "text": text}))
    })
}

fn fields(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

/// JSON that is no object.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text("\\PC{0,40}").prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop::collection::vec(inner, 0..5).prop_map(Value::from)
    })
}

fn no_json() -> impl Strategy<Value = Case> {
    let cut = (object(), any::<Index>()).prop_map(|(object, at)| {
        let text = Value::from(object).to_string();
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        text[..ends[at.index(ends.len())]].to_owned()
    });
    let longer = (object(), text("[^ \t\r\n]"))
        .prop_map(|(object, more)| format!("{}{more}", Value::from(object)));
    let garbage = text("[^{ ]\\PC{0,200}");
    let text = prop_oneof![
        cut,
        longer,
        garbage,
        select(vec!["", " ", "{", "{}}", "{\"type\"}", "nul", "{'type':1}"]).prop_map(String::from)
    ];
    text.prop_map(|text| unread(text, Code::BadJson))
}

fn deep() -> impl Strategy<Value = Case> {
    (200_usize..5000, select(vec![("[", "]"), ("{\"a\":", "}")])).prop_flat_map(
        |(depth, (open, close))| {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            let closed =
                format!(r#"{{"type":"leave","room":{open}1{close}}}"#).replace(":}", ":1}");
            select(vec![
                unread(open.clone(), Code::BadJson),
                unread(format!(r#"{{"type":"leave","room":{open}"#), Code::BadJson),
                unread(closed, Code::BadField),
            ])
        },
    )
}

fn without_a_field(mut object: Object, at: Index) -> Case {
    let needed: Vec<String> = object
        .keys()
        .filter(|field| *field != "since")
        .cloned()
        .collect();
    object.remove(at.get(&needed));
    read(object, Code::BadField)
}

fn with(mut object: Object, field: &str, value: Value, code: Code) -> Case {
    object.insert(field.into(), value);
    read(object, code)
}

fn of_another_type(mut object: Object, at: Index, value: Value) -> Case {
    let all: Vec<String> = object.keys().cloned().collect();
    let field = at.get(&all).as_str();
    let fits = match field {
        "on" => value.is_boolean(),
        "since" => value.is_null(), // the same as no field
        _ => value.is_string(),
    };
    object.insert(field.into(), if fits { json!(5) } else { value });
    read(object, Code::BadField)
}

fn twice(object: &Object) -> Case {
    let text = Value::from(object.clone()).to_string();
    let (field, value) = object.iter().next_back().unwrap();
    let text = format!("{{{}:{value},{}", json!(field), &text[1..]);
    Case {
        text,
        ..read(object.clone(), Code::BadField)
    }
}

fn bad_word(too_long: &'static str) -> impl Strategy<Value = String> {
    let part = || text("[A-Za-z0-9_-]{0,9}");
    let foreign = (part(), text("[^A-Za-z0-9_-]"), part());
    let foreign = foreign.prop_map(|(a, b, c)| format!("{a}{b}{c}"));
    prop_oneof![Just(String::new()), text(too_long), foreign]
}

fn bad_text() -> impl Strategy<Value = String> {
    let control = text("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]");
    let control = (text("[a-z]{1,9}"), control, text("[a-z]{1,9}"));
    prop_oneof![
        text("[ \t\n]{0,9}"),
        (2001_usize..2700, text("[a\u{e4}\u{4e2d}\u{1f600}]")).prop_map(|(n, c)| c.repeat(n)),
        control.prop_map(|(a, b, c)| format!("{a}{b}{c}")),
    ]
}

/// Well-formed, but not allowed to this client.
fn forbidden(mut object: Object, here: bool) -> Case {
    let join = object["type"] == "join";
    if join && here {
        object.insert("room".into(), json!(ROOM));
    }
    let code = match (join, here) {
        (true, true) => Code::AlreadyJoined,
        (true, false) => Code::TooManyRooms,
        (false, _) => Code::NotJoined,
    };
    read(object, code)
}

fn unread(text: String, code: Code) -> Case {
    Case {
        text,
        code,
        room: None,
        id: None,
    }
}

/// The answer names the room and the id if they are valid.
fn read(object: Object, code: Code) -> Case {
    let word = |field: &str, max: usize| {
        let word = object.get(field)?.as_str()?;
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ((1..=max).contains(&word.len()) && word.chars().all(valid)).then(|| word.to_owned())
    };
    let (room, id) = (word("room", 32), word("id", 64));
    let text = Value::from(object).to_string();
    Case {
        text,
        code,
        room,
        id,
    }
}
