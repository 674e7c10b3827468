//! Grants as they are kept outside of memory: without the parts that follow from the applet's id.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{AppletId, Grants, InvalidName, PhysicalTable, SqlName, TableGrant};

/// The stored form of [`Grants`]. Physical names of own tables are made again when it is read, by the
/// only function that may make them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    tables: BTreeMap<SqlName, TableGrant>,
    own: BTreeSet<SqlName>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    withheld: BTreeMap<SqlName, TableGrant>,
}

impl Granted {
    /// The stored form.
    pub fn of(grants: &Grants) -> Self {
        Self {
            tables: grants.tables().map(|(name, grant)| (name.clone(), grant.clone())).collect(),
            own: grants.own_tables().map(|(declared, _)| declared.clone()).collect(),
            withheld: grants.withheld().map(|(name, grant)| (name.clone(), grant.clone())).collect(),
        }
    }

    /// The grants of this applet again.
    ///
    /// # Errors
    ///
    /// When a name of an own table does not fit.
    pub fn into_grants(self, applet: &AppletId) -> Result<Grants, InvalidName> {
        let mut builder = Grants::builder();
        for declared in self.own {
            let physical = PhysicalTable::of(applet, &declared)?;
            builder.own_table(declared, physical);
        }
        for (name, grant) in self.tables {
            *builder.table(name) = grant;
        }
        for (name, grant) in self.withheld {
            builder.withheld(name, grant);
        }
        Ok(builder.build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Columns;

    #[test]
    fn s4_10_grants_read_back_as_they_were_kept() {
        let applet: AppletId = "ai-chat".parse().unwrap();
        let declared: SqlName = "configs".parse().unwrap();
        let physical = PhysicalTable::of(&applet, &declared).unwrap();
        let mut builder = Grants::builder();
        builder.own_table(declared, physical).read = Some(Columns::All);
        builder.table("clients".parse().unwrap()).update =
            Some(Columns::Only(["phone".parse().unwrap()].into_iter().collect()));
        let grants = builder.build();
        let text = serde_json::to_string(&Granted::of(&grants)).unwrap();
        let read: Granted = serde_json::from_str(&text).unwrap();
        assert_eq!(read.into_grants(&applet).unwrap(), grants);
    }
}
