//! What the host asks for itself: one statement, at most one row.

use applet_types::Encoding;

use super::error::WireError;
use super::rows::{Fetch, Fetched};
use super::run::{Bound, Exchange};
use super::session::Session;
use crate::values::Fit;

impl Session {
    /// Runs one statement of the host's own and reads its first row, of at most `bytes` bytes.
    pub(crate) async fn ask(
        &mut self,
        text: &str,
        parameters: Vec<Fit<'_>>,
        bytes: usize,
    ) -> Result<Fetched, WireError> {
        let prepared = self.prepare(&[text]).await?;
        let prepared = prepared.first().ok_or(WireError::Protocol("nothing was prepared"))?;
        let encoding = Encoding::Packed;
        let fetch = Fetch { encoding, rows: 1, truncate: true, row_bytes: bytes, result_bytes: bytes };
        let statements = [Bound { prepared, parameters, fetch }];
        let exchange = Exchange { statements: &statements, ..Exchange::default() };
        let fetched = self.exchange(&exchange).await?.pop();
        fetched.ok_or(WireError::Protocol("a statement was not answered"))
    }
}
