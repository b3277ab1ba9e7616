//! `lacuna.logs/0`: loss parts, metrics and log lines.

use lacuna_abi::{Bytes, Handle, Logs};

use super::items::BatchItem;
use super::loss::{LossCollector, LossPart, Metric, Shown};
use super::object::{self, Content, Object};
use super::{frame, guard};
use crate::error::{Error, Result};

pub(super) static TABLE: Logs = Logs { part, metric, targets, log, item, figure };

fn collector(object: &Object) -> Result<&LossCollector> {
    match object.content() {
        Content::Loss(collector) => Ok(collector),
        _ => Err(guard::wrong_kind("the loss", "loss", object)),
    }
}

unsafe extern "C" fn part(loss: Handle, name: Bytes, weight: f64, sum: Handle, count: Handle) -> Handle {
    guard::answer(|| {
        // SAFETY: handles and text are lent for this call.
        let (loss, name) = unsafe { (guard::object("the loss", loss)?, guard::text("the name of a loss part", name)?) };
        // SAFETY: as above.
        let [sum, count] = unsafe { [guard::object("the sum", sum)?, guard::object("the count", count)?] };
        let (sum, count) = (guard::tensor("the sum", sum)?, guard::tensor("the count", count)?);
        collector(loss)?.part(LossPart { name: name.to_owned(), weight, sum, count })
    })
}

unsafe extern "C" fn metric(loss: Handle, name: Bytes, sum: Handle, count: Handle) -> Handle {
    guard::answer(|| {
        // SAFETY: handles and text are lent for this call.
        let (loss, name) = unsafe { (guard::object("the loss", loss)?, guard::text("the name of a metric", name)?) };
        // SAFETY: as above.
        let [sum, count] = unsafe { [guard::object("the sum", sum)?, guard::object("the count", count)?] };
        let (sum, count) = (guard::tensor("the sum", sum)?, guard::tensor("the count", count)?);
        collector(loss)?.metric(Metric { name: name.to_owned(), sum, count })
    })
}

unsafe extern "C" fn targets(loss: Handle, targets: Handle) -> Handle {
    guard::answer(|| {
        // SAFETY: handles are lent for this call.
        let [loss, targets] = unsafe { [guard::object("the loss", loss)?, guard::object("the targets", targets)?] };
        collector(loss)?.targets(guard::tensor("the targets", targets)?)
    })
}

unsafe extern "C" fn item(loss: Handle, name: Bytes, values: Handle, layout: Handle, write: u32) -> Handle {
    guard::answer(|| {
        // SAFETY: handles and text are lent for this call.
        let (loss, name) = unsafe { (guard::object("the loss", loss)?, guard::text("the name of an item", name)?) };
        let collector = collector(loss)?;
        if frame::current()?.call().options().training {
            return Ok(());
        }
        // SAFETY: as above.
        let values =
            guard::tensor("the values of an item", unsafe { guard::object("the values of an item", values)? })?;
        // SAFETY: as above.
        let layout = match unsafe { object::borrow(layout) } {
            None => None,
            Some(object) => match object.content() {
                Content::Layout(layout) => Some(layout.clone()),
                _ => return Err(guard::wrong_kind("the layout of an item", "layout", object)),
            },
        };
        match write {
            0 | 1 => collector.item(BatchItem { name: name.to_owned(), values, layout, written: write == 1 }),
            2 | 3 => collector.shown(Shown { name: name.to_owned(), pictures: values, as_pixels: write == 2 }),
            _ => {
                Err(Error::new("plugin/unknown", format!("this host does not know what to do with the item `{name}`"))
                    .with_help("build the plugin against the host's own `plugin_api`"))
            }
        }
    })
}

unsafe extern "C" fn figure(figures: Handle, name: Bytes, value: f64) -> Handle {
    guard::answer(|| {
        // SAFETY: handles and text are lent for this call.
        let (figures, name) =
            unsafe { (guard::object("the figures", figures)?, guard::text("the name of a figure", name)?) };
        collector(figures)?.figure(name, value)
    })
}

unsafe extern "C" fn log(level: u32, text: Bytes) {
    let written = guard::caught(|| {
        // SAFETY: the text is lent for this call.
        let text = String::from_utf8_lossy(unsafe { text.as_slice() });
        let frame = frame::top();
        let plugin = frame.as_ref().map_or("plugin", |frame| &frame.callee().plugin);
        match frame.as_ref().and_then(|frame| frame.call().options().log.as_ref()) {
            Some(log) => log(level, plugin, &text),
            // Outside a run only warnings are worth a line.
            None if level >= 2 => eprintln!("{plugin}: {text}"),
            None => {}
        }
        Ok(())
    });
    // A log line that fails must not fail the plugin.
    drop(written);
}
