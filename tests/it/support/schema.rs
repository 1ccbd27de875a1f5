//! A small checker of JSON Schemas. It knows the words that the program's own schema has, and fails at any other, so that nothing in the
//! schema goes unchecked.

use serde_json::{Map, Value};

/// What only tells people something. Formats are named by the program's schema and bind nobody.
const ANNOTATIONS: [&str; 7] = ["$schema", "$defs", "title", "description", "format", "default", "examples"];

/// A schema, with the definitions that it refers to.
pub struct Contract(Value);

impl Contract {
    pub fn new(schema: &str) -> Self {
        Self(serde_json::from_str(schema).expect("a schema is JSON"))
    }

    /// Fails with the reason if a value does not match.
    #[track_caller]
    pub fn expect(&self, value: &Value) {
        if let Err(why) = self.check(value) {
            panic!("{why}\nin {value:#}");
        }
    }

    /// The reason why a value does not match, as an error.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.matches(&self.0, value, "the line")
    }

    /// The values that `type` may have in any line.
    pub fn types(&self) -> Vec<&str> {
        fn collect<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
            found.extend(schema["properties"]["type"]["const"].as_str());
            let named = schema.as_object().into_iter().flat_map(Map::values);
            let listed = schema.as_array().into_iter().flatten();
            for nested in named.chain(listed) {
                collect(nested, found);
            }
        }
        let mut found = Vec::new();
        collect(&self.0, &mut found);
        found
    }

    fn matches(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let words = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Object(words) => words,
            other => panic!("no schema: {other}"),
        };
        words.iter().try_for_each(|(word, rule)| match word.as_str() {
            "$ref" => self.matches(self.definition(rule), value, at),
            "oneOf" => self.alternatives(rule, value, at).and_then(|count| one(count, at)),
            "anyOf" => self.alternatives(rule, value, at).map(drop),
            "not" => self.matches(rule, value, at).map_or(Ok(()), |()| Err(format!("{at} must not match {rule}"))),
            "properties" => self.properties(rule, value, at),
            "items" => {
                let mut items = value.as_array().into_iter().flatten().enumerate();
                items.try_for_each(|(index, item)| self.matches(rule, item, &format!("{at}[{index}]")))
            }
            word => plain(word, rule, value, at),
        })
    }

    fn definition(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference within the schema");
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    fn properties(&self, rules: &Value, value: &Value, at: &str) -> Result<(), String> {
        let nothing = Map::new();
        let value = value.as_object().unwrap_or(&nothing);
        let mut present =
            rules.as_object().expect("rules by name").iter().filter_map(|(name, rule)| Some((name, rule, value.get(name)?)));
        present.try_for_each(|(name, rule, value)| self.matches(rule, value, &format!("{at}.{name}")))
    }

    /// How many of several schemas match; that none does is an error with the reasons. Those of lines of another type are left out, as
    /// long as there are others.
    fn alternatives(&self, schemas: &Value, value: &Value, at: &str) -> Result<usize, String> {
        let schemas = schemas.as_array().expect("a list of schemas");
        let reasons: Vec<String> = schemas.iter().filter_map(|schema| self.matches(schema, value, at).err()).collect();
        if reasons.len() < schemas.len() {
            return Ok(schemas.len() - reasons.len());
        }
        let telling: Vec<&str> = reasons.iter().map(String::as_str).filter(|reason| !reason.contains(".type is not")).collect();
        Err(if telling.is_empty() { format!("{at} matches nothing: {}", reasons.join("; ")) } else { telling.join("; ") })
    }
}

fn one(count: usize, at: &str) -> Result<(), String> {
    if count == 1 { Ok(()) } else { Err(format!("{at} matches {count} alternatives")) }
}

/// The words that need no other schema.
fn plain(word: &str, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
    let number = || value.as_f64().zip(rule.as_f64());
    let holds = match word {
        "type" => rule.as_array().map_or_else(|| is_of(rule, value), |types| types.iter().any(|rule| is_of(rule, value))),
        "const" => rule == value,
        "enum" => rule.as_array().expect("a list of values").contains(value),
        "minimum" => number().is_none_or(|(value, least)| value >= least),
        "maximum" => number().is_none_or(|(value, most)| value <= most),
        "required" => {
            let names = rule.as_array().expect("a list of names");
            let missing =
                names.iter().find(|name| value.as_object().is_some_and(|value| !value.contains_key(name.as_str().unwrap())));
            return missing.map_or(Ok(()), |name| Err(format!("{at} lacks {name}")));
        }
        annotation => {
            assert!(ANNOTATIONS.contains(&annotation), "the checker does not know {annotation}");
            true
        }
    };
    if holds { Ok(()) } else { Err(format!("{at} is not of {word} {rule}")) }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("the name of a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}
