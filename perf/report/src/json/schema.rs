//! Holds a JSON value against the part of JSON Schema that the published schema uses: [`faults`].

use serde_json::Value;

/// What of the value does not fit, each with its place.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, schema, value, "", &mut faults);
    faults
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let place = reference.trim_start_matches('#');
        let Some(there) = root.pointer(place) else {
            return faults.push(format!("{at}: {reference} is not in the schema"));
        };
        check(root, there, value, at, faults);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array()
            && !choices.iter().any(|choice| {
                let mut inner = Vec::new();
                check(root, choice, value, at, &mut inner);
                inner.is_empty()
            })
        {
            faults.push(format!("{at}: {value} fits nothing of {key}"));
        }
    }
    if let Some(wanted) = schema.get("const")
        && wanted != value
    {
        faults.push(format!("{at}: {value} is not {wanted}"));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        faults.push(format!("{at}: {value} is not in the list"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
        faults.push(format!("{at}: {value} is none of {types:?}"));
    }
    if let (Some(object), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                faults.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, inner) in object {
            match known.get(name) {
                Some(schema) => check(root, schema, inner, &format!("{at}/{name}"), faults),
                None if schema["additionalProperties"] == false => {
                    faults.push(format!("{at}: {name} is not known"));
                }
                None => {}
            }
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        for (number, item) in items.iter().enumerate() {
            check(root, schema, item, &format!("{at}/{number}"), faults);
        }
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
