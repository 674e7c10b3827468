use http::{Request, Response};
use spin_sdk::http_component;
use spin_sdk::pg4::Connection;

#[http_component]
fn guestbook(request: Request<()>) -> anyhow::Result<Response<String>> {
    let connection = Connection::open(&std::env::var("DB_URL")?)?;
    if request.method() == "POST" {
        connection.execute("INSERT INTO entries (message) VALUES ($1)", &["hello".to_owned().into()])?;
    }
    let rows = connection.query("SELECT message FROM entries ORDER BY id", &[])?;
    let messages: Vec<_> = rows.rows().filter_map(|row| row.get::<String>("message")).collect();
    Ok(Response::builder().status(200).body(messages.join("\n"))?)
}
