//! Wants to reach the network. The host refuses it at submit, because nobody serves `wasi:sockets`.

use std::net::TcpStream;

use applet_sdk::HookError;

fn connect(address: String) -> Result<(), HookError> {
    TcpStream::connect(address).map(drop).map_err(|error| HookError::new("network", error.to_string()))
}

applet_sdk::export! { named: { "connect" => connect } }
