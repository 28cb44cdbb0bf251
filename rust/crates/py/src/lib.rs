//! The extension module `storage._core`: the only crate that knows PyO3.
//!
//! Belongs here: conversions, errors, who owns the data directory, and opening the parts. Does not belong here: any
//! decision. The stub is `storage/_core.pyi`.
#![allow(missing_docs)] // the stub documents what Python sees

mod audit;
mod batch;
mod control;
mod core;
mod datadir;
mod decisions;
mod listings;
mod relation_values;
mod relations;
mod schema;
mod serve;

use pyo3::prelude::*;

/// Raised by Python when the extension is of another build than the package.
const ABI: u32 = 4;

pyo3::create_exception!(
    _core,
    StoreError,
    pyo3::exceptions::PyException,
    "The disk failed, or stored bytes are wrong."
);
pyo3::create_exception!(_core, Conflict, pyo3::exceptions::PyException, "A guard did not hold; nothing changed.");
pyo3::create_exception!(_core, ConfigError, pyo3::exceptions::PyException, "A setting the core refuses.");

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ABI", ABI)?;
    module.add("StoreError", module.py().get_type::<StoreError>())?;
    module.add("Conflict", module.py().get_type::<Conflict>())?;
    module.add("ConfigError", module.py().get_type::<ConfigError>())?;
    module.add_class::<core::Core>()?;
    module.add_class::<relations::Relations>()?;
    module.add_class::<relations::Watch>()?;
    module.add_class::<control::ControlRequest>()?;
    module.add_function(wrap_pyfunction!(generate_key, module)?)?;
    module.add_function(wrap_pyfunction!(audit::audit_reasons, module)?)?;
    module.add_function(wrap_pyfunction!(audit::audit_changes, module)?)?;
    module.add_function(wrap_pyfunction!(relations::relation_names, module)?)?;
    module.add_function(wrap_pyfunction!(relations::permission_names, module)?)?;
    module.add_function(wrap_pyfunction!(relations::permission_of_action, module)?)?;
    module.add_function(wrap_pyfunction!(error_codes, module)?)
}

/// 32 bytes from the system's generator.
#[pyfunction]
fn generate_key() -> PyResult<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| pyo3::exceptions::PyOSError::new_err(error.to_string()))?;
    Ok(key)
}

/// The closed list: code, status, message.
#[pyfunction]
fn error_codes() -> Vec<(&'static str, u16, &'static str)> {
    panthera_base::ErrorCode::ALL.iter().map(|code| (code.as_str(), code.status(), code.message())).collect()
}
