//! A sample applet: it reads a tenant's clients and chats, answers chats, and keeps its settings in a table
//! of its own.
//!
//! It asks no language model: the answer is made here, so that the sample runs anywhere.

mod chats;
mod config;

applet_sdk::export! {
    named: {
        "summary" => chats::summary,
        "messages" => chats::messages,
        "reply" => chats::reply,
        "configure" => config::configure,
    },
    on_install: config::create,
    on_upgrade: config::upgrade,
}
