//! The host's answer to a plugin's question for interfaces.

use lacuna_abi::{Bytes, Interface, name};

use super::{batches, errors, logs, models, states, tensors, weights};

/// The host's tables by name; [`Interface::NONE`] for names it does not know.
///
/// # Safety
/// `name` must be alive for the call.
pub unsafe extern "C" fn query(name: Bytes) -> Interface {
    // SAFETY: by the caller's promise.
    match unsafe { name.as_text() } {
        Some(name::ERRORS) => Interface::of(&errors::TABLE),
        Some(name::TENSORS) => Interface::of(&tensors::TABLE),
        Some(name::WEIGHTS) => Interface::of(&weights::TABLE),
        Some(name::MODELS) => Interface::of(&models::TABLE),
        Some(name::BATCHES) => Interface::of(&batches::TABLE),
        Some(name::LOGS) => Interface::of(&logs::TABLE),
        Some(name::STATES) => Interface::of(&states::TABLE),
        _ => Interface::NONE,
    }
}
