//! On a real PostgreSQL: the second wall, catalogues, examinations, checks and DDL.

#[cfg(test)]
mod common;
#[cfg(test)]
mod examine;
#[cfg(test)]
mod signed;
#[cfg(test)]
mod wall;
