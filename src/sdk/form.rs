//! Forms that the agent or an MCP server wants filled in ("elicitation"), and what a person types into one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    pub(crate) name: String,
    /// What the field is for, in the words of the form.
    #[serde(default)]
    pub(crate) title: String,
    kind: Kind,
    /// The only values that the field takes; empty if it takes others.
    #[serde(default)]
    pub(crate) choices: Vec<String>,
    #[serde(default)]
    required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FieldKind")]
enum Kind {
    Text,
    Number,
    Integer,
    Boolean,
    /// Any number of the field's choices.
    Several,
}

/// Reads the fields of a form from its JSON schema.
pub(super) fn fields(schema: &Value) -> Vec<Field> {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, field)| Field::parse(name, field, is_required(name))).collect()
}

/// Turns typed text into the value that is sent: the value of the only field, `name=value; name=value`, or a JSON object. An
/// error says in words what is wrong.
pub(super) fn content(fields: &[Field], text: &str) -> Result<Value, String> {
    let text = text.trim();
    let mut given: Vec<(String, String)> = Vec::new();
    if text.starts_with('{') {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| format!("it is no JSON object: {error}"))?;
        let plain = |value: Value| match value {
            Value::String(text) => text,
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            other => other.to_string(),
        };
        given.extend(object.into_iter().map(|(name, value)| (name, plain(value))));
    } else if let [only] = fields {
        let value = text.strip_prefix(&only.name).and_then(|rest| rest.trim_start().strip_prefix('=')).unwrap_or(text);
        given.push((only.name.clone(), value.trim().to_owned()));
    } else {
        for part in text.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part}: expected NAME=VALUE; NAME=VALUE"))?;
            given.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    let mut content = Map::new();
    for (name, value) in given {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            return Err(format!("there is no field {name}; there is {}", names.join(", ")));
        };
        content.insert(name, field.read(&value)?);
    }
    match fields.iter().find(|field| field.required && !content.contains_key(&field.name)) {
        Some(missing) => Err(format!("{} is missing", missing.name)),
        None => Ok(Value::Object(content)),
    }
}

impl Field {
    fn parse(name: &str, schema: &Value, required: bool) -> Self {
        let is_list = schema["type"] == "array";
        let values = if is_list { &schema["items"] } else { schema };
        // With `oneOf` and `anyOf` each choice has a title of its own, which is shown and not sent.
        let constants = [&values["oneOf"], &values["anyOf"]].into_iter().filter_map(Value::as_array).flatten();
        let constants = constants.map(|choice| &choice["const"]);
        let choices = values["enum"].as_array().into_iter().flatten().chain(constants);
        let title = [&schema["title"], &schema["description"]].into_iter().filter_map(Value::as_str);
        Self {
            name: name.to_owned(),
            title: title.collect::<Vec<_>>().join(": "),
            kind: match schema["type"].as_str() {
                Some("boolean") => Kind::Boolean,
                Some("integer") => Kind::Integer,
                Some("number") => Kind::Number,
                Some("array") => Kind::Several,
                _ => Kind::Text,
            },
            choices: choices.filter_map(|choice| choice.as_str().map(ToOwned::to_owned)).collect(),
            required,
        }
    }

    /// Says in words what the field takes.
    pub(crate) fn takes(&self) -> String {
        let takes = match self.kind {
            Kind::Boolean => "yes or no".to_owned(),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Several => format!("some of {}, with commas", self.choices.join(", ")),
            Kind::Text if self.choices.is_empty() => "text".to_owned(),
            Kind::Text => format!("one of {}", self.choices.join(", ")),
        };
        if self.required { takes } else { takes + ", or nothing" }
    }

    fn read(&self, text: &str) -> Result<Value, String> {
        let wrong = || Err(format!("{}: expected {}, not {text:?}", self.name, self.takes()));
        let is_choice = |text: &str| self.choices.is_empty() || self.choices.iter().any(|choice| choice == text);
        match self.kind {
            Kind::Text if is_choice(text) => Ok(text.into()),
            Kind::Boolean => match text.to_lowercase().as_str() {
                "yes" | "y" | "true" | "on" => Ok(true.into()),
                "no" | "n" | "false" | "off" => Ok(false.into()),
                _ => wrong(),
            },
            Kind::Integer => text.parse::<i64>().map(Into::into).or_else(|_| wrong()),
            Kind::Number => text.parse().ok().and_then(Number::from_f64).map(Into::into).map_or_else(wrong, Ok),
            Kind::Several => {
                let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
                if items.iter().all(|item| is_choice(item)) { Ok(items.into()) } else { wrong() }
            }
            Kind::Text => wrong(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{content, fields};

    #[test]
    fn what_is_typed_becomes_what_the_schema_wants() {
        let schema = json!({"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "title": "Name"},
            "colour": {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "b", "title": "Blue"}]},
            "count": {"type": "integer"},
            "sure": {"type": "boolean"},
            "tags": {"type": "array", "items": {"enum": ["x", "y"]}},
        }});
        let form = fields(&schema);
        let typed = content(&form, "name=a b; colour=b; count=3; sure=yes; tags=x, y").unwrap();
        let meant = json!({"name": "a b", "colour": "b", "count": 3, "sure": true, "tags": ["x", "y"]});
        assert_eq!(typed, meant);
        assert_eq!(content(&form, &meant.to_string()).unwrap(), meant);
        for (text, wrong) in [
            ("colour=r", "name is missing"),
            ("name=a; colour=Red", "colour: expected one of r, b, or nothing, not \"Red\""),
            ("name=a; count=3.5", "count: expected a whole number, or nothing, not \"3.5\""),
            ("name=a; sure=perhaps", "sure: expected yes or no, or nothing, not \"perhaps\""),
            ("name", "name: expected NAME=VALUE; NAME=VALUE"),
        ] {
            assert_eq!(content(&form, text).unwrap_err(), wrong);
        }
        assert!(content(&form, "name=a; size=1").unwrap_err().starts_with("there is no field size; there is "));
        let one = fields(&json!({"properties": {"name": {"type": "string"}}}));
        assert_eq!(content(&one, "a=b; c").unwrap(), json!({"name": "a=b; c"}));
        assert_eq!(content(&one, "name = x").unwrap(), json!({"name": "x"}));
    }
}
