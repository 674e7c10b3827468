//! Windows and their frames.

use sqlparser::ast::{self, WindowFrameBound, WindowFrameUnits};

use super::Lower;
use super::scope::Scope;
use crate::ir::{Bound, Frame, Window};
use crate::reject::Gate;

impl Lower<'_> {
    pub(super) fn window(&mut self, window: &ast::WindowSpec, scope: &Scope<'_>) -> Gate<Window> {
        let ast::WindowSpec { window_name, partition_by, order_by, window_frame } = window;
        Ok(Window {
            base: window_name.as_ref().map(|name| self.column_name(name)).transpose()?,
            partition_by: self.exprs(partition_by, scope)?,
            order_by: self.orders(order_by, scope, &[])?,
            frame: window_frame.as_ref().map(|frame| self.frame(frame, scope)).transpose()?,
        })
    }

    fn frame(&mut self, frame: &ast::WindowFrame, scope: &Scope<'_>) -> Gate<Frame> {
        let ast::WindowFrame { units, start_bound, end_bound } = frame;
        let units = match units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => "GROUPS",
        };
        let start = self.bound(start_bound, scope)?;
        let end = end_bound.as_ref().map(|bound| self.bound(bound, scope)).transpose()?;
        Ok(Frame { units, start, end })
    }

    fn bound(&mut self, bound: &WindowFrameBound, scope: &Scope<'_>) -> Gate<Bound> {
        Ok(match bound {
            WindowFrameBound::CurrentRow => Bound::CurrentRow,
            WindowFrameBound::Preceding(None) => Bound::UnboundedPreceding,
            WindowFrameBound::Following(None) => Bound::UnboundedFollowing,
            WindowFrameBound::Preceding(Some(distance)) => Bound::Preceding(self.boxed(distance, scope)?),
            WindowFrameBound::Following(Some(distance)) => Bound::Following(self.boxed(distance, scope)?),
        })
    }
}
