//! Not built yet; the crate is here so that the workspace has its final shape.
