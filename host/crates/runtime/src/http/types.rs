//! The functions of `wasi:http/types` that answer requests.

use applet_bindings::foreign::http::wasi::http::types::{
    ErrorCode, Fields as WitFields, FutureTrailers, HeaderError, Host, HostFields, HostFutureTrailers,
    HostIncomingBody, HostIncomingRequest, HostOutgoingBody, HostOutgoingResponse, HostResponseOutparam,
    IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme,
};
use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError, Pollable};

use super::body::Body;
use super::fields::{Fields, Refused};
use super::request::Request;
use super::{Outparam, Response, retype};
use crate::guest::Guest;

/// The outer error ends the guest.
type Done<T> = wasmtime::Result<T>;

/// A request's body, until its stream is taken.
struct Incoming(Option<Bytes>);

/// Trailers of a request: there never are any.
struct NoTrailers {
    taken: bool,
}

#[async_trait::async_trait]
impl Pollable for NoTrailers {
    async fn ready(&mut self) {}
}

/// A response's body, and whether its stream is taken.
struct Outgoing {
    body: Body,
    taken: bool,
}

impl Host for Guest {
    /// No stream of ours fails for a reason of HTTP's.
    fn http_error_code(&mut self, _: Resource<IoError>) -> Done<Option<ErrorCode>> {
        self.count_host_call()?;
        Ok(None)
    }
}

const fn header_error(refused: Refused) -> HeaderError {
    match refused {
        Refused::Syntax => HeaderError::InvalidSyntax,
        Refused::Immutable => HeaderError::Immutable,
        Refused::TooMany => HeaderError::Forbidden,
    }
}

impl Guest {
    fn push_fields(&mut self, fields: Fields) -> Done<Resource<WitFields>> {
        Ok(retype(&self.table.push(fields)?))
    }

    fn fields(&self, this: &Resource<WitFields>) -> Done<&Fields> {
        Ok(self.table.get(&retype(this))?)
    }

    fn fields_mut(&mut self, this: &Resource<WitFields>) -> Done<&mut Fields> {
        Ok(self.table.get_mut(&retype(this))?)
    }

    fn response(&mut self, this: &Resource<OutgoingResponse>) -> Done<&mut Response> {
        Ok(self.table.get_mut(&retype(this))?)
    }
}

impl HostFields for Guest {
    fn new(&mut self) -> Done<Resource<WitFields>> {
        self.count_host_call()?;
        self.push_fields(Fields::default())
    }

    fn from_list(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Done<Result<Resource<WitFields>, HeaderError>> {
        self.count_host_call()?;
        let mut fields = Fields::default();
        for (name, value) in entries {
            if let Err(refused) = fields.append(&name, value) {
                return Ok(Err(header_error(refused)));
            }
        }
        self.push_fields(fields).map(Ok)
    }

    fn get(&mut self, this: Resource<WitFields>, name: String) -> Done<Vec<Vec<u8>>> {
        self.count_host_call()?;
        Ok(self.fields(&this)?.get(&name).map(<[u8]>::to_vec).collect())
    }

    fn has(&mut self, this: Resource<WitFields>, name: String) -> Done<bool> {
        self.count_host_call()?;
        Ok(self.fields(&this)?.has(&name))
    }

    fn set(
        &mut self,
        this: Resource<WitFields>,
        name: String,
        values: Vec<Vec<u8>>,
    ) -> Done<Result<(), HeaderError>> {
        self.count_host_call()?;
        let fields = self.fields_mut(&this)?;
        let done = fields
            .delete(&name)
            .and_then(|()| values.into_iter().try_for_each(|value| fields.append(&name, value)));
        Ok(done.map_err(header_error))
    }

    fn delete(&mut self, this: Resource<WitFields>, name: String) -> Done<Result<(), HeaderError>> {
        self.count_host_call()?;
        Ok(self.fields_mut(&this)?.delete(&name).map_err(header_error))
    }

    fn append(
        &mut self,
        this: Resource<WitFields>,
        name: String,
        value: Vec<u8>,
    ) -> Done<Result<(), HeaderError>> {
        self.count_host_call()?;
        Ok(self.fields_mut(&this)?.append(&name, value).map_err(header_error))
    }

    fn entries(&mut self, this: Resource<WitFields>) -> Done<Vec<(String, Vec<u8>)>> {
        self.count_host_call()?;
        Ok(self.fields(&this)?.entries().to_vec())
    }

    fn clone(&mut self, this: Resource<WitFields>) -> Done<Resource<WitFields>> {
        self.count_host_call()?;
        let copy = self.fields(&this)?.thawed();
        self.push_fields(copy)
    }

    fn drop(&mut self, this: Resource<WitFields>) -> Done<()> {
        self.table.delete::<Fields>(retype(&this))?;
        Ok(())
    }
}

impl HostIncomingRequest for Guest {
    fn method(&mut self, this: Resource<IncomingRequest>) -> Done<Method> {
        self.count_host_call()?;
        let request: &Request = self.table.get(&retype(&this))?;
        Ok(match request.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "CONNECT" => Method::Connect,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "PATCH" => Method::Patch,
            other => Method::Other(other.to_owned()),
        })
    }

    fn path_with_query(&mut self, this: Resource<IncomingRequest>) -> Done<Option<String>> {
        self.count_host_call()?;
        let request: &Request = self.table.get(&retype(&this))?;
        Ok(Some(request.path.clone()))
    }

    fn scheme(&mut self, _: Resource<IncomingRequest>) -> Done<Option<Scheme>> {
        self.count_host_call()?;
        Ok(Some(Scheme::Http))
    }

    fn authority(&mut self, this: Resource<IncomingRequest>) -> Done<Option<String>> {
        self.count_host_call()?;
        let request: &Request = self.table.get(&retype(&this))?;
        Ok(Some(request.authority().to_owned()))
    }

    fn headers(&mut self, this: Resource<IncomingRequest>) -> Done<Resource<WitFields>> {
        self.count_host_call()?;
        let request: &Request = self.table.get(&retype(&this))?;
        let headers = request.headers.clone();
        self.push_fields(headers)
    }

    fn consume(&mut self, this: Resource<IncomingRequest>) -> Done<Result<Resource<IncomingBody>, ()>> {
        self.count_host_call()?;
        let request: &mut Request = self.table.get_mut(&retype(&this))?;
        let Some(body) = request.body.take() else { return Ok(Err(())) };
        Ok(Ok(retype(&self.table.push(Incoming(Some(body)))?)))
    }

    fn drop(&mut self, this: Resource<IncomingRequest>) -> Done<()> {
        self.table.delete::<Request>(retype(&this))?;
        Ok(())
    }
}

impl HostIncomingBody for Guest {
    fn stream(&mut self, this: Resource<IncomingBody>) -> Done<Result<Resource<DynInputStream>, ()>> {
        self.count_host_call()?;
        let incoming: &mut Incoming = self.table.get_mut(&retype(&this))?;
        let Some(bytes) = incoming.0.take() else { return Ok(Err(())) };
        let stream: DynInputStream = Box::new(MemoryInputPipe::new(bytes));
        Ok(Ok(self.table.push(stream)?))
    }

    fn finish(&mut self, this: Resource<IncomingBody>) -> Done<Resource<FutureTrailers>> {
        self.count_host_call()?;
        self.table.delete::<Incoming>(retype(&this))?;
        Ok(retype(&self.table.push(NoTrailers { taken: false })?))
    }

    fn drop(&mut self, this: Resource<IncomingBody>) -> Done<()> {
        self.table.delete::<Incoming>(retype(&this))?;
        Ok(())
    }
}

/// Trailers, and why there are none; the outermost level says that they have not been asked for before.
type TrailersAnswer = Option<Result<Result<Option<Resource<WitFields>>, ErrorCode>, ()>>;

impl HostFutureTrailers for Guest {
    fn subscribe(&mut self, this: Resource<FutureTrailers>) -> Done<Resource<DynPollable>> {
        self.count_host_call()?;
        // Borrowed: the pollable is a child of the trailers, which go when the guest drops them.
        let trailers = Resource::<NoTrailers>::new_borrow(this.rep());
        wasmtime_wasi::p2::subscribe(&mut self.table, trailers)
    }

    fn get(&mut self, this: Resource<FutureTrailers>) -> Done<TrailersAnswer> {
        self.count_host_call()?;
        let trailers: &mut NoTrailers = self.table.get_mut(&retype(&this))?;
        let taken = std::mem::replace(&mut trailers.taken, true);
        Ok(Some(if taken { Err(()) } else { Ok(Ok(None)) }))
    }

    fn drop(&mut self, this: Resource<FutureTrailers>) -> Done<()> {
        self.table.delete::<NoTrailers>(retype(&this))?;
        Ok(())
    }
}

impl HostOutgoingResponse for Guest {
    fn new(&mut self, headers: Resource<WitFields>) -> Done<Resource<OutgoingResponse>> {
        self.count_host_call()?;
        let headers = self.table.delete::<Fields>(retype(&headers))?.freeze();
        let body = Body::new(self.http.allowance.clone());
        Ok(retype(&self.table.push(Response { status: 200, headers, body, body_taken: false })?))
    }

    fn status_code(&mut self, this: Resource<OutgoingResponse>) -> Done<u16> {
        self.count_host_call()?;
        Ok(self.response(&this)?.status)
    }

    fn set_status_code(&mut self, this: Resource<OutgoingResponse>, status: u16) -> Done<Result<(), ()>> {
        self.count_host_call()?;
        if !(100..=999).contains(&status) {
            return Ok(Err(()));
        }
        self.response(&this)?.status = status;
        Ok(Ok(()))
    }

    fn headers(&mut self, this: Resource<OutgoingResponse>) -> Done<Resource<WitFields>> {
        self.count_host_call()?;
        let headers = self.response(&this)?.headers.clone();
        self.push_fields(headers)
    }

    fn body(&mut self, this: Resource<OutgoingResponse>) -> Done<Result<Resource<OutgoingBody>, ()>> {
        self.count_host_call()?;
        let response = self.response(&this)?;
        if std::mem::replace(&mut response.body_taken, true) {
            return Ok(Err(()));
        }
        let body = response.body.clone();
        Ok(Ok(retype(&self.table.push(Outgoing { body, taken: false })?)))
    }

    fn drop(&mut self, this: Resource<OutgoingResponse>) -> Done<()> {
        self.table.delete::<Response>(retype(&this))?;
        Ok(())
    }
}

impl HostOutgoingBody for Guest {
    fn write(&mut self, this: Resource<OutgoingBody>) -> Done<Result<Resource<DynOutputStream>, ()>> {
        self.count_host_call()?;
        let outgoing: &mut Outgoing = self.table.get_mut(&retype(&this))?;
        if std::mem::replace(&mut outgoing.taken, true) {
            return Ok(Err(()));
        }
        let stream: DynOutputStream = Box::new(outgoing.body.clone());
        Ok(Ok(self.table.push(stream)?))
    }

    /// An answer of a hook has no trailers, so a response must not depend on any.
    fn finish(
        &mut self,
        this: Resource<OutgoingBody>,
        trailers: Option<Resource<WitFields>>,
    ) -> Done<Result<(), ErrorCode>> {
        self.count_host_call()?;
        self.table.delete::<Outgoing>(retype(&this))?;
        let Some(trailers) = trailers else { return Ok(Ok(())) };
        let trailers = self.table.delete::<Fields>(retype(&trailers))?;
        if trailers.entries().is_empty() {
            return Ok(Ok(()));
        }
        Ok(Err(ErrorCode::HttpResponseTrailerSectionSize(Some(0))))
    }

    fn drop(&mut self, this: Resource<OutgoingBody>) -> Done<()> {
        self.table.delete::<Outgoing>(retype(&this))?;
        Ok(())
    }
}

impl HostResponseOutparam for Guest {
    fn set(
        &mut self,
        this: Resource<ResponseOutparam>,
        response: Result<Resource<OutgoingResponse>, ErrorCode>,
    ) -> Done<()> {
        self.count_host_call()?;
        self.table.delete::<Outparam>(retype(&this))?;
        let response = match response {
            Ok(response) => Ok(self.table.delete::<Response>(retype(&response))?),
            Err(error) => Err(case(&error)),
        };
        self.http.response = Some(response);
        Ok(())
    }

    fn drop(&mut self, this: Resource<ResponseOutparam>) -> Done<()> {
        self.table.delete::<Outparam>(retype(&this))?;
        Ok(())
    }
}

/// The few errors that tell something about a response that was not made; a component's own words stay out.
const fn case(error: &ErrorCode) -> &'static str {
    match error {
        ErrorCode::HttpRequestMethodInvalid => "HTTP-request-method-invalid",
        ErrorCode::HttpRequestUriInvalid => "HTTP-request-URI-invalid",
        ErrorCode::HttpRequestDenied => "HTTP-request-denied",
        ErrorCode::HttpResponseIncomplete => "HTTP-response-incomplete",
        ErrorCode::InternalError(_) => "internal-error",
        _ => "other",
    }
}
