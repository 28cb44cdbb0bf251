//! POST.
