//! What both guests do alike: routes, and requests of the tests in JSON.

use serde_json::{json, Value};

/// A statement to run, as the test sends it: `{"sql": "…", "parameters": [{"int32": 1}, "null"]}`.
pub struct Ask {
    pub sql: String,
    pub parameters: Vec<(String, Value)>,
}

impl Ask {
    pub fn read(body: &[u8]) -> anyhow::Result<Self> {
        let body: Value = serde_json::from_slice(body)?;
        let parameters = body["parameters"].as_array().cloned().unwrap_or_default();
        let tagged = |parameter: Value| match parameter {
            Value::Object(fields) => fields.into_iter().next().unwrap(),
            other => (other.as_str().unwrap().to_owned(), Value::Null),
        };
        Ok(Self {
            sql: body["sql"].as_str().unwrap().to_owned(),
            parameters: parameters.into_iter().map(tagged).collect(),
        })
    }
}

/// A number of a list in JSON.
pub fn number<T: TryFrom<i64>>(value: &Value, index: usize) -> T {
    T::try_from(value[index].as_i64().unwrap()).ok().unwrap()
}

/// Year, month, day.
pub fn date(value: &Value) -> (i32, u8, u8) {
    (number(value, 0), number(value, 1), number(value, 2))
}

/// Hour, minute, second, nanosecond.
pub fn time(value: &Value) -> (u8, u8, u8, u32) {
    (number(value, 0), number(value, 1), number(value, 2), number(value, 3))
}

/// Both.
pub fn date_time(value: &Value) -> (i32, u8, u8, u8, u8, u8, u32) {
    let (year, month, day) = date(value);
    (year, month, day, number(value, 3), number(value, 4), number(value, 5), number(value, 6))
}

/// Bytes, as a list of numbers.
pub fn bytes(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
}

/// What the guest sees of its request and its surroundings.
pub fn seen(request: &http::Request<Vec<u8>>) -> Value {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "x": header("x-test"),
        "fullUrl": header("spin-full-url"),
        "body": String::from_utf8_lossy(request.body()),
        "environment": std::env::vars().collect::<Vec<_>>(),
        "greeting": spin_sdk::variables::get("greeting").ok(),
        "missing": spin_sdk::variables::get("missing").map_err(|error| format!("{error:?}")).err(),
    })
}
