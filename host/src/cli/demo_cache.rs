//! The act of the demo in which reads are answered from the cache, until the applet writes.

use applet_proxy::CacheCounts;

use super::demo::Stage;
use crate::demo_data::DemoTenant;
use crate::output::CommandError;

impl Stage {
    /// Asks the same twice, writes, and asks again. The version that runs has `cache` in its manifest.
    pub(super) async fn cached(&self, tenant: &DemoTenant) -> Result<(), CommandError> {
        self.output.progress(format_args!("\n  this version may cache: {} asks again", tenant.name));
        let first = self.counted(tenant, "asked once").await?;
        let second = self.counted(tenant, "asked twice").await?;
        if second.hits == 0 || second.misses > 0 || second.answer != first.answer {
            return Err(CommandError::usage("the same question was not answered from the cache"));
        }
        let payload = r#"{"chat_id": 1, "question": "And ten?"}"#;
        self.call(tenant, "reply", payload).await?;
        let written = self.counted(tenant, "has written").await?;
        if written.misses == 0 || written.answer == second.answer {
            return Err(CommandError::usage("an answer from before a write was served after it"));
        }
        Ok(())
    }

    async fn counted(&self, tenant: &DemoTenant, when: &str) -> Result<Counted, CommandError> {
        let before = self.host.cache.status().counts;
        let answer = self.call(tenant, "summary", "null").await?;
        let after = self.host.cache.status().counts;
        let (hits, misses) = (hits(&after) - hits(&before), after.misses - before.misses);
        self.output
            .progress(format_args!("    {when:<12} {hits} reads from the cache, {misses} from PostgreSQL"));
        Ok(Counted { answer, hits, misses })
    }
}

struct Counted {
    answer: String,
    hits: u64,
    misses: u64,
}

const fn hits(counts: &CacheCounts) -> u64 {
    counts.memory_hits + counts.redis_hits
}
