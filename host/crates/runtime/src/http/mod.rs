//! Components that answer HTTP requests (`wasi:http/incoming-handler`), called by the named hooks of their manifest:
//! the hook's payload says what the request is, and its answer is the response.
//!
//! *Invariant:* nothing is listened to and nobody is called. The request is made here, from what the hook's caller
//! sent; request and response are in memory, and bounded.

mod answer;
mod body;
mod fields;
mod request;
mod types;

use applet_bindings::foreign::http::wasi::http::types as wit;
use applet_types::{ErrorCode, Failure, HookError, HookName};
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::guest::Guest;
use body::{Allowance, Body};
use fields::Fields;

pub(crate) use request::Request;

/// What a component has answered so far.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    allowance: Allowance,
    response: Option<Result<Response, &'static str>>,
}

/// A response as the component makes it.
#[derive(Debug)]
struct Response {
    status: u16,
    headers: Fields,
    body: Body,
    body_taken: bool,
}

/// The place of the response, which a component fills once.
struct Outparam;

/// Gives the handle of one type the type of another: in the generated bindings handles have no content.
fn retype<From: 'static, To: 'static>(handle: &Resource<From>) -> Resource<To> {
    Resource::new_own(handle.rep())
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wit::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

/// What the component is handed.
pub(crate) type Handed = (Resource<wit::IncomingRequest>, Resource<wit::ResponseOutparam>);

impl Guest {
    /// Makes the handles of a request and of the place for its response.
    pub(crate) fn hand_request(&mut self, request: Request) -> wasmtime::Result<Handed> {
        let allowance = Allowance::of(self.call.limits.execution.host_call_bytes);
        self.http = Exchange { allowance, response: None };
        let request = self.table.push(request)?;
        let outparam = self.table.push(Outparam)?;
        Ok((retype(&request), retype(&outparam)))
    }

    /// The answer of the hook, once the component has returned.
    pub(crate) fn take_answer(&mut self) -> Result<String, HookError> {
        match self.http.response.take() {
            Some(Ok(response)) => answer::text(&response),
            Some(Err(case)) => Err(HookError::Applet {
                code: "http-error".to_owned(),
                message: format!("the component answered with the error `{case}`"),
            }),
            None => Err(HookError::Applet {
                code: "no-response".to_owned(),
                message: "the component returned without a response".to_owned(),
            }),
        }
    }
}

/// The request that a hook's payload means.
pub(crate) fn request(hook: &HookName, payload: &str) -> Result<Request, HookError> {
    Request::read(hook.as_str(), payload)
        .map_err(|reason| Failure::new(ErrorCode::BadParameter, reason).hint(request::HINT).into())
}
