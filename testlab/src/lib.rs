//! testlab
