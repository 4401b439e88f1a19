//! What a task is given beside its input, as its guest is told and shown. What it looks at is recorded; the content is the same in every
//! replay, because it is kept with the run.

use crate::audit::Deed;
use crate::bindings::agent::longhaul::plugin::{context, types};
use crate::guest::Guest;
use crate::host::short;
use longhaul_core::attachment::Attachment;
use longhaul_core::attempt::RecordError;
use longhaul_core::grant::Capability;
use std::sync::Arc;

const LIST: &str = "attachments";
const READ: &str = "read-attachment";

impl Guest {
    /// All attachments.
    pub(crate) fn list_attachments(&mut self) -> wasmtime::Result<Vec<context::Attachment>> {
        let attachments = Arc::clone(&self.reach.attachments);
        let listed: Vec<_> = attachments.list().iter().map(told).collect();
        self.meter.charge_call(listed.iter().map(|attachment| attachment.name.len()).sum());
        self.audit.action(Deed::new(Capability::Context, LIST, "").detail(format!("{} of them", listed.len())))?;
        Ok(listed)
    }

    /// The content of one of them.
    pub(crate) async fn one_attachment(&mut self, name: &str) -> wasmtime::Result<Result<Vec<u8>, types::Error>> {
        self.meter.charge_call(name.len());
        let attachments = Arc::clone(&self.reach.attachments);
        let deed = Deed::new(Capability::Context, READ, short(name));
        let Some(attachment) = attachments.list().iter().find(|attachment| attachment.name == name) else {
            let reason = format!("the task has no attachment `{}`", short(name));
            self.audit.action(deed.failed(reason.clone()))?;
            return Ok(Err(types::Error::Invalid(reason)));
        };
        if attachment.size > self.limits.call_bytes {
            let (size, most) = (attachment.size, self.limits.call_bytes);
            let reason = format!("the attachment has {size}, more than the {most} that a host call may carry");
            self.audit.action(deed.failed(reason.clone()))?;
            return Ok(Err(types::Error::Exhausted(reason)));
        }
        // A replay that was told something else would come to another end, so what cannot be had ends the attempt.
        let content = attachments.read(attachment).await.map_err(|error| {
            let reason = format!("the attachment `{}` cannot be had again: {error}", attachment.name);
            self.audit.fail(RecordError::Lost(reason))
        })?;
        self.meter.charge_call(content.len());
        self.audit.action(Deed { bytes: content.len() as u64, digest: Some(attachment.digest), ..deed })?;
        Ok(Ok(content))
    }
}

fn told(attachment: &Attachment) -> context::Attachment {
    context::Attachment {
        name: attachment.name.clone(),
        source: attachment.source.to_string(),
        media_type: attachment.media_type.clone(),
        size: attachment.size.0,
        digest: attachment.digest.to_string(),
    }
}
