//! JSON values for expressions, and their results as JSON.

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use serde_json::Value;
use std::collections::HashMap;

/// The most that the values may weigh that an expression works on: their text, and 32 bytes for each value.
const MAX_SCOPE: u64 = 8 << 20;

/// A JSON value for the evaluator; its texts are borrowed. The error is the reason in words.
pub(super) fn to_cel<'v>(value: &'v Value, weight: &mut u64) -> Result<Box<dyn Val + 'v>, String> {
    *weight += 32 + value.as_str().map_or(0, |text| text.len() as u64);
    if *weight > MAX_SCOPE {
        return Err(format!(
            "the values that it uses are larger than {} MiB; let an agent do this work",
            MAX_SCOPE >> 20
        ));
    }
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Box::new(CelInt::from(n)),
            (None, Some(n)) => Box::new(CelUInt::from(n)),
            (None, None) => Box::new(CelDouble::from(n.as_f64().unwrap_or_default())),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(list) => {
            let list: Result<Vec<_>, _> = list.iter().map(|element| to_cel(element, weight)).collect();
            Box::new(CelList::from(list?))
        }
        Value::Object(map) => {
            let mut entries = HashMap::with_capacity(map.len());
            for (key, value) in map {
                *weight += key.len() as u64;
                entries.insert(CelMapKey::from(key.as_str()), to_cel(value, weight)?);
            }
            Box::new(CelMap::from(entries))
        }
    })
}

/// A result as JSON, the fields of maps in the order of their names.
pub(super) fn to_json(value: &dyn Val) -> Result<Value, String> {
    Ok(if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        Value::String(text.inner().to_owned())
    } else if let Some(b) = value.downcast_ref::<CelBool>() {
        Value::Bool(*b.inner())
    } else if let Some(n) = value.downcast_ref::<CelInt>() {
        Value::from(*n.inner())
    } else if let Some(n) = value.downcast_ref::<CelUInt>() {
        Value::from(*n.inner())
    } else if let Some(n) = value.downcast_ref::<CelDouble>() {
        serde_json::Number::from_f64(*n.inner()).map(Value::Number).ok_or("a number is infinite or none at all")?
    } else if value.downcast_ref::<CelNull>().is_some() {
        Value::Null
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        list.inner().iter().map(|element| to_json(element.as_ref())).collect::<Result<_, _>>()?
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let mut entries: Vec<_> = map.inner().iter().collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        let mut object = serde_json::Map::new();
        for (key, value) in entries {
            let key = match key {
                CelMapKey::Bool(key) => key.inner().to_string(),
                CelMapKey::Int(key) => key.inner().to_string(),
                CelMapKey::String(key) => key.inner().to_owned(),
                CelMapKey::UInt(key) => key.inner().to_string(),
            };
            object.insert(key, to_json(value.as_ref())?);
        }
        Value::Object(object)
    } else {
        return Err(format!("its value is of a kind that a task cannot be given: {}", value.get_type().name()));
    })
}
