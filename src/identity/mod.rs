//! Who is asking: one file for each source of identity.

pub mod struct_value;
